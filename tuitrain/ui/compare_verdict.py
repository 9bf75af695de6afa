"""The verdict of a comparison for a person: a line or two, and a sheet with the whole ranking by a metric."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Sequence

from textual.content import Content

from tuitrain.board.comparison import Comparison
from tuitrain.board.verdict import CANNOT_TELL, Ranking, Standing
from tuitrain.cells import left, num_cells
from tuitrain.ui import text

_QUIET = "$foreground 55%"
_INDENT = 5
"""Cells before a name: its place in the ranking."""
_TO_BEST = "to the best"
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
    room: int = 104,
    *,
    is_lower_better: bool,
    is_done: bool,
    told: Sequence[str] = (),
    more: str = "",
    is_aim: bool = True,
) -> Content:
    """The whole ranking: mean, standard deviation, difference to the best with its interval, the word.

    Args:
        ranking: by the metric; None where there is none.
        metric: its name.
        room: columns; no row of the ranking is wider.
        is_lower_better: as of a loss.
        is_done: whether nothing more is to come.
        told: what weakens the verdict.
        more: the command that brings more seeds; empty where they would not help.
        is_aim: whether less or more of the metric is better at all.
    """
    if ranking is None:
        if is_aim:
            return Content(f"There is no ranking by {metric} yet.")
        return Content(f"There is nothing to rank by {metric}: neither less nor more of it is better.")
    better = "lower" if is_lower_better else "higher"
    lines = [
        Content.assemble((metric, "bold"), (f"   {better} is better, last value of each run", _QUIET)),
        Content(""),
        Content(ranking.sentence if is_done else f"So far: {ranking.sentence}".replace("far: Cannot", "far: cannot")),
        *(Content.styled(f"But {words}.", "$warning") for words in told),
        Content(""),
        *_ranked(ranking.standings, room),
    ]
    footing = [Content.styled(ranking.footing, _QUIET)]
    footing += [Content(""), Content.assemble(("More seeds tell more: ", _QUIET), more)] if more else []
    return Content("\n").join([*lines, Content(""), *footing])


def _ranked(standings: Sequence[Standing], room: int) -> list[Content]:
    """An arm a line, with its whole name; where one does not fit, a line for the name and the rest under it."""
    words = [_word(standing) for standing in standings]
    word_width = max([len("verdict"), *map(len, words)])
    texts = [standing.text if standing.values else "" for standing in standings]
    numbers = [
        f"{text.number(standing.mean):>7}  {'–' if standing.deviation is None else f'{standing.deviation:.2g}':>7}"
        f"  {standing.num:>2}  "
        for standing in standings
    ]
    head = f"{'mean':>7}  {'± sd':>7}  {'n':>2}  {'verdict':<{word_width}}"
    width = max([len("run"), *(num_cells(standing.arm) for standing in standings)])
    text_width = max([len(_TO_BEST), *map(len, texts)])
    is_wide = _INDENT + width + 2 + len(head) + 2 + text_width <= room
    has_text_beside = is_wide or _INDENT + len(head) + 2 + text_width <= room
    told = f"{head}  {_TO_BEST}" if has_text_beside else head
    lines = [Content.styled(f"{'':{_INDENT}}" + (f"{'run':<{width}}  " if is_wide else "") + told, _QUIET)]
    for place, (standing, numbered, word, said) in enumerate(zip(standings, numbers, words, texts, strict=True), 1):
        front = f"{place:>{_INDENT - 2}}  "
        if is_wide:
            front += f"{left(standing.arm, width)}  "
        else:
            lines.append(Content.assemble(front, (text.cut(standing.arm, max(8, room - _INDENT)), "bold")))
            front = f"{'':{_INDENT}}"
        verdict = (f"{word:<{word_width}}", _WORD_STYLES.get(word, "$warning"))
        beside = f"  {said}" if has_text_beside else ""
        lines.append(Content.assemble(f"{front}{numbered}", verdict, (beside, "$foreground 75%")))
        if not has_text_beside and said:
            folded = textwrap.wrap(said, max(8, room - _INDENT - 2), break_on_hyphens=False)
            lines += [Content.styled(f"{'':{_INDENT + 2}}{line}", "$foreground 75%") for line in folded]
    return lines


def _word(standing: Standing) -> str:
    """Without how many seeds there are, which has a column of its own."""
    if not standing.values:
        return "no value yet"
    return CANNOT_TELL if standing.word.startswith(CANNOT_TELL) else standing.word
