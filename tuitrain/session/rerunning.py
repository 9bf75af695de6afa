"""Train again from the record of a run, and compare step by step: is it the same run?"""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tuitrain.errors import UsageError
from tuitrain.preset import Preset, preset_from_data
from tuitrain.protocol.carrier import CarrierStatus, RunInfo
from tuitrain.protocol.commands import Decision, Stop
from tuitrain.protocol.describe import command_name
from tuitrain.protocol.events import EvalFinished, RunEnded, StepsFinished
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.asking import send
from tuitrain.session.reading import RunReader
from tuitrain.session.recorded import Recorded, recorded
from tuitrain.session.start import Started, start_detached

LOSS = "batch/loss"
LEARNING_RATE = "batch/learning_rate"
_COMPARED = (LOSS, LEARNING_RATE)
_POLL_SECONDS = 0.03
_TOLD_SECONDS = 5.0


def as_preset(info: RunInfo, record: Recorded) -> dict[str, Any]:
    """The run as a preset whose moments are all its decisions, as plain data.

    Args:
        info: of the run.
        record: of the same run.

    Raises:
        UsageError: the run has said nothing from which it could be trained again.
    """
    started = record.started
    if started is None:
        raise UsageError(f"{info.id} has not begun: there is nothing to train again.", hint="a run that has.")
    data: dict[str, Any] = {**info.preset, "name": info.preset_name or "run"}
    train = dict(data.get("train", {}))
    train["automatic"] = False
    train["torch_threads"] = started.torch_threads
    train["device"] = started.device
    train["on_nonfinite"] = "stop" if record.stopped_by_alarm else "continue"
    data["train"] = train
    data["moment"] = [_moment(decision) for decision in record.decisions]
    return data


@dataclass
class Comparison:
    """How far two runs are the same."""

    num_steps: int = 0
    """Steps that are identical from the first."""
    first_difference: str = ""
    """In words; empty where there is none so far."""
    num_checksums: int = 0
    """Checksums of the weights that were compared and are equal."""
    notes: list[str] = field(default_factory=list)
    """What may explain a difference."""

    @property
    def is_same(self) -> bool:
        """Whether nothing differs so far."""
        return not self.first_difference

    def sentence(self) -> str:
        """The result for people."""
        if self.is_same:
            sums = f", {self.num_checksums} checksums of the weights among them" if self.num_checksums else ""
            return f"identical to step {self.num_steps}{sums}"
        notes = "".join(f"\n  {note}" for note in self.notes)
        return f"differs: {self.first_difference}{notes}"


class Comparer:
    """Compares what a rerun says with the record, as it comes.

    Args:
        record: of the run that is trained again.
    """

    def __init__(self, record: Recorded) -> None:
        self.result = Comparison()
        self._expected = {metric: dict(record.values(metric)) for metric in _COMPARED}
        self._evaluations = record.evaluations
        self._last_step = record.last_step

    def take(self, event: object) -> None:
        """Take in one event of the rerun."""
        if not self.result.is_same:
            return
        if isinstance(event, StepsFinished):
            self._steps(event)
        elif isinstance(event, EvalFinished):
            self._evaluation(event)

    def _steps(self, event: StepsFinished) -> None:
        found: list[tuple[int, str, float]] = []
        for column in event.columns:
            if column.metric in _COMPARED:
                found += [
                    (column.first_step + i * column.stride, column.metric, x) for i, x in enumerate(column.values)
                ]
        for step, metric, value in sorted(found, key=lambda item: item[0]):
            expected = self._expected[metric].get(step)
            if expected is not None and not _same(expected, value):
                name = metric.rpartition("/")[2].replace("_", " ")
                self.result.first_difference = f"the {name} of step {step} is {value!r}, and was {expected!r}"
                self.result.num_steps = min(self.result.num_steps, step - 1)
                return
            if metric == LOSS and expected is not None:
                self.result.num_steps = step

    def _evaluation(self, event: EvalFinished) -> None:
        expected = self._evaluations.get(event.step)
        if expected is None:
            return
        for name, value in event.metrics.items():
            before = expected.metrics.get(name)
            if before is not None and not _same(before, value):
                self.result.first_difference = f"{name} after step {event.step} is {value!r}, and was {before!r}"
                return
        if expected.checksum and event.checksum:
            if expected.checksum != event.checksum:
                self.result.first_difference = f"the weights after step {event.step} are not those of the run"
                return
            self.result.num_checksums += 1


def rerun(folder: RunFolder, *, say: Callable[[str], None]) -> tuple[Started, Comparison]:
    """Train a run again from its record, to where it is, and compare on the way; stops at the first difference.

    Args:
        folder: alive or not.
        say: takes a line on how far it is, every few seconds.

    Raises:
        UsageError: it has said nothing from which it could be trained again.
        RunFolderError: it cannot be read, or the new folder cannot be made.
    """
    record, info = recorded(folder), read_info(folder)
    preset = _rerun_preset(info, record)
    comparer = Comparer(record)
    started = start_detached(preset, has_screen=False, rerun_of=info.id, origin=folder)
    reader = RunReader(started.folder)
    next_word = time.monotonic() + _TOLD_SECONDS
    is_stopping = False
    while True:
        started.process.poll()  # reaps it: a zombie would look alive
        words = reader.poll()
        ended = False
        for word in words:
            comparer.take(word)
            ended = ended or isinstance(word, RunEnded) or (isinstance(word, CarrierStatus) and word.status == "lost")
        if not comparer.result.is_same and not is_stopping and not ended:
            is_stopping = True
            send(started.folder, Stop(abort=True))
        if ended:
            break
        if time.monotonic() >= next_word:
            next_word = time.monotonic() + _TOLD_SECONDS
            say(f"identical to step {comparer.result.num_steps} of {record.last_step}")
        if not words:
            time.sleep(_POLL_SECONDS)
    result = comparer.result
    if result.is_same and result.num_steps < _last_loss_step(record):
        result.first_difference = f"it ended at step {result.num_steps}, and the run is at {record.last_step}"
    if not result.is_same:
        result.notes += _differences(info, record)
    return started, result


def _rerun_preset(info: RunInfo, record: Recorded) -> Preset:
    data = as_preset(info, record)
    data["title"] = f"rerun of {info.id}"
    if record.last_step < record.total_steps and not any(isinstance(item.command, Stop) for item in record.decisions):
        data["moment"].append({"at_step": record.last_step, "do": "stop"})
    return preset_from_data(data, f"{info.id}")


def _moment(decision: Decision) -> dict[str, Any]:
    """A decision as a preset writes it."""
    command = decision.command
    fields: dict[str, Any] = {}
    for name in command.__struct_fields__:
        value = getattr(command, name)
        if name == "hyperparameters":
            fields |= value
        elif value is not None:
            fields[name] = value
    if isinstance(command, Stop):
        fields = {}
    return {"at_step": decision.step, "do": command_name(command), **fields}


def _same(one: float, other: float) -> bool:
    """Bit for bit as float32, in which the stream tells them, or as float64; NaN is NaN."""
    return one == other or (one != one and other != other)


def _last_loss_step(record: Recorded) -> int:
    columns = record.columns.get(LOSS, [])
    return columns[-1].first_step + (len(columns[-1].values) - 1) * columns[-1].stride if columns else 0


def _differences(info: RunInfo, record: Recorded) -> list[str]:
    """What is not as it was: versions, machine."""
    now = {"python": platform.python_version(), "platform": platform.platform()}
    for package in ("tuitrain", "torch", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            now[package] = version(package)
    notes = [
        f"{name} is {now[name]}, and was {before}"
        for name, before in info.versions.items()
        if name in now and now[name].partition("+")[0] != before.partition("+")[0]
    ]
    if record.started is not None and record.started.device != "cpu":
        notes.append(f"on {record.started.device} some sums are taken in another order each time")
    if record.num_damaged:
        notes.append(f"{record.num_damaged} lines of the record cannot be read")
    return notes
