"""The contents of a report from a comparison that was read."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import numpy as np

from tuitrain import __version__
from tuitrain.board.comparison import BATCH_BETA, Band, Comparison, MemberView, is_wide
from tuitrain.board.positions import PositionName
from tuitrain.comparing.differing import differing_keys, leaves, worded
from tuitrain.comparing.report.contents import Contents, Figure, Line, Row

MOST_METRICS = 6
_MOST_POINTS = 300
_BROKE_OFF = frozenset({"failed", "lost"})


def contents_of(
    comparison: Comparison,
    metrics: Iterable[str] = (),
    *,
    position: PositionName = "epoch",
    level: float = 0.95,
) -> Contents:
    """What a report of a comparison says.

    Args:
        comparison: as far as it was read.
        metrics: which; none means the comparison's first, then those that the arms share.
        position: what x is in the figures.
        level: of the intervals of a ranking together.
    """
    plan = comparison.plan
    chosen = tuple(metrics) or shared_metrics(comparison)
    columns, rows = _compared(comparison)
    return Contents(
        title=plan.title or plan.name or "Comparison",
        about=plan.about,
        look_for=plan.look_for,
        task=", ".join(comparison.tasks()),
        created=_date(plan.created),
        figures=tuple(_figure(comparison, metric, position) for metric in chosen),
        columns=columns,
        table=rows,
        rankings=tuple(comparison.ranking(metric, level) for metric in chosen),
        notes=_notes(comparison),
        footer=_footer(comparison),
    )


def shared_metrics(comparison: Comparison) -> tuple[str, ...]:
    """The comparison's metric, then those of which every arm has a curve and less or more is better; six at most."""
    having = [{metric for view in views for metric in view.curves.metrics()} for views in comparison.arms.values()]
    known = [metrics for metrics in having if metrics]
    first, neither = comparison.plan.metric, _neither_better(comparison)
    shared = [
        name
        for name in comparison.metrics()
        if name not in neither and not name.startswith("gap/") and all(name in metrics for metrics in known)
    ]
    return (first, *(name for name in shared if name != first))[:MOST_METRICS]


def _neither_better(comparison: Comparison) -> set[str]:
    """Metrics that tell how a run goes and not how well, as the norm of the gradient."""
    started = [view.curves.started for view in comparison.members.values() if view.curves.started is not None]
    return {metric.name for event in started for metric in event.metrics if metric.better == "neither"}


def _figure(comparison: Comparison, metric: str, position: PositionName) -> Figure:
    bands = {
        label: band
        for label in comparison.arms
        if (band := comparison.band(label, metric, position, BATCH_BETA)) is not None
    }
    lines = tuple(_line(label, bands[label]) if label in bands else Line(label, (), ()) for label in comparison.arms)
    has_spread = any(line.lows for line in lines)
    caption = "Line: mean over the runs of an arm. Band: ± one standard deviation." if has_spread else ""
    if metric.startswith("batch/"):
        caption = f"{caption} Moving average over batches, decay {BATCH_BETA:g}.".strip()
    label = {"step": "step", "epoch": "epoch", "samples": "samples seen", "seconds": "seconds"}[position]
    is_log = is_wide(band.means for band in bands.values())
    return Figure(metric, label, metric, is_log, lines, caption)


def _line(label: str, band: Band) -> Line:
    """Thinned to what a picture can show; a band only where it has a width."""
    num = len(band.xs)
    places = np.unique(np.linspace(0, num - 1, min(num, _MOST_POINTS)).astype(int))
    xs, ys, lows, highs = (tuple(edge[places].tolist()) for edge in (band.xs, band.means, band.lows, band.highs))
    has_width = any(low != high for low, high in zip(lows, highs, strict=True) if math.isfinite(low))
    return Line(label, xs, ys, lows, highs) if has_width else Line(label, xs, ys)


def _compared(comparison: Comparison) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    """What the arms' presets do not have in common, and what became of the runs."""
    presets = {label: leaves(views[0].member.preset) if views else {} for label, views in comparison.arms.items()}
    differing = differing_keys(presets.values())
    rows = []
    for label, views in comparison.arms.items():
        changed = ", ".join(f"{key} = {worded(presets[label][key])}" for key in differing if key in presets[label])
        seconds = [view.curves.seconds for view in views if view.state == "finished"]
        pace = f"{sum(seconds) / len(seconds):.3g} s" if seconds else ""
        rows.append(Row(label, (changed, _states(views), pace) if differing else (_states(views), pace)))
    heads = ("runs", "time of a run")
    return (("differs in", *heads) if differing else heads), tuple(rows)


def _states(views: list[MemberView]) -> str:
    """3 finished, 1 failed."""
    return ", ".join(f"{count} {state}" for state, count in Counter(view.state for view in views).items())


def _notes(comparison: Comparison) -> tuple[str, ...]:
    views = list(comparison.members.values())
    final = comparison.final_values(comparison.plan.metric)
    notes = list(dict.fromkeys(comparison.remarks))
    num_open = sum(not view.is_final for view in views)
    if num_open:
        notes.append(f"{num_open} of {len(views)} runs had not ended when this was written.")
    for view in views:
        if view.state in _BROKE_OFF or view.state in {"cancelled", "gone"}:
            diverged = not math.isfinite(final[view.member.arm].get(view.member.pair, 0.0))
            why = f": {view.message}" if view.message else ""
            counted = "it diverged" if diverged else "it is left out of the verdict"
            notes.append(f"{view.run_id or view.key} ({view.member.arm}) {_WORDS[view.state]}{why}; {counted}.")
        elif view.state == "stopped" and view.curves.step < view.curves.total_steps:
            where = f"step {view.curves.step} of {view.curves.total_steps}"
            notes.append(
                f"{view.run_id or view.key} ({view.member.arm}) was stopped at {where}; it counts as it stood."
            )
        if view.curves.steered:
            told = "; ".join(view.curves.steered.values())
            notes.append(f"{view.run_id or view.key} ({view.member.arm}) was steered by hand: {told}.")
    return tuple(notes)


_WORDS = {"failed": "failed", "lost": "was lost", "cancelled": "was cancelled", "gone": "is no longer there"}


def _footer(comparison: Comparison) -> tuple[str, ...]:
    started = [view.curves.started for view in comparison.members.values() if view.curves.started is not None]
    devices = ", ".join(dict.fromkeys(event.device for event in started))
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    return (f"tuitrain {__version__}", python, devices and f"trained on {devices}", comparison.plan.name)


def _date(seconds: float) -> str:
    """To the minute; a stranger's plan may hold any number."""
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "an unknown day"
