"""The study of a search on the disk, its samplers and pruners: all that is asked of Optuna by name."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuitrain.comparing.space import as_tried, grid_values, num_points_of, written
from tuitrain.errors import TuitrainError, UsageError
from tuitrain.preset import preset_from_data
from tuitrain.preset.dataset import dataset_of
from tuitrain.protocol.comparing import SearchedParameter, SearchPlan
from tuitrain.protocol.plan import Value

if TYPE_CHECKING:
    import optuna

_STUDY = "search"
_REDUCTION = 3
"""Of each three trials that reach a rung of ASHA, one goes on."""
_FIRST_RUNG = 0.1
"""Share of a run at which ASHA first looks; the median waits as long."""
_USUAL_EVALUATIONS = 20


def import_optuna() -> Any:
    """Optuna, with its words about each trial switched off: ours are in the journal.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UsageError("A search needs Optuna.", hint='pip install "tuitrain[search]"') from error
    optuna.logging.set_verbosity(logging.ERROR)
    return optuna


def open_study(path: Path, *, is_lower_better: bool) -> optuna.study.Study:
    """The study on the disk, made where there is none.

    The caller holds the lock of the comparison, so what a killed one left in there is nobody's.

    Raises:
        TuitrainError: it cannot be read.
    """
    engine = import_optuna()
    try:
        _mend(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", engine.exceptions.ExperimentalWarning)
            storage = engine.storages.JournalStorage(engine.storages.journal.JournalFileBackend(str(path)))
        study: optuna.study.Study = engine.create_study(
            storage=storage, study_name=_STUDY, load_if_exists=True,
            direction="minimize" if is_lower_better else "maximize",
        )  # fmt: skip
    except (OSError, ValueError, KeyError) as error:
        raise TuitrainError(
            f"{path}: what the search has learned cannot be read: {error}", hint="a new search."
        ) from error
    return study


def sampler_of(plan: SearchPlan, number: int, index: int) -> optuna.samplers.BaseSampler:
    """The sampler for one draw, which depends on nothing but its place.

    Args:
        plan: of the search.
        number: of the trial, from 0.
        index: 0 for what is drawn together, else of the parameter, from 1.
    """
    samplers = import_optuna().samplers
    seed = int(np.random.SeedSequence([plan.seed, number, index]).generate_state(1)[0])
    found: optuna.samplers.BaseSampler
    match plan.method:
        case "grid":
            counts = num_points_of(plan.space, 0)
            grid = {
                item.key: [written(value) if item.choices else value for value in grid_values(item, count)]
                for item, count in zip(plan.space, counts, strict=True)
            }
            found = samplers.GridSampler(grid, seed=plan.seed)
        case "tpe":
            found = samplers.TPESampler(seed=seed, n_startup_trials=max(3, min(10, plan.num_trials // 3)))
        case _:
            found = samplers.RandomSampler(seed=seed)
    return found


def pruner_of(plan: SearchPlan, expected: int) -> optuna.pruners.BasePruner:
    """The pruner for a run of so many evaluations."""
    pruners = import_optuna().pruners
    first = max(1, round(expected * _FIRST_RUNG))
    found: optuna.pruners.BasePruner = (
        pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=_REDUCTION)
        if plan.prune == "asha"
        else pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=first)
    )
    return found


def suggested(trial: optuna.trial.Trial, item: SearchedParameter) -> Value:
    """The value of one parameter, as it is tried."""
    if item.choices:
        texts = [written(choice) for choice in item.choices]
        return item.choices[texts.index(trial.suggest_categorical(item.key, texts))]
    if item.is_integer:
        return as_tried(item, trial.suggest_int(item.key, round(item.low), round(item.high), log=item.is_log))
    return as_tried(item, trial.suggest_float(item.key, item.low, item.high, log=item.is_log))


def num_evaluations(preset: Mapping[str, Any]) -> int:
    """About how many evaluations a run has, the one at step 0 aside."""
    evaluate, train = preset.get("eval", {}), preset.get("train", {})
    if train.get("steps") and evaluate.get("every_steps"):
        return max(1, int(train["steps"] // evaluate["every_steps"]))
    if train.get("epochs") and evaluate.get("every_epochs"):
        return max(1, int(train["epochs"] / evaluate["every_epochs"] + 1e-9))
    if train.get("steps") and evaluate.get("every_epochs"):
        return max(1, int(train["steps"] // max(1, int(evaluate["every_epochs"] * _steps_per_epoch(preset)))))
    if train.get("epochs") and evaluate.get("every_steps"):
        return max(1, int(train["epochs"] * _steps_per_epoch(preset) // evaluate["every_steps"]))
    return _USUAL_EVALUATIONS


def _steps_per_epoch(data: Mapping[str, Any]) -> int:
    preset = preset_from_data(data, "search")
    num_train, batch_size = preset.task.num_train or dataset_of(preset).num_train, preset.train.batch_size
    return 1 if isinstance(batch_size, str) else math.ceil(num_train / batch_size)


def _mend(path: Path) -> None:
    """Take away what a kill or a power cut can leave: a lock that nobody holds, a line without an end."""
    for left in path.parent.glob(f"{path.name}.lock*"):
        left.unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        whole = path.read_bytes()
        if whole and not whole.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(whole.rfind(b"\n") + 1)
