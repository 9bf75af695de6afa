"""What a person chose to see of a comparison. Immutable: each choice gives a new view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tuitrain.board.positions import POSITIONS, PositionName
from tuitrain.ui.widgets.chart import SMOOTHINGS

Bands = Literal["one", "all", "none"]
Layout = Literal["both", "chart", "table"]
SortName = Literal["order", "last", "best", "after", "to target", "samples/s", "gap", "state", "run"]
"""As the heads of the columns say."""

SORTS: tuple[SortName, ...] = ("order", "last", "best", "after", "to target", "samples/s", "gap", "state", "run")
_BANDS: tuple[Bands, ...] = ("one", "all", "none")
_LAYOUTS: tuple[Layout, ...] = ("both", "chart", "table")
_WINDOWS = (1.0, 0.5, 0.2, 0.05)
_FINE, _FAR = 0.01, 0.1


@dataclass(frozen=True, slots=True)
class CompareView:
    """A way to look at a comparison. Rows are named by the label of an arm or the key of a member."""

    metric: str
    position: PositionName = "step"
    is_log: bool | None = None
    """None means as suits the values."""
    smoothing: int = 4
    """Index into `SMOOTHINGS`, for what is measured at each step; at first that of the table and the verdict."""
    window: float = 1.0
    """Share of the x axis that is shown, its newest part; 1 is all."""
    cursor: float | None = None
    """Where the reading line stands, in units of `position`; None means there is none."""
    hidden: frozenset[str] = frozenset()
    """Labels of arms and keys of members whose lines are not drawn."""
    only: str = ""
    """Label of the one arm that is drawn; empty for all."""
    words: str = ""
    """What a row must hold to be shown."""
    sort: SortName = "order"
    is_reversed: bool = False
    selected: str = ""
    """The row that the arrow is at; empty for the first."""
    opened: frozenset[str] = frozenset()
    """Labels of arms whose members are listed, and drawn."""
    bands: Bands = "one"
    """Spread of the chosen arm, of all, of none."""
    layout: Layout = "both"
    targets: tuple[tuple[str, float], ...] = ()
    """(metric, value) that counts as reached."""

    @property
    def beta(self) -> float:
        """The decay of the moving average, in [0, 1)."""
        return SMOOTHINGS[self.smoothing]

    @property
    def target(self) -> float | None:
        """Value of the metric that counts as reached."""
        return dict(self.targets).get(self.metric)

    def turned_metric(self, offered: Sequence[str], offset: int) -> CompareView:
        """The metric so many places on."""
        if not offered:
            return self
        now = offered.index(self.metric) if self.metric in offered else -1 if offset > 0 else 0
        return replace(self, metric=offered[(now + offset) % len(offered)])

    def next_position(self) -> CompareView:
        """By step, epoch, samples, seconds, in turn. A cursor does not survive a change of units."""
        following = POSITIONS[(POSITIONS.index(self.position) + 1) % len(POSITIONS)]
        return replace(self, position=following, cursor=None)

    def toggled_log(self, *, is_log: bool = False) -> CompareView:
        """Linear becomes logarithmic and back; from then on it stays as it is.

        Args:
            is_log: what it is now, where nothing was chosen yet.
        """
        return replace(self, is_log=not (is_log if self.is_log is None else self.is_log))

    def smoothed_by(self, offset: int) -> CompareView:
        """Smoother, or rougher."""
        return replace(self, smoothing=max(0, min(len(SMOOTHINGS) - 1, self.smoothing + offset)))

    def next_window(self) -> CompareView:
        """A smaller part of the axis; after the smallest all of it."""
        return replace(self, window=_WINDOWS[(_WINDOWS.index(self.window) + 1) % len(_WINDOWS)])

    def next_bands(self) -> CompareView:
        """One, all, none, in turn."""
        return replace(self, bands=_BANDS[(_BANDS.index(self.bands) + 1) % len(_BANDS)])

    def next_layout(self) -> CompareView:
        """Chart and table, chart, table, in turn."""
        return replace(self, layout=_LAYOUTS[(_LAYOUTS.index(self.layout) + 1) % len(_LAYOUTS)])

    def next_sort(self, offered: Sequence[SortName] = SORTS) -> CompareView:
        """By the next of the columns that are there."""
        place = SORTS.index(self.sort)
        following = next((sort for sort in (*SORTS[place + 1 :], *SORTS[:place]) if sort in offered), self.sort)
        return replace(self, sort=following, is_reversed=False)

    def toggled(self, row: str) -> CompareView:
        """Hidden becomes shown and back."""
        return replace(self, hidden=self.hidden ^ {row})

    def toggled_only(self, arm: str) -> CompareView:
        """One arm alone becomes all, and back; nothing that was hidden stays so."""
        return replace(self, only="" if self.only else arm, hidden=frozenset())

    def toggled_opened(self, arm: str) -> CompareView:
        """Its members are listed, or no more; what was selected among them is then the arm."""
        return replace(self, opened=self.opened ^ {arm})

    def aimed(self, target: float | None) -> CompareView:
        """Another target for the metric that is shown; None for none."""
        kept = {metric: value for metric, value in self.targets if metric != self.metric}
        found = kept if target is None else {**kept, self.metric: target}
        return replace(self, targets=tuple(found.items()))

    def moved_cursor(self, direction: int, span: tuple[float, float] | None, *, is_far: bool = False) -> CompareView:
        """The reading line to the left (-1) or right; it enters at the newest end and leaves there."""
        if span is None:
            return self
        low, high = span
        start = high if self.cursor is None else self.cursor
        target = start + direction * (_FAR if is_far else _FINE) * (high - low)
        if target >= high and direction > 0:
            return replace(self, cursor=None)
        return replace(self, cursor=min(max(target, low), high))

    def back(self) -> CompareView | None:
        """Without the nearest of: words, cursor, one arm alone, layout; None where there is nothing to undo."""
        if self.words:
            return replace(self, words="")
        if self.cursor is not None:
            return replace(self, cursor=None)
        if self.only:
            return replace(self, only="")
        return replace(self, layout="both") if self.layout != "both" else None
