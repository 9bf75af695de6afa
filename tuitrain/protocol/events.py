"""What a run says: facts, past tense, in the order in which they happened.

`step` counts finished optimizer steps: "applied at step 300" first acts in step 301.
`cause` is the id of the command that led to the fact, empty where the run decided by itself.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tuitrain.protocol.averaging import SnapshotTaken as SnapshotTaken
from tuitrain.protocol.course import BatchesSkipped as BatchesSkipped
from tuitrain.protocol.course import Branched as Branched
from tuitrain.protocol.course import CheckpointSaved as CheckpointSaved
from tuitrain.protocol.course import Reseeded as Reseeded
from tuitrain.protocol.course import RolledBack as RolledBack
from tuitrain.protocol.course import RunResumed as RunResumed
from tuitrain.protocol.description import CommandInfo, LayerInfo, MetricInfo, OptimizerState
from tuitrain.protocol.event_base import EventBase
from tuitrain.protocol.measured import Measurement
from tuitrain.protocol.plan import LearningRatePlan, Value
from tuitrain.protocol.racing import RacerLost as RacerLost
from tuitrain.protocol.racing import RaceStarted as RaceStarted
from tuitrain.protocol.replies import CommandApplied as CommandApplied
from tuitrain.protocol.replies import CommandQueued as CommandQueued
from tuitrain.protocol.replies import CommandRefused as CommandRefused
from tuitrain.protocol.transfer import TrainableChanged as TrainableChanged
from tuitrain.protocol.transfer import WeightsLoaded as WeightsLoaded
from tuitrain.protocol.version import PROTOCOL_VERSION

AlarmKind = Literal[
    "nonfinite_loss",
    "nonfinite_gradient",
    "nonfinite_weights",
    "loss_spike",
    "gradient_explosion",
    "plateau",
    "overfitting",
    "dead_run",
    "initialization",
    "rate_too_high",
    "rate_too_low",
    "underfitting",
    "disk",
]

RunState = Literal["starting", "running", "paused", "finished", "stopped", "failed", "lost"]
"""The state of a run. The run itself never says "lost": only its readers can."""


class StageEntered(EventBase, frozen=True, kw_only=True):
    """A stage of starting has begun, e.g. "importing torch"."""

    stage: str


class RunStarted(EventBase, frozen=True, kw_only=True):
    """The run describes itself; everything before the first step is ready."""

    run: str
    session: str
    title: str
    protocol_version: int = PROTOCOL_VERSION
    step: int = 0
    total_steps: int
    """Planned optimizer steps of the whole run."""
    steps_per_epoch: int
    batch_size: int
    num_train: int
    num_validation: int
    seed: int
    device: str
    """E.g. "cpu", "cuda:0"."""
    torch_threads: int
    num_parameters: int
    metrics: tuple[MetricInfo, ...]
    layers: tuple[LayerInfo, ...]
    optimizer: OptimizerState
    optimizers: tuple[str, ...]
    """Names that switch_optimizer accepts."""
    commands: tuple[CommandInfo, ...]
    max_steps_per_second: float | None = None
    """The pace that holds while a screen is attached; None means none."""
    loss: str = ""
    """Name of what is minimised, e.g. "cross-entropy"."""
    regularizers: dict[str, Value] = {}
    """Name → value of everything that regularizes and can be changed in this run; 0 means off."""
    frozen: tuple[str, ...] = ()
    """Names of the parameters that are not trained, in the order of the model."""
    data: str = ""
    """One line of what the data were taken for: samples of each side, inputs, outputs, what was left out or guessed."""


class Column(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Values of one metric at first_step, first_step + stride, first_step + 2 · stride, …"""

    metric: str
    first_step: int
    values: list[float]
    """float32 values written with the fewest digits that read back the same; may be non-finite."""
    stride: int = 1


class StepsFinished(EventBase, frozen=True, kw_only=True):
    """Optimizer steps were finished; what was measured at them."""

    step: int
    """The last finished step."""
    columns: tuple[Column, ...]


class StepsThinned(EventBase, frozen=True, kw_only=True):
    """The writer could not keep up (a hanging disk): some measured values were left out."""

    step: int
    metric: str
    num_left_out: int


class CadenceChanged(EventBase, frozen=True, kw_only=True):
    """A sampled metric is measured at another stride from now on."""

    step: int
    metric: str
    stride: int
    reason: str


class EvalFinished(EventBase, frozen=True, kw_only=True):
    """An evaluation in eval mode: `train/*` on a fixed subset of the training data, `eval/*` on the validation data."""

    step: int
    metrics: dict[str, float]
    eval_seconds: float
    num_samples: int
    """Of the validation side."""
    num_train_samples: int | None = None
    """Of the training side; None in older records: as many as of the other side, the first of each."""
    checksum: str = ""
    """Of the weights, so that a rerun can be compared: "sha256:…" of all their bytes, or "norms:…" of the float64
    norms of each tensor where there are many."""
    cause: str = ""

    @property
    def sizes(self) -> tuple[int, int]:
        """Samples of the training and of the validation side."""
        return self.num_samples if self.num_train_samples is None else self.num_train_samples, self.num_samples


class LayersMeasured(EventBase, frozen=True, kw_only=True):
    """A look at every layer at one step: weights, gradient, update, and the activations of that batch."""

    step: int
    """The step whose gradient, update and activations were measured."""
    names: tuple[str, ...]
    """The layers with a weight matrix or kernel, from input to output, e.g. ("lin_1", "lin_2")."""
    values: dict[str, list[float]]
    """Quantity → one value a layer, in the order of `names`; NaN where it has no meaning.

    gradient_norm: L2 norm of the gradient of the weight, before clipping. weight_norm: L2 norm of the weight.
    update_ratio: L2 norm of the update over that of the weight. activation_mean, activation_std: of the output
    after its activation function. dead: share of its units, 0 to 1, that are 0 or below for the whole batch (ReLU
    and its kin). saturated: share of its activations, 0 to 1, at the flat ends of a sigmoid or tanh.
    """


class LearningRatePlanned(EventBase, frozen=True, kw_only=True):
    """The learning-rate plan as it stands now, past and future."""

    step: int
    plan: LearningRatePlan
    summary: str
    """What changed, in words, e.g. "×0.1: 1.0e-3 → 1.0e-4"."""
    cause: str = ""


class HandoverStarted(EventBase, frozen=True, kw_only=True):
    """A new optimizer shadows the current one for `num_steps` steps before it takes over."""

    step: int
    num_steps: int
    from_name: str
    to_name: str
    extra_memory_bytes: int = 0
    """Memory that the second optimizer's state takes meanwhile."""
    cause: str = ""


class HandoverCancelled(EventBase, frozen=True, kw_only=True):
    """The shadowing optimizer was dropped; the old one goes on."""

    step: int
    to_name: str
    reason: str
    cause: str = ""


class OptimizerSwitched(EventBase, frozen=True, kw_only=True):
    """Another optimizer took over: it takes step `step` + 1."""

    step: int
    asked_step: int
    from_name: str
    to_name: str
    handover: Literal["match", "cold", "explicit"]
    expected_ratio: float
    """Size of the first update relative to the one before, as the shadow expects it; NaN where that is not known."""
    optimizer: OptimizerState
    notes: tuple[str, ...] = ()
    """What carried over and what did not, one sentence each."""
    cause: str = ""


class UpdateMeasured(EventBase, frozen=True, kw_only=True):
    """The first update after a switch, relative to the last one before it."""

    step: int
    ratio: float
    cause: str = ""


class SwitchPreviewed(EventBase, frozen=True, kw_only=True):
    """What a switch would do if it were made now."""

    step: int
    from_name: str
    to_name: str
    cold_ratio: float
    """First update relative to the one before, if the new optimizer took over with the rate as it is."""
    learning_rates: dict[str, float]
    """The rate per group that would keep the size of the update."""
    handover_steps: int
    extra_memory_bytes: int
    notes: tuple[str, ...] = ()
    cause: str = ""


class HyperparameterChanged(EventBase, frozen=True, kw_only=True):
    """Hyper-parameters of the optimizer changed."""

    step: int
    name: str
    before: str
    after: str
    optimizer: OptimizerState
    regularizers: dict[str, Value] = {}
    """Everything that regularizes, as in `RunStarted`, after the change; empty where that did not change."""
    notes: tuple[str, ...] = ()
    cause: str = ""


class BatchSizeChanged(EventBase, frozen=True, kw_only=True):
    """Batches have another size from the next step; the rest of the epoch keeps its order."""

    step: int
    before: int
    after: int
    steps_per_epoch: int
    cause: str = ""


class EndPlanned(EventBase, frozen=True, kw_only=True):
    """The run will end at another step than was planned, as after a cool-down."""

    step: int
    total_steps: int
    reason: str
    cause: str = ""


class PaceChanged(EventBase, frozen=True, kw_only=True):
    """The pace that holds while a screen is attached."""

    step: int
    max_steps_per_second: float | None = None
    cause: str = ""


class Paused(EventBase, frozen=True, kw_only=True):
    """The run waits after `step`."""

    step: int
    reason: str
    cause: str = ""


class Resumed(EventBase, frozen=True, kw_only=True):
    """The run goes on."""

    step: int
    num_steps: int | None = None
    """Steps until it pauses again; None means until the end."""
    cause: str = ""


class AlarmRaised(EventBase, frozen=True, kw_only=True):
    """Something needs a decision."""

    step: int
    kind: str
    """An `AlarmKind`, or one of a later version."""
    message: str
    """What was seen, with the number."""
    value: float
    """The number: the loss, its robust deviations, seconds without a step; 0 where a dead run lives again."""
    module: str = ""
    """The module in which it first appeared, where that can be told."""
    advice: str = ""
    action: Literal["pause", "stop", "continue", "roll_back"] = "continue"
    """What the run does about it."""


class Heartbeat(EventBase, frozen=True, kw_only=True):
    """Once a second: the run lives. Also what a list of runs needs to know without reading everything."""

    step: int
    state: RunState
    steps_per_second: float
    watching_share: float
    """Share of step time spent on measuring and recording, 0 to 1."""
    best: dict[str, float] = {}
    """Best value of each evaluated metric so far."""
    best_step: int | None = None
    """Of the best validation loss; None where there is none yet, or where a stream of old does not tell."""
    last: dict[str, float] = {}
    """Last value of each metric."""
    process_memory_bytes: int = 0
    device_memory_bytes: int | None = None
    """Memory that torch holds on the accelerator; None where the device does not tell."""
    device_utilization: float | None = None
    """0 to 1; None where the device does not tell."""
    is_paced: bool = False
    """Whether the pace slows the run down at the moment."""


class RunEnded(EventBase, frozen=True, kw_only=True):
    """The last word of a run."""

    step: int
    reason: Literal["finished", "stopped", "aborted", "failed"]
    message: str = ""
    """One line for people: why it ended."""
    traceback: str = ""
    best: dict[str, float] = {}
    best_step: int | None = None
    """As in a heartbeat."""
    last: dict[str, float] = {}
    could_not_begin: bool = False
    """Whether a session that was to go on failed before its first step: the run stands where it stood before."""


class UnknownEvent(EventBase, frozen=True, kw_only=True):
    """An event of a newer version: counted and shown, never fatal."""

    name: str


Event = (
    StageEntered
    | RunStarted
    | RunResumed
    | Branched
    | RolledBack
    | BatchesSkipped
    | Reseeded
    | WeightsLoaded
    | TrainableChanged
    | StepsFinished
    | StepsThinned
    | CadenceChanged
    | EvalFinished
    | RaceStarted
    | RacerLost
    | LayersMeasured
    | LearningRatePlanned
    | HandoverStarted
    | HandoverCancelled
    | OptimizerSwitched
    | UpdateMeasured
    | SwitchPreviewed
    | Measurement
    | HyperparameterChanged
    | BatchSizeChanged
    | EndPlanned
    | PaceChanged
    | Paused
    | Resumed
    | CheckpointSaved
    | SnapshotTaken
    | AlarmRaised
    | CommandQueued
    | CommandApplied
    | CommandRefused
    | Heartbeat
    | RunEnded
    | UnknownEvent
)
