"""A second run that begins where another one was at some step, and does something otherwise from there.

What it does otherwise are commands, carried out after the state is there; data and model stay those of the first.
It begins from a checkpoint where one lies on the way, and takes the steps and decisions from there to the branching
point again, which on the CPU leads to the very same state.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuitrain.errors import UsageError
from tuitrain.preset import Preset, preset_from_data
from tuitrain.protocol.carrier import RunInfo
from tuitrain.protocol.commands import (
    Command,
    Decision,
    SaveCheckpoint,
    SetBatchSize,
    SetEnd,
    SetHyperparameter,
    SetLearningRate,
    SetSeed,
)
from tuitrain.protocol.describe import parse_command
from tuitrain.protocol.events import CheckpointSaved
from tuitrain.rundir.follower import last_events
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.rundir.private import cannot, replace_whole
from tuitrain.rundir.summary import summarize
from tuitrain.session.asking import ask_and_wait
from tuitrain.session.best import Say, have_best_written, silent
from tuitrain.session.foreseeing import check_foreseen
from tuitrain.session.own_config import notify_wish
from tuitrain.session.recorded import Recorded, recorded
from tuitrain.session.start import Started, create_run, start_new
from tuitrain.techniques.averages import AVERAGES
from tuitrain.techniques.checking import check_command
from tuitrain.training.automatic import BEST
from tuitrain.training.checkpoint_file import bytes_of

_FREE = {
    "train": ("max_steps_per_second", "telemetry_budget", "on_nonfinite", "on_disk_full", "device", "torch_threads"),
    "eval": (),
    "checkpoint": (),
    "alarms": (),
    "notify": (),
}
"""Sections, and of [train] the keys, that are no part of the state: a branch may have them as it likes."""
_SAVE_SECONDS = 30.0
_POLL_SECONDS = 0.05
_OF_GROUPS = ("decay_only_weights", "layer_decay", "head_rate", "lookahead_steps", "lookahead_alpha")


@dataclass(frozen=True)
class BranchPoint:
    """Where a branch leaves its parent."""

    parent: RunFolder
    info: RunInfo
    record: Recorded
    step: int
    decisions: tuple[Decision, ...]
    """All that leads there."""
    checkpoint: Path | None
    """The newest state on the way that is whole; None where the way begins at step 0."""


def branch_point(parent: RunFolder, at: str, say: Say = silent) -> BranchPoint:
    """Find a point of a run.

    Args:
        parent: alive or not.
        at: a step, "end" for where the run is now, or the tag of a checkpoint.
        say: is told where "best" is not the state of the best evaluation.

    Raises:
        RunFolderError: the parent cannot be read.
        UsageError: there is no such point; says which there are.
    """
    record, info = have_best_written(parent, say) if at == BEST else recorded(parent), read_info(parent)
    if record.started is None:
        raise UsageError(f"{parent.id} has not begun.", hint="a run that has.")
    step = record.last_step if at == "end" else int(at) if at.isdigit() else None
    if step is None:
        tagged = [saved for saved in record.saved if _tag(saved) == at]
        if not tagged:
            raise UsageError(f'{parent.id} has no checkpoint tagged "{at}".', hint=_points(record))
        saved = tagged[-1]
        decisions = [item for item in record.course[: saved.num_decisions] if item.step <= saved.step]
        return BranchPoint(parent, info, record, saved.step, tuple(decisions), _whole(parent, [saved], at))
    if step > record.last_step:
        raise UsageError(f"{parent.id} is at step {record.last_step}, not yet at {step}.", hint=_points(record))
    on_the_way = [saved for saved in record.saved if saved.step <= step and not _is_beyond(record, saved, step)]
    return BranchPoint(parent, info, record, step, tuple(record.decided_before(step)), _whole(parent, on_the_way, ""))


def start_wanted(parent: RunFolder, at: str, changes: Sequence[str], *, has_screen: bool, say: Say = silent) -> Started:
    """Start a branch as a person asks for it: of a run that is alive, "end" is its state now, saved for this.

    Args:
        parent: alive or not.
        at: as of `branch_point`.
        changes: `key=value` of a preset.
        has_screen: whether a person watches.
        say: as of `branch_point`.

    Raises:
        RunFolderError: a folder cannot be read or written.
        UsageError: there is no such point, or a change that a branch cannot make.
    """
    if at == "end" and summarize(parent).is_live:
        at = _saved_now(parent)
    point = branch_point(parent, at, say)
    commands, settings = overrides_as_commands(point, changes)
    return start_branch(point, commands, settings, has_screen=has_screen)


def start_branch(
    point: BranchPoint, commands: Sequence[Command], settings: Mapping[str, Any] | None = None, *, has_screen: bool
) -> Started:
    """Start a run that leaves its parent at a point.

    Args:
        point: where.
        commands: what it does otherwise there, in order.
        settings: sections of its preset that differ, as `overrides_as_commands` gives them.
        has_screen: whether a person watches.

    Raises:
        PresetError: a setting is wrong.
        UsageError: a command could not be carried out there.
        RunFolderError: the new folder cannot be made or written.
    """
    check_point(point, commands)
    preset = _preset_of(point, settings or {})
    notify = notify_wish(preset)
    folder = make_branch(point, commands, preset)
    return start_new(folder, notify, has_screen=has_screen, is_resumed=point.checkpoint is not None)


def check_point(point: BranchPoint, commands: Sequence[Command]) -> None:
    """Refuse commands that could not be carried out at a point.

    Raises:
        UsageError: names the first of them, and why.
    """
    assert point.record.started is not None
    check_foreseen(point.record.started, _preset_of(point, {}), point.step, point.decisions, commands)


def make_branch(point: BranchPoint, commands: Sequence[Command], preset: Preset | None = None) -> RunFolder:
    """Make the folder of such a run: whoever trains in it begins at its checkpoint, if it has one.

    Raises:
        RunFolderError: it cannot be made or written.
    """
    overrides = tuple(
        Decision(step=point.step, command=check_command(command), actor="user", id=f"branch-{index:04d}")
        for index, command in enumerate(commands, start=1)
    )
    return create_run(
        preset or _preset_of(point, {}), parent=point.info.id, branched_at=point.step, inherited=point.decisions,
        overrides=overrides, origin=point.parent, furnish=lambda draft: _copy_checkpoint(point, draft),
    )  # fmt: skip


def overrides_as_commands(point: BranchPoint, overrides: Sequence[str]) -> tuple[list[Command], dict[str, Any]]:
    """What `key=value` of a preset means where the state is there already.

    Returns:
        Commands for the branching point, and settings of the new preset that are no part of a state.

    Raises:
        UsageError: a key that a branch cannot change, with what can be done.
    """
    given = _by_section(overrides)
    settings: dict[str, Any] = {}
    commands: list[Command] = []
    for section, keys in given.items():
        free = {key: value for key, value in keys.items() if section in _FREE and key in (_FREE[section] or keys)}
        if free:
            settings[section] = free
        rest = {key: value for key, value in keys.items() if key not in free}
        if rest:
            commands += _commands_of(section, rest, point)
    # The end first: a schedule and another optimizer have as many steps as are then left.
    commands.sort(key=lambda command: not isinstance(command, SetEnd))
    return commands, settings


def command_of(text: str) -> Command:
    """A command as one writes it: "switch_optimizer name=sgd momentum=0.9".

    Raises:
        CommandError: no such command, or wrong arguments.
    """
    from tuitrain.preset.reading import parse_value

    name, *words = text.split()
    arguments: dict[str, Any] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator:
            raise UsageError(f'"{word}" of "{text}" is not of the form key=value.', hint="factor=0.1")
        arguments[key.replace("-", "_")] = parse_value(value)
    return check_command(parse_command(name, arguments))


def _copy_checkpoint(point: BranchPoint, folder: RunFolder) -> None:
    if point.checkpoint is None:
        return
    copy = folder.checkpoints_path / re.sub(r"~\d+", "", point.checkpoint.name)  # timelines are of one run
    try:
        data = bytes_of(point.checkpoint)
    except OSError as error:
        raise cannot("read", point.checkpoint, error) from error
    replace_whole(copy, data)


def _saved_now(parent: RunFolder) -> str:
    """Have a living run save itself; returns the tag."""
    tag = f"branch-{secrets.token_hex(2)}"
    reply = ask_and_wait(parent, SaveCheckpoint(tag=tag), _SAVE_SECONDS)
    if reply.status != "applied":
        raise UsageError(f"{parent.id} did not save itself: {reply.text}", hint="--at STEP, which needs no answer.")
    deadline = time.monotonic() + _SAVE_SECONDS
    while time.monotonic() < deadline:
        if any(isinstance(e, CheckpointSaved) and _tag(e) == tag for e in last_events(parent.events_path)):
            return tag
        time.sleep(_POLL_SECONDS)
    raise UsageError(f"{parent.id} did not save itself within {_SAVE_SECONDS:g} s.", hint="--at STEP.")


def _commands_of(section: str, keys: Mapping[str, Any], point: BranchPoint) -> list[Command]:
    if section == "optimizer":
        return _optimizer(keys)
    if section == "schedule":
        return [_schedule(keys, point)]
    if section == "regularize" or (section == "average" and keys.keys() <= AVERAGES.keys()):
        return [SetHyperparameter(name=name, value=value) for name, value in keys.items()]
    if section == "train":
        return [_train(name, value, point) for name, value in keys.items()]
    key = next(iter(keys))
    shown = f"{section}.{key}" if section else key
    raise UsageError(
        f"{shown} cannot change in a branch, which keeps data and model.", hint="a run of its own, or another key."
    )


def _optimizer(keys: Mapping[str, Any]) -> list[Command]:
    for name in _OF_GROUPS:
        if name in keys:
            raise UsageError(f"optimizer.{name} cannot change in a branch: the groups stay.", hint="a run of its own.")
    if "name" in keys:
        return [parse_command("switch_optimizer", keys)]
    commands: list[Command] = [
        SetHyperparameter(name=name, value=value) for name, value in keys.items() if name != "lr"
    ]
    if "lr" in keys:
        commands.append(_checked(SetLearningRate, lr=keys["lr"]))
    return commands


def _schedule(keys: Mapping[str, Any], point: BranchPoint) -> Command:
    if keys.get("unit", "steps") != "steps":
        raise UsageError("schedule.unit is steps in a branch.", hint="the durations in steps.")
    section = point.info.preset.get("schedule")
    name = section.get("name", "constant") if isinstance(section, dict) else "constant"
    arguments = {"name": name, **{key: value for key, value in keys.items() if key not in {"unit", "warmup"}}}
    if "warmup" in keys:
        arguments["warmup_steps"] = keys["warmup"]
    return parse_command("set_schedule", arguments)


def _train(name: str, value: Any, point: BranchPoint) -> Command:
    started = point.record.started
    if name == "batch_size" and started is not None:
        return _checked(SetBatchSize, batch_size=started.num_train if value == "full" else value)
    if name == "steps":
        return _checked(SetEnd, step=value)
    if name == "epochs" and started is not None and isinstance(value, int | float):
        return _checked(SetEnd, step=round(value * started.steps_per_epoch))
    if name == "seed":
        return _checked(SetSeed, seed=value)
    raise UsageError(f"train.{name} cannot change in a branch.", hint="train.steps, batch_size or seed.")


def _checked(kind: type[Command], **arguments: Any) -> Command:
    return parse_command(str(kind.__struct_config__.tag), arguments)


def _by_section(overrides: Iterable[str]) -> dict[str, dict[str, Any]]:
    from tuitrain.preset.reading import parse_value

    found: dict[str, dict[str, Any]] = {}
    for text in overrides:
        path, separator, value = text.partition("=")
        section, dot, key = path.strip().partition(".")
        if not separator or not section or (dot and not key):
            raise UsageError(f'"{text}" is not of the form section.key=value.', hint="optimizer.lr=0.01")
        if not dot:
            section, key = "", section
        found.setdefault(section, {})[key] = parse_value(value)
    return found


def _preset_of(point: BranchPoint, settings: Mapping[str, Any]) -> Preset:
    data = dict(point.info.preset)
    for section, keys in settings.items():
        before = data.get(section)
        data[section] = {**(before if isinstance(before, dict) else {}), **keys}
    data["title"] = f"{data.get('title', '')} from step {point.step}".strip()
    return preset_from_data(data, "command line")


def _whole(parent: RunFolder, candidates: Sequence[CheckpointSaved], tag: str) -> Path | None:
    """The newest of some checkpoints that is as it was written."""
    for saved in sorted(candidates, key=lambda item: (item.step, item.seq), reverse=True):
        path = parent.checkpoints_path / Path(saved.path).name  # never a path out of a recording
        try:
            if hashlib.sha256(bytes_of(path)).hexdigest() == saved.sha256:
                return path
        except OSError:
            continue
    if tag:
        raise UsageError(f'The checkpoint "{tag}" of {parent.id} is gone or damaged.', hint="a step.")
    return None


def _is_beyond(record: Recorded, saved: CheckpointSaved, step: int) -> bool:
    """Whether something was decided at the step itself before the state was saved."""
    is_beyond = any(decision.step >= step for decision in record.course[: saved.num_decisions])
    return is_beyond or not record.leads_here(saved)


def _points(record: Recorded) -> str:
    tags = sorted({tag for saved in record.saved if (tag := _tag(saved))})
    return f"a step from 0 to {record.last_step}, or one of: {', '.join(['end', *tags])}."


def _tag(saved: CheckpointSaved) -> str:
    return Path(saved.path).stem.removeprefix("step-").partition("-")[2]
