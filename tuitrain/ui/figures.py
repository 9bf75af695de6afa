"""From a board to the four charts. Pure: the same board and views give the same figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tuitrain.board.board import GRADIENT_NORM, LEARNING_RATE, LOSS, Board
from tuitrain.board.series import Point, Series
from tuitrain.protocol.plan import LearningRatePlan
from tuitrain.techniques import plan as plans
from tuitrain.ui.predictions import LOOKS, prediction_words
from tuitrain.ui.race import race_figure
from tuitrain.ui.text import count
from tuitrain.ui.widgets.chart import ChartView
from tuitrain.ui.widgets.figure import Band, Curve, Figure, Kind, Level, Mark, Word, format_value

CHARTS = ("loss", "norm", "rate", "eval")
"""Ids of the charts, in reading order."""
TITLES = {"loss": "batch loss", "norm": "gradient norm", "rate": "learning rate", "eval": "train / validation"}
_FEWEST_STEPS = 10
_EVALS_PAST_BEST = 3


@dataclass(frozen=True)
class Sight:
    """What a person looks at, beside the board: shared by all charts."""

    cursor: int | None = None
    """The step that is read, or None."""
    metric: str = "loss"
    """On the train / validation chart: "loss", "accuracy" or another metric of both sides."""
    proposed: LearningRatePlan | None = None
    """A plan that is being thought about, not yet asked for."""
    beside: Board | None = None
    """Another run that is drawn faint behind this one, such as the one that it is a branch of."""


def figure_of(chart: str, board: Board, view: ChartView, sight: Sight, columns: int) -> Figure:
    """The figure of one chart.

    Args:
        chart: one of `CHARTS`.
        board: what is known.
        view: how the person looks at this chart.
        sight: what all charts share.
        columns: width of the plot in cells; decides how many points are worth giving.
    """
    builders: dict[str, Callable[[Board, ChartView, Sight, int], Figure]] = {
        "loss": _loss_figure,
        "norm": _norm_figure,
        "rate": _rate_figure,
        "eval": _eval_figure,
    }
    figure = builders[chart](board, view, sight, max(8, columns))
    if board.race is None or chart not in {"loss", "eval"}:
        return figure
    return race_figure(board, figure, chart, max(8, columns))


def _span(board: Board, view: ChartView, *, planned: bool = False) -> tuple[float, float]:
    """First and last step in view."""
    last = max(board.step, _FEWEST_STEPS)
    if view.window is not None:
        first = max(0, board.step - view.window)
        # A look ahead a quarter as wide as the past.
        return first, board.step + view.window / 4 if planned else last
    return 0, max(last, board.total_steps) if planned else last


def _measured(board: Board, view: ChartView, sight: Sight, columns: int, chart: str, metric: str) -> Figure:
    """A per-step metric: raw values as faint points, the moving average as the one line."""
    first, last = _span(board, view)
    series = board.series.get(metric)
    curves: tuple[Curve, ...] = ()
    legend: tuple[Word, ...] = ()
    if series is not None:
        series.smooth_with(view.decay)
        raw, smooth = series.points(first, last, columns), series.smooth_points(first, last, 2 * columns)
        bad = [(float(step), float("nan")) for step in series.nonfinite_steps if first <= step <= last]
        raw = sorted([*raw, *bad[:columns]], key=lambda point: point[0])
        is_raw = view.decay == 0.0
        curves = (
            _curve("raw", raw, chart if is_raw else f"{chart}-faint", board, view, kind="line" if is_raw else "points"),
            *(() if is_raw else (_curve("ema", smooth, chart, board, view, is_emphasised=True),)),
        )
        legend = _reading(series, chart, sight, is_raw=is_raw)
    return Figure(
        title=TITLES[chart],
        curves=(*_shadows(board, view, sight, columns, metric), *curves),
        marks=_marks(board, view, first, last),
        x_range=_x_range(board, view, first, last),
        is_log=view.is_log,
        x_label=view.x_axis,
        cursor=_cursor(board, view, sight),
        legend=legend,
        empty_text=_empty_text(board),
    )


def _shadows(board: Board, view: ChartView, sight: Sight, columns: int, metric: str) -> tuple[Curve, ...]:
    """What the run left when it went back, and the run that is drawn behind it: faint, the smooth line alone."""
    first, last = _span(board, view)
    found: list[Curve] = []
    behind = [ghost.series for ghost in board.ghosts] if view.x_axis != "seconds" else []
    if sight.beside is not None and view.x_axis != "seconds":
        behind.insert(0, sight.beside.series)
    for index, series in enumerate(behind):
        if metric in series:
            if metric == LEARNING_RATE:
                points = series[metric].points(first, last, columns)
            else:
                series[metric].smooth_with(view.decay)
                points = series[metric].smooth_points(first, last, columns)
            found.append(_curve(f"left {index}", points, "faint", board, view))
    return tuple(curve for curve in found if curve.xs)


def _eval_shadows(board: Board, view: ChartView, sight: Sight, columns: int, metric: str) -> tuple[Curve, ...]:
    """The same of the validation metric."""
    first, last = _span(board, view)
    behind = [ghost.evals for ghost in board.ghosts] if view.x_axis != "seconds" else []
    if sight.beside is not None and view.x_axis != "seconds":
        behind.insert(0, sight.beside.evals)
    points = [_inside(evals.get(f"eval/{metric}", []), first, last, columns) for evals in behind]
    return tuple(_curve(f"left {i}", found, "faint", board, view) for i, found in enumerate(points) if found)


def _loss_figure(board: Board, view: ChartView, sight: Sight, columns: int) -> Figure:
    return _measured(board, view, sight, columns, "loss", LOSS)


def _norm_figure(board: Board, view: ChartView, sight: Sight, columns: int) -> Figure:
    figure = _measured(board, view, sight, columns, "norm", GRADIENT_NORM)
    clip = board.optimizer.gradient_clip if board.optimizer is not None else None
    levels = () if clip is None else (Level(clip, f"clip {format_value(clip)}"),)
    legend = (*_words(figure), Word("  before clipping")) if figure.curves else ()
    if not figure.curves and board.step:
        figure = replace(figure, empty_text="not measured: the telemetry budget is 0")
    return replace(figure, levels=levels, legend=legend)


def _rate_figure(board: Board, view: ChartView, sight: Sight, columns: int) -> Figure:
    first, last = _span(board, view, planned=True)
    curves: list[Curve] = list(_shadows(board, view, sight, columns, LEARNING_RATE))
    now = board.step
    past = board.series.get(LEARNING_RATE)
    if past is not None:
        curves.append(
            _curve("past", past.points(first, min(now, last), columns), "rate", board, view, is_emphasised=True)
        )
    plan = board.plan
    group = next(iter(plan.segments[-1].base)) if plan is not None else ""
    if plan is not None and board.is_live:
        start, end = int(max(first, now)) + 1, int(last)
        if sight.proposed is not None:
            curves.append(_planned("plan", plan, group, start, end, "plan-old", board, view, columns))
            curves.append(_planned("proposed", sight.proposed, group, start, end, "mark", board, view, columns))
        else:
            before = plans.without_last_edit(plan, group, start, end, columns)
            curves.append(_curve("without it", _as_points(before), "plan-old", board, view, kind="dotted"))
            curves.append(_planned("plan", plan, group, start, end, "plan", board, view, columns))
    shown = tuple(curve for curve in curves if curve.xs)
    highest = max((max(curve.ys) for curve in shown), default=0.0)
    return Figure(
        title=TITLES["rate"],
        curves=shown,
        y_range=(0.0, highest * 1.05) if highest > 0.0 and not view.is_log else None,
        marks=_marks(board, view, first, last),
        x_range=_x_range(board, view, first, last),
        is_log=view.is_log,
        x_label=view.x_axis,
        cursor=_cursor(board, view, sight),
        legend=_rate_legend(board, sight, group),
        empty_text=_empty_text(board),
    )


def _eval_figure(board: Board, view: ChartView, sight: Sight, columns: int) -> Figure:
    first, last = _span(board, view)
    metric = sight.metric if f"eval/{sight.metric}" in board.evals else "loss"
    sides = {side: _inside(board.evals.get(f"{side}/{metric}", []), first, last, columns) for side in ("train", "eval")}
    curves = tuple(
        _curve(name, sides[side], role, board, view, is_emphasised=side == "eval")
        for side, name, role in (("train", "train", "train"), ("eval", "validation", "validation"))
        if sides[side]
    )
    beside = tuple(
        _curve(name, points, look.role, board, view, kind=look.kind)
        for name, look in LOOKS.items()
        if (points := _inside(board.evals.get(f"{name}/{metric}", []), first, last, columns))
    )
    bands: tuple[Band, ...] = ()
    if len(sides["train"]) == len(sides["eval"]) and sides["train"]:
        xs = _xs([step for step, _ in sides["train"]], board, view)
        pairs = list(zip(sides["train"], sides["eval"], strict=True))
        lows = [min(train, other) for (_, train), (_, other) in pairs]
        bands = (Band("gap", xs, lows, [max(train, other) for (_, train), (_, other) in pairs], "gap"),)
    return Figure(
        title=f"{TITLES['eval']} {metric}{_sizes(board)}",
        curves=(*_eval_shadows(board, view, sight, columns, metric), *beside, *curves),
        bands=bands,
        marks=(*_best_mark(board, view, metric, first, last), *_marks(board, view, first, last)),
        x_range=_x_range(board, view, first, last),
        is_log=view.is_log,
        x_label=view.x_axis,
        cursor=_cursor(board, view, sight),
        legend=_eval_legend(board, sight, metric),
        empty_text=_empty_text(board),
    )


def _sizes(board: Board) -> str:
    """Over how many samples its points are means, of both sides where they differ."""
    train, validation = board.num_evaluated or (0, 0)
    if validation < 2:  # a surface has no samples
        return ""
    return f", n {validation}" if train == validation else f", n {train} / {validation}"


def _best_mark(board: Board, view: ChartView, metric: str, first: float, last: float) -> tuple[Mark, ...]:
    """Where the validation loss was best, once it has not been for a while."""
    lowest = board.lowest_loss
    if metric != "loss" or lowest is None or lowest[0] == 0:
        return ()
    since = sum(step > lowest[0] for step, _ in board.evals["eval/loss"])
    if since < _EVALS_PAST_BEST or not first <= lowest[0] <= last:
        return ()
    return (Mark(board.axis.of(lowest[0], view.x_axis), f"best {format_value(lowest[1])}", "validation"),)


def _reading(series: Series, role: str, sight: Sight, *, is_raw: bool) -> tuple[Word, ...]:
    """Current values, or those under the cursor."""
    if sight.cursor is not None and (near := series.near(sight.cursor)) is not None:
        step, value, smooth = near
        place = Word(f"step {count(step)}  ")
        if is_raw:
            return place, Word(format_value(value), role, is_strong=True)
        return (
            place,
            Word("smoothed "),
            Word(format_value(smooth), role, is_strong=True),
            Word(f"  raw {format_value(value)}"),
        )
    last, smooth_last = series.last, series.last_smooth
    if last is None or smooth_last is None:
        return ()
    if is_raw:
        return (Word(format_value(last), role, is_strong=True),)
    return (
        Word("smoothed "),
        Word(format_value(smooth_last), role, is_strong=True),
        Word(f"  last {format_value(last)}"),
    )


def _rate_legend(board: Board, sight: Sight, group: str) -> tuple[Word, ...]:
    if board.plan is None:
        return ()
    plan = board.plan
    if sight.proposed is not None:
        before = plans.learning_rate(plan, group, board.step)
        after = plans.learning_rate(sight.proposed, group, board.step)
        return Word(f"{format_value(before)} → "), Word(format_value(after), "mark", is_strong=True), Word("  proposed")
    step = board.step if sight.cursor is None else max(0, sight.cursor - 1)
    segment = plans.segment_at(plan, step)
    rate = Word(format_value(plans.learning_rate(plan, group, step)), "rate", is_strong=True)
    name = segment.schedule.name
    multiplier = segment.multiplier.get(group, 1.0)
    words = [rate, Word(f"  {name}" + (f" ×{multiplier:.3g}" if multiplier != 1.0 else ""))]
    if sight.cursor is not None:
        return Word(f"step {count(sight.cursor)}  "), *words
    return (*words, Word(", planned ahead")) if board.is_live and name != "constant" else tuple(words)


def _eval_legend(board: Board, sight: Sight, metric: str) -> tuple[Word, ...]:
    values = {side: board.evals.get(f"{side}/{metric}", []) for side in ("train", "eval", "gap")}
    if not values["eval"]:
        return ()
    if sight.cursor is None:
        chosen = {side: points[-1] for side, points in values.items() if points}
    else:
        wanted = sight.cursor
        chosen = {
            side: min(points, key=lambda point: abs(point[0] - wanted)) for side, points in values.items() if points
        }
    words: list[Word] = [] if sight.cursor is None else [Word(f"step {count(chosen['eval'][0])}  ")]
    if "train" in chosen:
        words += [Word("train "), Word(format_value(chosen["train"][1]), "train", is_strong=True), Word("  val ")]
    words.append(Word(format_value(chosen["eval"][1]), "validation", is_strong=True))
    words += prediction_words(board, metric, sight.cursor)
    if "gap" in chosen:
        words += [Word("  gap "), Word(format_value(chosen["gap"][1]), "gap", is_strong=True)]
        trend = _trend(values["gap"]) if sight.cursor is None and metric == "loss" else ""
        words += [Word(f" {trend}")] if trend else []
    return tuple(words)


def _trend(gap: Sequence[tuple[int, float]]) -> str:
    """Whether the gap of the last five evaluations is clearly above or below that of the five before."""
    recent, earlier = [value for _, value in gap[-5:]], [value for _, value in gap[-10:-5]]
    if len(earlier) < 5:
        return ""
    now, before = sum(recent) / 5, sum(earlier) / 5
    spread = max(abs(before), 1e-3) * 0.1
    return "widening" if now > before + spread else "closing" if now < before - spread else ""


def _planned(
    name: str, plan: LearningRatePlan, group: str, first: int, last: int, role: str, board: Board, view: ChartView,
    columns: int,
) -> Curve:  # fmt: skip
    return _curve(name, _as_points(plans.sampled(plan, group, first, last, columns)), role, board, view, kind="dotted")


def _as_points(points: Sequence[plans.Point]) -> list[Point]:
    return [(float(point.step), point.learning_rate) for point in points]


def _curve(
    name: str, points: Sequence[Point], role: str, board: Board, view: ChartView, *, kind: Kind = "line",
    is_emphasised: bool = False,
) -> Curve:  # fmt: skip
    xs = _xs([step for step, _ in points], board, view)
    return Curve(name, xs, [value for _, value in points], role, kind, is_emphasised)


def _xs(steps: Sequence[float], board: Board, view: ChartView) -> list[float]:
    return [board.axis.of(step, view.x_axis) for step in steps]


def _x_range(board: Board, view: ChartView, first: float, last: float) -> tuple[float, float]:
    return board.axis.of(first, view.x_axis), board.axis.of(last, view.x_axis)


def _cursor(board: Board, view: ChartView, sight: Sight) -> float | None:
    return None if sight.cursor is None else board.axis.of(sight.cursor, view.x_axis)


def _marks(board: Board, view: ChartView, first: float, last: float) -> tuple[Mark, ...]:
    roles = {"decision": "mark", "alarm": "alarm"}
    return tuple(
        Mark(board.axis.of(mark.step, view.x_axis), mark.label, roles[mark.kind])
        for mark in board.marks
        if first <= mark.step <= last
    )


def _inside(points: Sequence[tuple[int, float]], first: float, last: float, columns: int) -> list[Point]:
    inside = [(float(step), value) for step, value in points if first <= step <= last]
    stride = max(1, len(inside) // (2 * columns))
    return inside if stride == 1 else [*inside[:-1:stride], inside[-1]]


def _words(figure: Figure) -> tuple[Word, ...]:
    return figure.legend if isinstance(figure.legend, tuple) else (Word(figure.legend),)


def _empty_text(board: Board) -> str:
    if board.state == "starting":
        return f"starting: {board.stage}" if board.stage else "starting"
    return "waiting for the first step" if board.is_live else "nothing was recorded"
