"""From a board to the race on a surface: who is where, who is how near, in data that a widget can draw. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from textual.content import Content

from tuitrain.board.board import Board
from tuitrain.board.series import Series
from tuitrain.cells import beginning, left
from tuitrain.preset.racing import racer_label
from tuitrain.protocol.racing import AXES, coordinate_metric
from tuitrain.tasks.surfaces import SOLVED, SURFACES, SurfaceSpec
from tuitrain.ui import text
from tuitrain.ui.widgets.figure import Curve, Figure, Word, format_value

Floats = NDArray[np.float64]

MARKERS = "●◆▲■▼◀▶◈"
_LEAST = 1e-8
"""Below this a racer is there; the log axis ends here, or one that hits it exactly would squeeze all others."""
_STYLES = ("$foreground", "$primary", "$success", "$warning", "$accent", "$error", "$secondary", "$foreground 60%")


@dataclass(frozen=True, eq=False)
class Path:
    """The way of one racer since the start."""

    label: str
    index: int
    """Its place among the racers; 0 is the run itself."""
    steps: Floats  # (n,) finished steps; the first is that of the start
    points: Floats  # (n, dimension)
    values: Floats  # (n,) of the surface
    lost_at: int | None = None

    @property
    def role(self) -> str:
        """Its colour."""
        return f"racer-{self.index}"

    @property
    def marker(self) -> str:
        """What stands where it is."""
        return "×" if self.lost_at is not None else MARKERS[self.index % len(MARKERS)]

    def solved_at(self, lowest: float) -> int | None:
        """The first step at which it was within `SOLVED` of the lowest value."""
        near = np.flatnonzero(self.values - lowest < SOLVED)
        return int(self.steps[near[0]]) if len(near) else None


@dataclass(frozen=True, eq=False)
class RaceView:
    """Everything that the picture of a race shows."""

    spec: SurfaceSpec
    since: int
    start: tuple[float, ...]
    step: int
    paths: tuple[Path, ...]
    ghosts: tuple[Floats, ...] = ()
    """(n, dimension): ways of the run itself that it left when it went back."""
    key: tuple[object, ...] = field(default=())
    """Two views with one key look the same."""


def race_view(board: Board, until: int | None = None) -> RaceView | None:
    """The race that a board knows; None where there is none, or on a surface of a newer version.

    Args:
        board: of a run.
        until: show it as it was after this step; None means as it is now.
    """
    race = board.race
    spec = SURFACES.get(race.surface) if race is not None else None
    if race is None or spec is None or len(race.start) != spec.dimension:
        return None
    last = board.step if until is None else min(until, board.step)
    paths = []
    for index, racer in enumerate(race.racers):
        label = _own_label(board, racer.label) if index == 0 else racer.label
        steps, points = _way(board.series, index, race.since, last, race.start)
        lost_at = racer.lost_at if racer.lost_at is not None and racer.lost_at <= last else None
        with np.errstate(all="ignore"):
            values = np.asarray(spec.function(list(points.T), np), dtype=np.float64)
        paths.append(Path(label, index, steps, points, values, lost_at))
    ghosts = tuple(
        points for ghost in board.ghosts if len(points := _way(ghost.series, 0, race.since, ghost.last, ())[1]) > 1
    )
    key = (spec.name, race.since, race.start, last, len(ghosts), tuple((path.lost_at, path.label) for path in paths))
    return RaceView(spec, race.since, race.start, last, tuple(paths), ghosts, key)


def race_figure(board: Board, figure: Figure, chart: str, columns: int) -> Figure:
    """A chart of a run on a surface: how near all racers are to the lowest value, or one line where there are no data.

    Args:
        board: of the run.
        figure: what the chart shows of any run.
        chart: "loss" or "eval".
        columns: width of the plot in cells.
    """
    view = race_view(board)
    if view is None:
        return figure
    if chart == "eval":
        only = tuple(replace(curve, name="value") for curve in figure.curves if curve.name == "validation")
        value = board.last_eval("eval/loss")
        told = () if value is None else (Word(format_value(value), "validation", is_strong=True),)
        return replace(
            figure, title="value at the point", curves=only, bands=(), legend=(*told, Word("  no data, so no gap"))
        )
    if figure.x_label != "step":
        return figure
    curves = [_nearness(path, view.spec, columns) for path in reversed(view.paths)]
    legend = _spaced([Word(f"{path.marker} {_near(path, view.spec)}", path.role) for path in view.paths])
    return replace(
        figure, title=f"above the lowest value ({format_value(view.spec.lowest)})", curves=tuple(curves),
        is_log=not figure.is_log, legend=legend,
    )  # fmt: skip


def legend_words(view: RaceView) -> tuple[Word, ...]:
    """One line: every racer with its marker."""
    return _spaced([Word(f"{path.marker}{path.label}", path.role, is_strong=path.index == 0) for path in view.paths])


def table_lines(view: RaceView, width: int) -> list[Content]:
    """Racer, value now, and when it was within 1e-4 of the lowest."""
    room = max(6, width - 19)
    head = f"{'':<{room + 2}}{'value':>9}{'to 1e-4':>8}"
    lines = [Content.styled(head, "$foreground 55%")]
    for path in view.paths:
        solved = path.solved_at(view.spec.lowest)
        when = "lost" if path.lost_at is not None else "–" if solved is None else text.count(solved - view.since)
        name = left(beginning(path.label, room), room)
        style = _STYLES[path.index % len(_STYLES)]
        weight = "bold " if path.index == 0 else ""
        lines.append(
            Content.assemble(
                (f"{path.marker} ", style),
                (name, f"{weight}{style}"),
                (f"{text.number(float(path.values[-1])):>9}", "$foreground"),
                (f"{when:>8}", "$error" if when == "lost" else "$success" if solved is not None else "$foreground 55%"),
            )
        )
    return lines


def _spaced(words: list[Word]) -> tuple[Word, ...]:
    """Gaps before the words: `legend_of` takes a last word that ends with a space for a name without its value."""
    return tuple(replace(word, text=f" {word.text}" if index else word.text) for index, word in enumerate(words))


def _own_label(board: Board, label: str) -> str:
    """What the optimizer that is at work now is called: it may have been switched, or got momentum."""
    optimizer = board.optimizer
    if optimizer is None or not optimizer.groups:
        return label
    return racer_label(optimizer.name, optimizer.groups[0].hyperparameters)


def _way(
    series: Mapping[str, Series], index: int, since: int, last: int, start: tuple[float, ...]
) -> tuple[Floats, Floats]:
    """Steps (n,) and points (n, dimension) after `since`, up to `last`; the start before them, if one is given."""
    axes = [series[name] for axis in range(len(AXES)) if (name := coordinate_metric(index, axis)) in series]
    if not axes or (start and len(axes) < len(start)):
        return np.array([float(since)]), np.array([start], dtype=np.float64).reshape(1, len(start))
    found = [item.values_by_step() for item in axes]
    size = min(len(steps) for steps, _ in found)
    steps, points = found[0][0][:size], np.stack([values[:size] for _, values in found], axis=1)
    inside = (steps > since) & (steps <= last)
    steps, points = steps[inside], points[inside]
    if not start:
        return steps, points
    return np.concatenate([[float(since)], steps]), np.concatenate([[start], points])


def _nearness(path: Path, spec: SurfaceSpec, columns: int) -> Curve:
    """How far above the lowest value a racer is, at every step."""
    stride = max(1, len(path.steps) // (4 * columns))
    chosen = np.unique(np.append(np.arange(0, len(path.steps), stride), len(path.steps) - 1))
    heights = np.maximum(path.values[chosen] - spec.lowest, _LEAST)
    return Curve(path.label, path.steps[chosen].tolist(), heights.tolist(), path.role, is_emphasised=path.index == 0)


def _near(path: Path, spec: SurfaceSpec) -> str:
    return format_value(max(float(path.values[-1]) - spec.lowest, 0.0))
