"""What a run has told, as far as it must be the same bit for bit, and which decisions are part of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tuitrain.protocol.carrier import DamageSeen
from tuitrain.protocol.commands import Evaluate, ScaleLearningRate, SetHyperparameter
from tuitrain.protocol.events import (
    AlarmRaised,
    CommandApplied,
    CommandQueued,
    EvalFinished,
    Event,
    StepsFinished,
)
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.places import RunFolder

Decision = ScaleLearningRate | SetHyperparameter | Evaluate


@dataclass
class Told:
    """Step → value of what must not differ; what was told last stands."""

    losses: dict[int, float] = field(default_factory=dict)
    rates: dict[int, float] = field(default_factory=dict)
    evaluations: dict[int, dict[str, float]] = field(default_factory=dict)
    holes: set[int] = field(default_factory=set)
    """Steps of which the run itself says that they are not in its record: their trainer died before it told them."""

    def same_as(self, reference: Told) -> str:
        """Where it differs from the reference first; empty where it does not. Evaluations beyond it do no harm."""
        for name, mine, theirs in (
            ("batch/loss", self.losses, reference.losses),
            ("batch/learning_rate", self.rates, reference.rates),
        ):
            steps = sorted(step for step in {*mine, *theirs} - self.holes if mine.get(step) != theirs.get(step))
            if steps:
                values = f"{mine.get(steps[0])} is not {theirs.get(steps[0])}"
                return f"{name}: {len(steps)} steps from {steps[0]} to {steps[-1]}: {values}"
        for step, metrics in reference.evaluations.items():
            if self.evaluations.get(step) != metrics and step not in self.holes:
                return f"evaluation at step {step}: {self.evaluations.get(step)} is not {metrics}"
        return ""


def whole_events(folder: RunFolder) -> list[Event]:
    """Everything a run has said; its lines are all readable."""
    events = read_events(folder)
    assert not [event for event in events if isinstance(event, DamageSeen)]
    return [event for event in events if not isinstance(event, DamageSeen)]


def told_by(folder: RunFolder) -> Told:
    """What a run has told so far."""
    told = Told()
    for event in whole_events(folder):
        if isinstance(event, EvalFinished):
            told.evaluations[event.step] = event.metrics
        if isinstance(event, AlarmRaised) and "the checkpoint is of step" in event.message:
            last = max(told.losses, default=-1)
            told.holes |= {step for step in range(last + 1, event.step + 1) if step not in told.losses}
        for column in event.columns if isinstance(event, StepsFinished) else ():
            values = {"batch/loss": told.losses, "batch/learning_rate": told.rates}.get(column.metric, {})
            values |= {column.first_step + i * column.stride: value for i, value in enumerate(column.values)}
    return told


def moments_of(folder: RunFolder) -> list[dict[str, object]]:
    """The decisions that are part of the run, as moments of a preset."""
    asked: dict[str, Decision] = {}
    taken: dict[str, tuple[int, int, Decision]] = {}
    for event in whole_events(folder):
        match event:
            case CommandQueued(request=ScaleLearningRate() | SetHyperparameter() | Evaluate()):
                asked[event.command] = event.request  # type: ignore[assignment]
            case CommandApplied() if event.command in asked:
                # What is taken again after a crash is the same decision, at the same step.
                original = event.command.partition("~")[0]
                taken.setdefault(original, (event.step, event.seq, asked[event.command]))
            case _:
                pass
    return [_moment(step, decision) for step, _, decision in sorted(taken.values(), key=lambda item: item[:2])]


def _moment(step: int, decision: Decision) -> dict[str, object]:
    match decision:
        case ScaleLearningRate():
            return {"at_step": step, "do": "scale_learning_rate", "factor": decision.factor}
        case SetHyperparameter():
            return {"at_step": step, "do": "set_hyperparameter", "name": decision.name, "value": decision.value}
        case Evaluate():
            return {"at_step": step, "do": "evaluate"}
