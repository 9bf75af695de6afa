"""The verdict of a comparison for a person: a line or two, and a sheet with the whole ranking by a metric."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Sequence

from textual.content import Content

from tuitrain.board.comparison import Comparison
from tuitrain.board.verdict import Ranking
from tuitrain.ui import text

_QUIET = "$foreground 55%"
_WORD_STYLES = {"better": "bold $success", "worse": "$error"}


class Verdicts:
    """Ranks by a metric; keeps the ranking until a value has changed.

    The first ranking of so many arms and seeds simulates for up to a second: a thread does it, and the one before
    stands meanwhile.

    Args:
        when_ranked: told, in that thread, that there is a new one.
    """

    def __init__(self, when_ranked: Callable[[], None] = lambda: None) -> None:
        self._when_ranked = when_ranked
        self._known: tuple[str, str, Ranking] | None = None
        """Metric, what was ranked, the ranking."""
        self._wanted: tuple[str, str, Callable[[], Ranking]] | None = None
        self._asked = ""
        self._lock = threading.Lock()
        self._is_ranking = False

    def ranking(self, comparison: Comparison, metric: str) -> Ranking | None:
        """The newest ranking by a metric; None where there is nothing to rank, no order is better, or none is ready."""
        values = comparison.final_values(metric) if comparison.is_aim(metric) else {}
        if not any(values.values()):
            return None
        # A NaN is not equal to itself; and the first run with another loss makes them incomparable.
        key = repr((metric, values, comparison.tasks(), comparison.losses()))
        with self._lock:
            if (self._known is None or self._known[1] != key) and self._asked != key:
                self._asked = key
                self._wanted = metric, key, comparison.judge(metric)
                if not self._is_ranking:
                    self._is_ranking = True
                    threading.Thread(target=self._rank, name="verdict", daemon=True).start()
            return self._known[2] if self._known is not None and self._known[0] == metric else None

    def _rank(self) -> None:
        while True:
            with self._lock:
                wanted, self._wanted = self._wanted, None
                if wanted is None:
                    self._is_ranking = False
                    return
            metric, key, rank_now = wanted
            ranking = rank_now()
            with self._lock:
                self._known = metric, key, ranking
            self._when_ranked()


def verdict_lines(ranking: Ranking | None, *, is_done: bool, width: int) -> Content:
    """The verdict in one line, or in two where it is longer; the sheet has what is longer still."""
    if ranking is None:
        return Content.styled("no verdict by this metric" if is_done else "no verdict yet", _QUIET)
    so_far = "" if is_done else "so far: "
    words = f"{so_far}{ranking.sentence}".replace("so far: Cannot", "so far: cannot")
    head = "verdict  "
    room = max(2, width - len(head))
    lines = textwrap.wrap(words, room, max_lines=2, placeholder=" …", break_on_hyphens=False) or [""]
    return Content.assemble((head, "bold $accent"), f"\n{'':{len(head)}}".join(lines))


def verdict_sheet(
    ranking: Ranking | None,
    metric: str,
    *,
    is_lower_better: bool,
    is_done: bool,
    told: Sequence[str] = (),
    room: int = 104,
    is_aim: bool = True,
) -> Content:
    """The whole ranking: mean, standard deviation, difference to the best with its interval, the word.

    Args:
        ranking: by the metric; None where there is none.
        metric: its name.
        is_lower_better: as of a loss.
        is_done: whether nothing more is to come.
        told: what weakens the verdict.
        room: columns; where a row is wider, its difference is on a line of its own.
        is_aim: whether less or more of the metric is better at all.
    """
    if ranking is None:
        why = "no run has a value yet" if is_aim else "neither less nor more of it is better"
        return Content(f"There is nothing to rank by {metric}: {why}.")
    better = "lower" if is_lower_better else "higher"
    lines = [
        Content.assemble((metric, "bold"), (f"   {better} is better, last value of each run", _QUIET)),
        Content(""),
        Content(ranking.sentence if is_done else f"So far: {ranking.sentence}".replace("far: Cannot", "far: cannot")),
        *(Content.styled(f"But {words}.", "$warning") for words in told),
        Content(""),
    ]
    words = [standing.word if standing.values else "no value yet" for standing in ranking.standings]
    texts = [standing.text if standing.values else "" for standing in ranking.standings]
    word_width = max((len(word) for word in words), default=8)
    width = min(30, max((len(standing.arm) for standing in ranking.standings), default=8))
    rest = len(f"{'':>3}    {'':>9}  {'':>8}  {'':>3}  ") + word_width
    width = max(8, min(width, room - rest))
    is_narrow = rest + width + 2 + max((len(words) for words in texts), default=0) > room
    head = f"{'':>3}  {'run':<{width}}  {'mean':>9}  {'± sd':>8}  {'n':>3}  {'verdict':<{word_width}}"
    lines.append(Content.styled(head if is_narrow else f"{head}  to the best", _QUIET))
    for place, (standing, word, difference) in enumerate(zip(ranking.standings, words, texts, strict=True), 1):
        name = standing.arm if len(standing.arm) <= width else f"{standing.arm[: width - 1]}…"
        deviation = "–" if standing.deviation is None else f"{standing.deviation:.2g}"
        lines.append(
            Content.assemble(
                f"{place:>3}  {name:<{width}}  {text.number(standing.mean):>9}  {deviation:>8}  {standing.num:>3}  ",
                (f"{word:<{word_width}}", _WORD_STYLES.get(word, "$warning")),
                ("" if is_narrow else f"  {difference}", "$foreground 75%"),
            )
        )
        if is_narrow and difference:
            lines.append(Content.styled(f"     {difference}", "$foreground 75%"))
    return Content("\n").join([*lines, Content(""), Content.styled(ranking.footing, _QUIET)])
