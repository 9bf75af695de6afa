"""What a comparison came to, as text and as data: a row an arm, the ranking, the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import to_builtins

from tuitrain.board.cautions import cautions
from tuitrain.board.comparison import BATCH_BETA, Comparison, MemberView
from tuitrain.board.verdict import Ranking
from tuitrain.cells import left, num_cells
from tuitrain.comparing.more_seeds import is_seed_varied
from tuitrain.comparing.report.numbers import difference_text, mean_text
from tuitrain.errors import UsageError, nearest

_UNRANKED = 12


def check_metric(comparison: Comparison, metric: str, offered: Iterable[str]) -> None:
    """Make sure that some run has a metric.

    Args:
        comparison: read to its end.
        metric: what is asked for.
        offered: metrics that are measured at steps, read or not.

    Raises:
        UsageError: none has; says which there are.
    """
    known = [*comparison.metrics(), *offered]
    if metric in known or not known:
        return
    close = nearest(metric, known)
    hint = f'"{close}".' if close else f"one of {', '.join(dict.fromkeys(known))}."
    raise UsageError(f'No run has a metric "{metric}".', hint=hint)


def outcome_lines(comparison: Comparison, metric: str) -> list[str]:
    """For people: the members, the ranking, the verdict in a sentence."""
    ranking = comparison.ranking(metric)
    width = max([num_cells(view.key) for view in comparison.members.values()] + [8])
    lines = [
        f"{'run':<{width}}  {'state':<9} {'steps':>7} {'last':>10} {'best':>10} {'at step':>8} {'seconds':>8} "
        f"{'samples/s':>9} {'gap':>9}" + (f" {'to target':>10}" if comparison.plan.target is not None else "")
    ]
    lines += [f"{left(view.key, width)}  {_row(view, comparison, metric)}" for view in comparison.members.values()]
    if len(ranking.standings) == 1:  # a cross-validation, or one preset with several seeds
        merits = [comparison.ranking(name) for name in ranked_metrics(comparison, metric) if name.startswith("eval/")]
        names = max(len(found.metric) for found in merits) if merits else 0
        return [*lines, "", *(f"{found.metric:<{names}}  {found.sentence}" for found in merits)]
    footing = [ranking.footing] if ranking.footing else []
    told = [f"But {words}." for words in cautions(comparison)]
    more = more_seeds_words(comparison, ranking)
    footing += [f"More seeds tell more: {more}"] if more else []
    return [*lines, "", *ranking_lines(ranking), "", ranking.sentence, *told, *footing]


def more_seeds_words(comparison: Comparison, ranking: Ranking) -> str:
    """How to go on where a comparison cannot tell: twice the seeds, at least 3; empty where that does not help."""
    arms = [[view for view in views if not view.member.run] for views in comparison.arms.values()]
    is_open = any(standing.word.startswith("cannot tell") for standing in ranking.standings)
    is_left = any(view.state in {"waiting", "lost", "stopped"} or not view.is_final for views in arms for view in views)
    plan = comparison.plan
    if not (is_open and plan.name and all(arms)) or is_left or plan.search is not None:
        return ""
    if plan.num_folds or is_seed_varied(comparison):  # seeds of a fold are no further data
        return ""
    num_seeds = max(len({view.member.seed for view in views}) for views in arms)
    return f"tuitrain compare --resume {plan.name} --seeds {max(3, 2 * num_seeds)}"


def ranking_lines(ranking: Ranking) -> list[str]:
    """The arms from best to worst: mean and deviation, difference to the best with its interval, the word."""
    rows = [("", "mean ± deviation", "to the best", "")]
    for place, standing in enumerate(ranking.standings):
        difference = difference_text(standing, is_best=place == 0)
        rows.append((standing.arm, mean_text(standing), difference, standing.word))
    widths = [max(num_cells(row[column]) for row in rows) for column in range(3)]
    head = f"{ranking.metric}, {'lower' if ranking.is_lower_better else 'higher'} is better:"
    lines = [zip(row, [*widths, 0], strict=True) for row in rows]
    return [head, *("  ".join(["", *(left(cell, width) for cell, width in line)]).rstrip() for line in lines)]


def outcome_data(comparison: Comparison, metric: str) -> dict[str, object]:
    """For programs: the same as plain data; numbers that are not finite are null."""
    rankings = {name: comparison.ranking(name) for name in ranked_metrics(comparison, metric)}
    data = {
        "name": comparison.plan.name,
        "metric": metric,
        "notes": comparison.remarks,
        "cautions": cautions(comparison),
        "members": [_member_data(view, comparison, metric) for view in comparison.members.values()],
        "rankings": {name: to_builtins(ranking) for name, ranking in rankings.items()},
    }
    found = _finite(data)
    assert isinstance(found, dict)
    return found


def ranked_metrics(comparison: Comparison, metric: str) -> list[str]:
    """What arms can be ranked by: the chosen metric first; learning rates and weights are no merit."""
    merits = [name for name in comparison.metrics() if name.startswith(("eval/", "gap/", "train/", "batch/loss"))]
    return list(dict.fromkeys([metric, *merits]))[:_UNRANKED]


def _row(view: MemberView, comparison: Comparison, metric: str) -> str:
    curves = view.curves
    best = curves.best(metric, BATCH_BETA)
    reached = None
    if comparison.plan.target is not None:
        reached = curves.reached(metric, comparison.plan.target, BATCH_BETA)
    cells = [
        f"{view.state:<9}",
        f"{curves.step:>7}",
        f"{_number(curves.last(metric, BATCH_BETA)):>10}",
        f"{_number(best.value if best else None):>10}",
        f"{best.step if best else '–':>8}",
        f"{f'{best.seconds:.1f}' if best else '–':>8}",
        f"{curves.samples_per_second:>9.0f}",
        f"{_number(curves.last('gap/loss')):>9}",
    ]
    if comparison.plan.target is not None:
        cells.append(f"{f'{reached.seconds:.1f} s' if reached else '–':>10}")
    return " ".join(cells)


def _member_data(view: MemberView, comparison: Comparison, metric: str) -> dict[str, object]:
    curves = view.curves
    best = curves.best(metric, BATCH_BETA)
    target = comparison.plan.target
    reached = curves.reached(metric, target, BATCH_BETA) if target is not None else None
    return {
        "key": view.key,
        "arm": view.member.arm,
        "seed": view.member.seed,
        "fold": view.member.fold or None,
        "run": view.run_id,
        "path": view.run,
        "state": view.state,
        "message": view.message,
        "step": curves.step,
        "total_steps": curves.total_steps,
        "seconds": curves.seconds,
        "samples_per_second": curves.samples_per_second,
        "last": {name: curves.last(name, BATCH_BETA) for name in curves.metrics()},
        "best": None if best is None else {"value": best.value, "step": best.step, "seconds": best.seconds},
        "reached": None if reached is None else {"step": reached.step, "seconds": reached.seconds},
        "parameters": view.member.parameters or view.member.varied,
    }


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if math.isfinite(value) else "not finite"


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
