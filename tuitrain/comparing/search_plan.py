"""A search before it is started: what was asked, checked whole, as the plan of a comparison."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal, cast, get_args

import msgspec

from tuitrain.board.trials import num_coarse
from tuitrain.comparing.coarse import LEAST_TRIALS, shortened
from tuitrain.comparing.draft import check_number
from tuitrain.comparing.metrics import check_metric, metrics_of
from tuitrain.comparing.space import num_points_of, parse_space, range_words
from tuitrain.errors import PresetError, UsageError, suggestion
from tuitrain.preset import Preset
from tuitrain.protocol.comparing import ComparisonPlan, SearchedParameter, SearchPlan

Method = Literal["random", "grid", "tpe", "coarse-to-fine"]
Prune = Literal["", "asha", "median"]
METHODS: tuple[str, ...] = get_args(Method)
PRUNERS: tuple[str, ...] = tuple(name for name in get_args(Prune) if name)
_USUAL_TRIALS = 20
_OF_LOSS = frozenset({"task.loss", "task.huber_delta", "task.focal_gamma"})


def search_plan(
    preset: Preset,
    space: Sequence[str],
    *,
    name: str,
    method: str = "random",
    num_trials: int | None = None,
    prune: str = "",
    metric: str = "eval/loss",
    seed: int = 0,
    num_parallel: int = 1,
    executor: str = "local",
) -> ComparisonPlan:
    """The plan of a search.

    Args:
        preset: what the trials vary.
        space: as `parse_space` reads it.
        name: of the folder.
        method: one of METHODS.
        num_trials: None means 20, or all points of a grid whose points were given.
        prune: one of PRUNERS; empty ends no trial early.
        metric: that is searched for.
        seed: of the sampler; each trial trains with the seed of the preset.
        num_parallel: how many run at once.
        executor: where they run.

    Raises:
        PresetError: everything that is wrong with what was asked.
    """
    problems: list[str] = []
    if method not in METHODS:
        problems.append(f'--method: no method "{method}". Try: {suggestion(method, METHODS)}')
    if prune and prune not in PRUNERS:
        problems.append(f'--prune: no pruner "{prune}". Try: {suggestion(prune, PRUNERS)}')
    if num_trials is not None and num_trials < 1:
        problems.append(f"--trials {num_trials}: a search has one trial at least. Try: --trials {_USUAL_TRIALS}")
    elif method == "coarse-to-fine" and num_trials is not None and num_trials < LEAST_TRIALS:
        problems.append(f"--trials {num_trials}: coarse, then fine needs {LEAST_TRIALS} at least. Try: --trials 12")
    parameters: tuple[SearchedParameter, ...] = ()
    for check in (lambda: check_metric(preset, metric), lambda: parse_space(space, preset)):
        try:
            found = check()
            parameters = found if found is not None else parameters
        except PresetError as error:
            problems += error.problems
        except UsageError as error:
            problems.append(str(error))
    varied = [item.key for item in parameters if item.key in _OF_LOSS]
    if varied and metric.endswith("/loss"):
        problems.append(f"--metric {metric} is another number with another {varied[0]}. Try: {_without_loss(preset)}")
    total, notes = num_trials or _USUAL_TRIALS, []
    if parameters and method == "grid" and not problems:
        try:
            counts = num_points_of(parameters, num_trials or 0)
        except UsageError as error:
            raise PresetError([f"--method grid: {error}"]) from error
        parameters = tuple(
            msgspec.structs.replace(item, num_points=0 if item.choices else count)
            for item, count in zip(parameters, counts, strict=True)
        )
        total = _product(counts)
        notes.append(f"The grid has {' × '.join(map(str, counts))} = {total} points.")
        if num_trials and total < num_trials:
            notes[-1] += f" {num_trials - total} of {num_trials} trials are left over: a grid is even."
    if problems:
        raise PresetError(problems)
    check_number(total)
    search = SearchPlan(
        space=parameters, method=cast("Method", method), num_trials=total, prune=cast("Prune", prune), seed=seed,
        preset=preset.to_data(),
    )  # fmt: skip
    if first := num_coarse(search):
        shortened(search.preset)  # it can be
        notes.append(f"{first} coarse trials of a quarter of the length, then {total - first} around the best of them.")
    ranges = "; ".join(f"{item.key} {range_words(item)}" for item in parameters)
    return ComparisonPlan(
        name=name, created=time.time(), title=f"{preset.title}: {method} search", about=f"Searched: {ranges}.",
        look_for="Where the good values lie, and whether the best is at the edge of a range.", metric=metric,
        num_parallel=num_parallel, executor=executor, notes=tuple(notes),
        search=search,
    )  # fmt: skip


def _without_loss(preset: Preset) -> str:
    known = [name for name in metrics_of(preset) if name.startswith("eval/") and not name.endswith("/loss")]
    return f"--metric {known[0]}" if known else "it without that."


def _product(counts: Sequence[int]) -> int:
    total = 1
    for count in counts:
        total *= count
    return total
