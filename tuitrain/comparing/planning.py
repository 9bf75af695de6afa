"""What a person asked to compare becomes a plan: arms and members, every preset checked before anything starts."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuitrain.comparing.differing import SEPARATOR
from tuitrain.comparing.draft import MAIN_PRESET, Draft, check_number, group_by_seed, name_runs, notes_of
from tuitrain.comparing.folder import free_name, list_comparisons
from tuitrain.comparing.metrics import measured_by, metrics_of
from tuitrain.comparing.space import full_key, split_at_commas
from tuitrain.errors import PresetError, RunFolderError, RunNotFoundError, UnknownNameError, UsageError, nearest
from tuitrain.preset import Preset, load_preset, presets_folder
from tuitrain.preset.folds import fold_overrides
from tuitrain.preset.reading import parse_value
from tuitrain.preset.sets import ComparisonSet, list_sets, load_set
from tuitrain.protocol.comparing import ComparisonPlan
from tuitrain.protocol.plan import Value
from tuitrain.protocol.printable import printable
from tuitrain.rundir.catalogue import find_run
from tuitrain.rundir.labels import read_labels
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.transferring import find_weights
from tuitrain.techniques.optimizers import OPTIMIZERS

_AT_EACH_STEP = ("batch/loss", "batch/gradient_norm", "batch/learning_rate", "weights/norm", "sharpness")
"""Metrics besides the evaluated ones."""
_BY_OPTIMIZER: dict[str, tuple[str, ...]] = {
    **{name: (f"optimizer.name={name}",) for name in OPTIMIZERS},
    "momentum": ("optimizer.name=sgd", "optimizer.momentum=0.9"),
    "nesterov": ("optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.nesterov=true"),
}
"""What the name of an optimizer stands for where a preset is expected: the main preset with that optimizer."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be compared, as it was asked for."""

    subjects: Sequence[str]
    """Comparison sets, presets, preset files and runs, mixed."""
    overrides: Sequence[str] = ()
    """For all of them, e.g. "train.epochs=5"."""
    vary: Sequence[str] = ()
    """Each "key=a,b,c"; every combination is an arm."""
    num_seeds: int = 1
    num_folds: int = 0
    metric: str = ""
    """Empty is that of the set, else the validation loss."""
    target: float | None = None
    name: str = ""
    num_parallel: int = 1
    executor: str = "local"
    is_by_seed: bool = False
    """Whether runs that are there and differ in the seed alone are one arm."""


def plan_comparison(wish: Wish) -> ComparisonPlan:
    """Find, vary and check everything that is to be compared.

    Raises:
        UsageError: nothing to compare, or a wish that cannot be.
        PresetError: mistakes of any preset with its overrides, all of them at once.
        RunNotFoundError: a run is not there.
    """
    variants = _variants(wish.vary, wish.num_seeds * max(1, wish.num_folds))
    if wish.num_seeds > 1 and any(text.partition("=")[0] == "train.seed" for text in wish.vary):
        raise UsageError("--vary train.seed and --seeds repeat the same runs.", hint="--seeds alone.")
    draft = Draft()
    found_sets: list[ComparisonSet] = []
    named: list[str] = []
    known_sets = {members.name for members in list_sets()}
    is_one = len(wish.subjects) == 1
    for subject in wish.subjects:
        if subject in known_sets:
            members = load_set(subject)
            found_sets.append(members)
            for arm in members.run:
                _plan_preset(draft, wish, arm.preset, arm.overrides, arm.label, variants, is_labelled=True)
        elif subject in _BY_OPTIMIZER and not is_preset(subject):
            named.append(subject)
            _plan_preset(draft, wish, MAIN_PRESET, _BY_OPTIMIZER[subject], subject, variants, is_labelled=True)
        elif (folder := _run_of(subject)) is not None:
            _plan_run(draft, folder)
        else:
            _plan_preset(draft, wish, subject, (), subject.removesuffix(".toml"), variants, is_labelled=not is_one)
    if draft.problems:
        raise PresetError(dict.fromkeys(draft.problems))
    has_new = any(not member.run for member in draft.members)
    if not draft.members:
        raise UsageError("There is nothing to compare.", hint=_what_to_compare(("mnist-mlp",)))
    if not has_new and (wish.overrides or wish.vary or wish.num_seeds > 1 or wish.num_folds):
        raise UsageError(
            "Runs that are there already stay as they are.",
            hint=f"the preset that they were started from: {', '.join(dict.fromkeys(_presets_of(draft)))}",
        )
    if wish.metric:
        _check_metric(draft, wish.metric)
    if wish.is_by_seed:
        group_by_seed(draft)
    name_runs(draft)
    check_number(len(draft.members))
    if len(draft.members) < 2:
        raise UsageError("One run alone is compared with nothing.", hint=_what_to_compare(wish.subjects))
    shown = found_sets[0] if is_one and found_sets else None
    return ComparisonPlan(
        name=(wish.name or free_name("-".join(wish.subjects))) if has_new else "",
        created=time.time(),
        title=shown.title if shown is not None else _title(wish),
        about=shown.about if shown is not None else "",
        look_for=shown.look_for if shown is not None and not wish.vary else "",
        metric=wish.metric or (shown.metric if shown is not None else "eval/loss"),
        arms=tuple(draft.arms),
        members=tuple(draft.members),
        num_folds=wish.num_folds,
        target=wish.target,
        num_parallel=wish.num_parallel,
        executor=wish.executor,
        notes=notes_of(draft, named),
    )


def _variants(texts: Sequence[str], num_each: int) -> list[tuple[str, tuple[str, ...]]]:
    """Label and overrides of every combination of what is varied; one without either where nothing is.

    Args:
        texts: each "key=a,b".
        num_each: members of each combination.

    Raises:
        UsageError: one is not of the form key=a,b, or there are too many.
    """
    choices: list[list[tuple[str, str]]] = []
    seen: set[str] = set()
    for text in texts:
        key, separator, values = text.partition("=")
        found = split_at_commas(values)
        if not separator or not all(found):
            raise UsageError(f'--vary "{text}" is not of the form key=a,b.', hint="--vary optimizer.name=sgd,adam")
        if "." not in key:
            raise UsageError(f'--vary: "{key}" is no key of a preset.', hint=f"{full_key(key)}={values}")
        if key in seen:
            raise UsageError(f"--vary {key} is there twice.", hint=f"--vary {key}=… with all values once.")
        meant = [repr(parse_value(value)) for value in found]
        if twice := next((value for index, value in enumerate(found) if meant[index] in meant[:index]), ""):
            raise UsageError(f"--vary {key} has {twice} twice.", hint="each value once.")
        seen.add(key)
        choices.append([(_label(key, value, is_only=len(texts) == 1), f"{key}={value}") for value in found])
    check_number(math.prod(len(found) for found in choices) * num_each)  # before they are listed
    return [
        (SEPARATOR.join(label for label, _ in combination), tuple(override for _, override in combination))
        for combination in itertools.product(*choices)
    ]


def _presets_of(draft: Draft) -> list[str]:
    return [printable(read_info(RunFolder(Path(member.run))).preset_name) for member in draft.members if member.run]


def _check_metric(draft: Draft, metric: str) -> None:
    """Some run has it, or will have it; a run that was not evaluated yet may bring anything.

    Raises:
        UnknownNameError: none has.
    """
    known = dict.fromkeys([*draft.metrics, *(_AT_EACH_STEP if draft.metrics else ())])
    for member in draft.members:
        if metric in known:
            return
        if member.run:
            measured = measured_by(RunFolder(Path(member.run)))
            if not any(name.startswith("eval/") for name in measured):
                return
            known.update(dict.fromkeys(sorted(measured)))
    if metric not in known:
        raise UnknownNameError("metric of these runs", metric, list(known))


def _label(key: str, value: str, *, is_only: bool) -> str:
    """A name speaks for itself; a number needs the name of its key beside others."""
    name = key.partition(".")[2]
    speaks = isinstance(parse_value(value), str) or is_only
    return value if speaks and name == "name" else f"{name} {value}"


def _plan_preset(
    draft: Draft, wish: Wish, preset: str, overrides: Sequence[str], label: str,
    variants: Sequence[tuple[str, tuple[str, ...]]], *, is_labelled: bool,
) -> None:  # fmt: skip
    """An arm for each variant of a preset, with a member for each seed and fold."""
    for variant, varied in variants:
        words = [label] if is_labelled or not variant else []
        given = [*overrides, *wish.overrides, *varied]
        try:
            checked = load_preset(preset, given)
            cases = _cases(checked, wish)
            presets = [(seed, fold, _pinned(load_preset(preset, [*given, *further]))) for seed, fold, further in cases]
        except PresetError as error:
            draft.problems += error.problems if not _is_unknown(error) else [_unknown(preset)]
            continue
        draft.metrics.update(dict.fromkeys(metrics_of(checked)))
        arm = draft.add_arm(SEPARATOR.join([*words, *([variant] if variant else [])]))
        for seed, fold, each in presets:
            values = {key: _varied_value(value) for key, _, value in (text.partition("=") for text in varied)}
            draft.add(arm, seed=seed, fold=fold, preset=each.to_data(), varied=values)


def _varied_value(text: str) -> Value:
    """As it was written where it is more than one number or word: lists may hold anything."""
    value = parse_value(text)
    return value if isinstance(value, bool | int | float | str) else text


def _pinned(preset: Preset) -> Preset:
    """A preset that begins with the weights of another run says which checkpoint it is: the same one for all arms.

    Raises:
        PresetError: they are not there, or do not fit.
    """
    found = find_weights(preset, None)
    return preset if found is None else found.preset


def _cases(preset: Preset, wish: Wish) -> list[tuple[int, int, tuple[str, ...]]]:
    """Seed, fold and overrides of each member of an arm."""
    folds = fold_overrides(preset, wish.num_folds) if wish.num_folds else [()]
    return [
        (
            preset.train.seed + index,
            fold if wish.num_folds else 0,
            (f"train.seed={preset.train.seed + index}", *further),
        )
        for index in range(wish.num_seeds)
        for fold, further in enumerate(folds, start=1)
    ]


def is_preset(name: str) -> bool:
    """Whether a preset of that name ships."""
    return (presets_folder() / f"{name}.toml").is_file()


def _run_of(subject: str) -> RunFolder | None:
    """The run that is meant; None where a preset is.

    Raises:
        RunNotFoundError: it is ambiguous, or a path to what is no run.
        UsageError: it is the name of a comparison.
    """
    if subject.endswith(".toml") or is_preset(subject):
        return None
    try:
        return find_run(subject)
    except RunNotFoundError as error:
        if "/" in subject and _is_comparison(subject):
            raise UsageError(_unknown(subject)) from None
        if "ambiguous" in error.message or "/" in subject or "is the name of" in error.message:
            raise
        return None


def _plan_run(draft: Draft, folder: RunFolder) -> None:
    """An arm for a run that is there already."""
    try:
        info = read_info(folder)
    except RunFolderError as error:
        draft.problems.append(str(error))
        return
    name, identity = read_labels(folder)[0].name, printable(folder.id)
    if any(member.run == str(folder.path) for member in draft.members):
        return  # asked for twice
    arm = draft.add_arm(name or identity)
    if not name:
        draft.ids[arm] = (identity, printable(info.preset_name))
    draft.add(arm, seed=info.seed, fold=_fold_of(info.preset), preset=info.preset, run=str(folder.path))


def _fold_of(preset: dict[str, Any]) -> int:
    task = preset.get("task")
    fold = task.get("fold", 0) if isinstance(task, dict) else 0
    return fold if isinstance(fold, int) else 0


def _title(wish: Wish) -> str:
    varied = [text.partition("=")[0] for text in wish.vary]
    words = ", ".join(wish.subjects)
    return f"{words}: {', '.join(varied)}" if varied else words


def _is_unknown(error: PresetError) -> bool:
    return len(error.problems) == 1 and error.problems[0].startswith("No preset named")


def _is_comparison(name: str) -> bool:
    return name.partition("/")[0] in {folder.name for folder in list_comparisons()}


def _unknown(name: str) -> str:
    """Something that is neither a set, nor a preset, nor a run."""
    if _is_comparison(name):
        head = name.partition("/")[0]
        return f"{head} is the name of a comparison. Try: tuitrain compare --resume {head}"
    known = [*(members.name for members in list_sets()), *(path.stem for path in presets_folder().glob("*.toml"))]
    close = nearest(name, [*known, *_BY_OPTIMIZER])
    hint = f'Did you mean "{close}"?' if close else "Try: tuitrain presets, or tuitrain runs."
    return f'No preset, comparison set or run named "{name}". {hint}'


def _what_to_compare(subjects: Sequence[str]) -> str:
    first = subjects[0] if subjects else "mnist-mlp"
    if not is_preset(first) and not first.endswith(".toml"):
        return "another preset or run beside it."
    return f"another preset or run beside it, --seeds 3, or tuitrain compare {first} --vary optimizer.name=sgd,adam"
