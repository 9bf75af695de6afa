"""The verdict of a comparison for a person: one line, and a sheet with the whole ranking by a metric."""

from __future__ import annotations

from textual.content import Content

from tuitrain.board.comparison import Comparison
from tuitrain.board.verdict import Ranking, rank
from tuitrain.ui import text

_QUIET = "$foreground 55%"
_WORD_STYLES = {"better": "bold $success", "worse": "$error"}


class Verdicts:
    """Ranks by a metric; keeps the ranking until a value has changed."""

    def __init__(self) -> None:
        self._known: tuple[object, Ranking] | None = None

    def ranking(self, comparison: Comparison, metric: str) -> Ranking | None:
        """The ranking by a metric; None where there is nothing to rank, or no order is better."""
        values = comparison.final_values(metric) if comparison.is_aim(metric) else {}
        if not any(values.values()):
            return None
        key = repr((metric, values))  # a NaN is not equal to itself
        if self._known is None or self._known[0] != key:
            self._known = key, rank(values, is_lower_better=comparison.is_lower_better(metric), metric=metric)
        return self._known[1]


def verdict_line(ranking: Ranking | None, *, is_done: bool, width: int) -> Content:
    """The verdict in one line."""
    if ranking is None:
        return Content.styled("no verdict by this metric" if is_done else "no verdict yet", _QUIET)
    so_far = "" if is_done else "so far: "
    words = f"{so_far}{ranking.sentence}".replace("so far: Cannot", "so far: cannot")
    room = width - len("verdict  ")
    words = words if len(words) <= room else f"{words[: max(1, room - 1)]}…"
    return Content.assemble(("verdict  ", "bold $accent"), words)


def verdict_sheet(ranking: Ranking | None, metric: str, *, is_lower_better: bool, is_done: bool) -> Content:
    """The whole ranking: mean, standard deviation, difference to the best with its interval, the word."""
    if ranking is None:
        return Content(
            f"There is nothing to rank by {metric}: no run has a value yet, or neither less nor more is better."
        )
    better = "lower" if is_lower_better else "higher"
    lines = [
        Content.assemble((metric, "bold"), (f"   {better} is better, last value of each run", _QUIET)),
        Content(""),
        Content(("" if is_done else "So far: ") + ranking.sentence),
        Content(""),
    ]
    width = min(30, max((len(standing.arm) for standing in ranking.standings), default=8))
    words = max((len(standing.word) for standing in ranking.standings), default=8)
    head = f"{'':>3}  {'run':<{width}}  {'mean':>9}  {'± sd':>8}  {'n':>3}  {'verdict':<{words}}  to the best"
    lines.append(Content.styled(head, _QUIET))
    for place, standing in enumerate(ranking.standings, 1):
        name = standing.arm if len(standing.arm) <= width else f"{standing.arm[: width - 1]}…"
        deviation = "–" if standing.deviation is None else f"{standing.deviation:.2g}"
        lines.append(
            Content.assemble(
                f"{place:>3}  {name:<{width}}  {text.number(standing.mean):>9}  {deviation:>8}  {standing.num:>3}  ",
                (f"{standing.word:<{words}}", _WORD_STYLES.get(standing.word, "$warning")),
                (f"  {standing.text}", "$foreground 75%"),
            )
        )
    return Content("\n").join([*lines, Content(""), Content.styled(ranking.footing, _QUIET)])
