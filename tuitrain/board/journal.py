"""What happened, for people: one entry an event worth telling, and the marks that decisions leave on every chart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuitrain.protocol.carrier import CarrierStatus, CommandSeen, DamageSeen
from tuitrain.protocol.commands import PreviewSwitch, SetPace
from tuitrain.protocol.describe import sentence
from tuitrain.protocol.events import (
    AlarmRaised,
    BatchesSkipped,
    BatchSizeChanged,
    Branched,
    CadenceChanged,
    CheckpointSaved,
    CommandQueued,
    CommandRefused,
    EndPlanned,
    EvalFinished,
    Event,
    HandoverCancelled,
    HandoverStarted,
    HyperparameterChanged,
    LearningRatePlanned,
    OptimizerSwitched,
    PaceChanged,
    Paused,
    RacerLost,
    RaceStarted,
    Reseeded,
    Resumed,
    RolledBack,
    RunEnded,
    RunResumed,
    RunStarted,
    SnapshotTaken,
    StageEntered,
    StepsThinned,
    TrainableChanged,
    UpdateMeasured,
    WeightsLoaded,
)
from tuitrain.protocol.measured import (
    GradientNoiseMeasured,
    GradientsChecked,
    LearningRateRangeTested,
    SharpnessMeasured,
)
from tuitrain.protocol.measured_words import advice, headline
from tuitrain.protocol.version import other_version

EVALUATED = "eval"
"""How the entry of an evaluation begins; the newest of several in a row stands for all."""

PAUSED = "paused"

Kind = Literal["decision", "asked", "fact", "alarm", "quiet"]


@dataclass(frozen=True)
class Entry:
    """One line of the log, with an optional second one."""

    step: int
    text: str
    detail: str = ""
    kind: Kind = "fact"
    count: int = 1
    """How often the same thing happened in a row."""
    topic: str = ""
    """Where not empty, the newest entry of a topic stands for all of them."""


@dataclass(frozen=True)
class Mark:
    """A decision or an alarm at a step, shown on every chart."""

    step: int
    label: str
    kind: Literal["decision", "alarm"] = "decision"
    cause: str = ""
    """Id of the command that led to it; empty where the run decided by itself."""


def entry_for(word: Event | CarrierStatus | CommandSeen | DamageSeen, step: int) -> Entry | None:
    """What the log says of a word; None where it says nothing.

    Args:
        word: what was read.
        step: the newest step known, for words that have none.
    """
    match word:
        case StageEntered():
            return Entry(step, word.stage, kind="quiet")
        case RunStarted() if other_version(word.protocol_version):
            return Entry(word.step, other_version(word.protocol_version), kind="alarm")
        case RunStarted():
            size = f"{word.num_parameters:,} parameters".replace(",", " ") + (f", {word.loss}" if word.loss else "")
            return Entry(word.step, f"started, seed {word.seed}", "; ".join(filter(None, [size, word.data])))
        case RunResumed():
            lost = f", {word.lost_steps} steps are taken again" if word.lost_steps else ""
            return Entry(word.step, f"goes on from step {word.step}", f"{word.checkpoint}{lost}", kind="decision")
        case Branched():
            return Entry(word.step, f"branch of {word.parent}", f"from step {word.step}", kind="decision")
        case RolledBack():
            what = f"undone: {word.undone}" if word.undone else "rolled back"
            return Entry(word.step, what, f"step {word.from_step} → {word.step}, from {word.source}", kind="decision")
        case BatchesSkipped():
            return Entry(word.step, f"{word.num_batches} batches left out", kind="decision")
        case Reseeded():
            return Entry(word.step, f"seed {word.seed} from here on", kind="decision")
        case RaceStarted() if word.cause:
            return Entry(word.step, f"all begin again at {_place(word.start)}", kind="decision")
        case RaceStarted() if word.step == word.since:
            others = ", ".join(racer.label for racer in word.racers[1:])
            return Entry(word.step, f"{word.surface} from {_place(word.start)}", f"rivals: {others}" if others else "")
        case RacerLost():
            return Entry(word.step, f"{word.label} has diverged", "it stays where it left the picture", kind="alarm")
        case WeightsLoaded():
            return Entry(word.step, f"weights of {word.source}", _taken(word))
        case TrainableChanged():
            return Entry(word.step, word.summary, "; ".join(word.notes), kind="decision")
        case EvalFinished():
            return Entry(word.step, _evaluation(word), kind="quiet")
        case CommandQueued() if word.actor != "preset" and not isinstance(word.request, PreviewSwitch | SetPace):
            return Entry(word.step, f"asked: {sentence(word.request)}", kind="asked")
        case CommandRefused():
            return Entry(word.step, f"refused: {word.reason}", word.hint and f"Try: {word.hint}", kind="alarm")
        case LearningRatePlanned() if word.cause:
            what, _, rates = word.summary.partition(": ")
            return Entry(word.step, what, rates, kind="decision" if rates else "fact")
        case HandoverStarted():
            return Entry(word.step, f"hand-over to {word.to_name} begun", f"switching in {word.num_steps} steps")
        case HandoverCancelled():
            return Entry(word.step, f"hand-over to {word.to_name} dropped", word.reason, kind="alarm")
        case OptimizerSwitched():
            how = {"match": "handed over", "cold": "taken cold", "explicit": "at a given rate"}[word.handover]
            return Entry(word.step, f"{word.from_name} → {word.to_name} {how}", "; ".join(word.notes), kind="decision")
        case UpdateMeasured():
            return Entry(word.step, f"first update ×{word.ratio:.2f}")
        case HyperparameterChanged():
            change = f"{word.name} {word.before} → {word.after}"
            return Entry(word.step, change, "; ".join(word.notes), kind="decision")
        case BatchSizeChanged():
            return Entry(
                word.step, f"batch size {word.before} → {word.after}", f"{word.steps_per_epoch} steps an epoch",
                kind="decision",
            )  # fmt: skip
        case EndPlanned():
            return Entry(word.step, f"ends at step {word.total_steps}", word.reason)
        case PaceChanged():
            pace = word.max_steps_per_second
            return Entry(word.step, "pace let go" if pace is None else f"pace {pace:g} steps/s", kind="quiet")
        case Paused():
            return Entry(word.step, "paused", "" if word.reason == "asked" else word.reason)
        case Resumed():
            return Entry(word.step, "resumed" if word.num_steps is None else f"{word.num_steps} steps more")
        case CheckpointSaved():
            kind: Kind = "quiet" if word.path.endswith("-best.pt") else "fact"
            told = f"{word.num_bytes / 1e6:.1f} MB in {word.save_seconds:.2f} s"
            return Entry(word.step, f"saved {_name(word.path)}", told, kind=kind, topic=f"saved {_tag(word.path)}")
        case SnapshotTaken():
            return Entry(word.step, "snapshot taken", f"{word.num_kept} in the ensemble")
        case AlarmRaised(kind="dead_run", value=0.0):
            return Entry(word.step, word.message, word.advice)
        case AlarmRaised():
            return Entry(word.step, word.message, _with_action(word), kind="alarm")
        case CadenceChanged():
            what = f"{word.metric.rpartition('/')[2].replace('_', ' ')} every {word.stride} steps"
            return Entry(word.step, what, word.reason, kind="quiet", topic=f"cadence {word.metric}")
        case StepsThinned():
            return Entry(word.step, f"{word.num_left_out} values of {word.metric} left out", "the disk was too slow")
        case LearningRateRangeTested() | GradientsChecked() | SharpnessMeasured() | GradientNoiseMeasured():
            is_wrong = isinstance(word, GradientsChecked) and word.verdict == "wrong"
            return Entry(word.step, headline(word), advice(word), kind="alarm" if is_wrong else "fact")
        case RunEnded():
            return Entry(word.step, word.reason, word.message, kind="alarm" if word.reason == "failed" else "decision")
        case DamageSeen():
            if not word.line_number:
                return Entry(step, word.detail, kind="alarm")
            return Entry(step, f"line {word.line_number} cannot be read", word.detail, kind="alarm")
        case CarrierStatus() if word.status in {"lost", "silent", "moved"}:
            return Entry(step, f"{word.status} at step {step}", word.detail, kind="alarm")
        case _:
            return None


def mark_for(word: Event | CarrierStatus | CommandSeen | DamageSeen, step: int) -> Mark | None:
    """The mark that a word leaves on every chart, if any."""
    match word:
        case LearningRatePlanned() if word.cause:
            return Mark(word.step, word.summary.partition(": ")[0], cause=word.cause)
        case OptimizerSwitched():
            return Mark(word.step, f"{word.from_name} → {word.to_name}", cause=word.cause)
        case HandoverStarted():
            return Mark(word.step, f"hand-over to {word.to_name}", cause=word.cause)
        case HyperparameterChanged():
            return Mark(word.step, f"{word.name} {word.after}", cause=word.cause)
        case RunResumed():
            return Mark(word.step, "resumed")
        case Branched():
            return Mark(word.step, "branched")
        case RolledBack():
            return Mark(word.step, "undone" if word.undone else "rolled back", cause=word.cause)
        case BatchesSkipped():
            return Mark(word.step, f"{word.num_batches} batches out", cause=word.cause)
        case RaceStarted() if word.cause:
            return Mark(word.step, "moved", cause=word.cause)
        case Reseeded():
            return Mark(word.step, f"seed {word.seed}", cause=word.cause)
        case SnapshotTaken():
            return Mark(word.step, "snapshot")
        case TrainableChanged():
            return Mark(word.step, word.summary, cause=word.cause)
        case BatchSizeChanged():
            return Mark(word.step, f"batch {word.after}", cause=word.cause)
        case Paused():
            return Mark(word.step, PAUSED, cause=word.cause)
        case AlarmRaised() if word.kind != "dead_run" or word.value:
            return Mark(word.step, word.kind.replace("_", " "), "alarm")
        case CarrierStatus() if word.status == "lost":
            return Mark(step, "lost", "alarm")
        case RunEnded() if word.reason in {"failed", "aborted"}:
            return Mark(word.step, word.reason, "alarm")
        case RunEnded() if word.reason == "stopped":
            return Mark(word.step, "stopped")
        case _:
            return None


def _place(point: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in point) + ")"


def _evaluation(word: EvalFinished) -> str:
    loss, accuracy = word.metrics.get("eval/loss"), word.metrics.get("eval/accuracy")
    digits = ".3g" if accuracy is None else ".3f"
    numbers = " / ".join(f"{value:{digits}}" for value in (loss, accuracy) if value is not None) or "–"
    return f"{EVALUATED} {numbers}  {word.eval_seconds * 1000:.0f} ms"


def _taken(word: WeightsLoaded) -> str:
    """How many tensors were taken, and which were not."""
    left = f"; not taken: {', '.join(word.left)}" if word.left else ""
    return f"{word.checkpoint}: {len(word.taken)} tensors taken{left}"


def _with_action(word: AlarmRaised) -> str:
    """What the run does about it comes before what one may do."""
    does = {"pause": "", "stop": "it stops", "roll_back": "it goes back", "continue": ""}[word.action]
    return "; ".join(part for part in (does, word.advice) if part)


def _name(path: str) -> str:
    """Of a checkpoint, without its folder and its ending, so that it fits a line of the log."""
    return path.removesuffix(".pt").rpartition("/")[2]


def _tag(path: str) -> str:
    """Of a checkpoint: the newest of each tag stands for those before it."""
    return path.removesuffix(".pt").partition("/step-")[2].partition("-")[2]
