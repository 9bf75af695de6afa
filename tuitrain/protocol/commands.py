"""What a run can be asked: requests, imperative, one final reply each.

A command travels inside a `Request`, which says who asked, when, and which worker session is meant.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tuitrain.protocol.plan import Value


class CommandBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="command"):
    """What all commands share."""


class Pause(CommandBase, frozen=True, kw_only=True, tag="pause"):
    """Finish the current step, then wait. Memory is kept, commands still work."""


class Resume(CommandBase, frozen=True, kw_only=True, tag="resume"):
    """Go on after a pause."""


class StepOnce(CommandBase, frozen=True, kw_only=True, tag="step_once"):
    """Run some optimizer steps, then pause."""

    num_steps: int = 1
    """At least 1."""


OWN_ENDS = ("early stopping:", "one batch, ")
"""How `Stop.because`, and the last word that it becomes, begins where a rule of the preset wanted the end."""


class Stop(CommandBase, frozen=True, kw_only=True, tag="stop"):
    """Finish the step, evaluate, save, end. A second one aborts: no evaluation, no save."""

    abort: bool = False
    """End after the current step without evaluating or saving."""
    because: str = ""
    """Why, where the run itself decided; it becomes the last word."""


class ScaleLearningRate(CommandBase, frozen=True, kw_only=True, tag="scale_learning_rate"):
    """Multiply the learning rate by a factor; the schedule's shape and clock stay."""

    factor: float
    """Above 0; 0.1 is the usual decay."""
    groups: list[str] | None = None
    """Parameter groups by name; None means all."""


class SetLearningRate(CommandBase, frozen=True, kw_only=True, tag="set_learning_rate"):
    """Make the learning rate of the first group `lr` from the next step; other groups keep their ratio to it."""

    lr: float
    """Above 0."""
    hold: bool = False
    """False keeps the schedule's shape and scales it; True holds the rate constant from now on."""


class SetSchedule(CommandBase, frozen=True, kw_only=True, tag="set_schedule"):
    """Replace the schedule from the next step on."""

    name: str
    num_steps: int | None = None
    """Length of the new shape in steps; None means until the planned end of the run."""
    warmup_steps: int = 0
    restart: bool = False
    """False continues from the rate as it is now; True starts again from the full base rate."""
    hyperparameters: dict[str, float | list[float]] = {}
    """What the schedule takes besides, durations in steps."""


class CoolDown(CommandBase, frozen=True, kw_only=True, tag="cool_down"):
    """Save the stable point, then bring the learning rate down to 0 from here and end the run there."""

    num_steps: int | None = None
    """Steps that it takes; None means a fifth of the steps so far, at most those that remain."""
    shape: Literal["minus-sqrt", "linear", "cosine"] = "minus-sqrt"


class SetBatchSize(CommandBase, frozen=True, kw_only=True, tag="set_batch_size"):
    """Train with batches of another size from the next step; what is left of the epoch keeps its order."""

    batch_size: int
    """At least 1, at most the number of training samples."""
    rate: Literal["keep", "linear", "sqrt"] = "keep"
    """Whether the learning rate stays, or is scaled with the batch size (SGD) or with its root (Adam)."""


class SetHyperparameter(CommandBase, frozen=True, kw_only=True, tag="set_hyperparameter"):
    """Change one hyper-parameter of the optimizer, or one regularizer such as dropout or gradient_clip."""

    name: str
    value: Value
    """0 switches a regularizer off; so does "none"."""
    groups: list[str] | None = None
    """Parameter groups by name; None means all that have it."""


class SwitchOptimizer(CommandBase, frozen=True, kw_only=True, tag="switch_optimizer"):
    """Go on with another optimizer over the same parameter groups."""

    name: str
    handover: Literal["match", "cold"] = "match"
    """"match" lets the new optimizer shadow the old one for some steps and matches the update norm;
    "cold" starts with empty state, its rate matched on a single step."""
    lr: float | None = None
    """An explicit learning rate in place of the matched one; above 0."""
    ramp_steps: int = 0
    """Steps of re-warmup after the switch."""
    hyperparameters: dict[str, Value] = {}
    """What the new optimizer takes besides, e.g. momentum."""


class PreviewSwitch(CommandBase, frozen=True, kw_only=True, tag="preview_switch"):
    """Say what a switch would do, without doing it."""

    name: str
    hyperparameters: dict[str, Value] = {}


class Evaluate(CommandBase, frozen=True, kw_only=True, tag="evaluate"):
    """Evaluate now, on the train subset and the validation set; the run is not changed by it."""


class SaveCheckpoint(CommandBase, frozen=True, kw_only=True, tag="save_checkpoint"):
    """Save the whole state of the run now; training does not wait for the disk."""

    tag: str = ""
    """A name beside the step, of lower-case letters, digits and dashes; a tagged one is kept until you delete it."""
    best: bool = False
    """Save the state at the best validation loss so far in its place, if that is not on the disk yet."""


class RollBack(CommandBase, frozen=True, kw_only=True, tag="roll_back"):
    """Go back to an earlier state of the run and go on from there; what came after it stays in the record."""

    to: int | str
    """A step: the newest state kept at or before it; or the tag of a checkpoint, such as "best"."""
    skip_batches: int = 0
    """Batches that are left out then, so that those which led to a spike do not come again; 0 or more."""
    scale_learning_rate: float = 1.0
    """Factor on the learning rate from there on; above 0."""


class Undo(CommandBase, frozen=True, kw_only=True, tag="undo"):
    """Return to the state before the last decision that was taken; a roll-back is one too."""


class SkipBatches(CommandBase, frozen=True, kw_only=True, tag="skip_batches"):
    """Leave out the next batches of training data."""

    num_batches: int
    """At least 1."""


class SetEnd(CommandBase, frozen=True, kw_only=True, tag="set_end"):
    """End the run at another step than was planned; the schedule keeps its length."""

    step: int
    """Finished steps at the end; beyond where the run is."""


class SetSeed(CommandBase, frozen=True, kw_only=True, tag="set_seed"):
    """Draw order, augmentation and noise from another seed from here on; the rest of the epoch is shuffled anew."""

    seed: int
    """0 or more."""


class MoveTo(CommandBase, frozen=True, kw_only=True, tag="move_to"):
    """On a surface: put the point and all its rivals at another start, with fresh optimizers; the plan goes on."""

    x: float
    y: float | None = None
    """None on a surface of one coordinate."""


class Freeze(CommandBase, frozen=True, kw_only=True, tag="freeze"):
    """Keep parameters as they are from the next step on; what the optimizer knows of them is kept."""

    patterns: list[str]
    """Names of layers or parameters, "*" for any letters: "conv_*", "block_1", "*.bias"; or "all-but-head", "head"."""
    batch_norm: Literal["eval", "train"] = "eval"
    """Whether batch norms that are frozen whole use their running statistics and keep them, or go on as in training."""


class Unfreeze(CommandBase, frozen=True, kw_only=True, tag="unfreeze"):
    """Train parameters that are frozen, from the next step on."""

    patterns: list[str]
    """As of freeze."""
    factor: float | None = None
    """Their learning rate relative to that of the first group, above 0; None means the rate that they had, and 0.1 for
    those that were never trained."""


class SetPace(CommandBase, frozen=True, kw_only=True, tag="set_pace"):
    """Slow the run down while a screen is attached; the numbers never change."""

    max_steps_per_second: float | None = None
    """Above 0; None means as fast as it goes."""


class FindLearningRate(CommandBase, frozen=True, kw_only=True, tag="find_learning_rate"):
    """Raise the rate exponentially on a copy of the run, and say at which the loss falls fastest; the run waits."""

    low: float = 1e-7
    """The first rate; above 0."""
    high: float = 10.0
    """The last one, unless the loss grows too large before; above `low`."""
    num_steps: int = 100
    """Rates that are tried, one a batch; at least 10."""
    seed: int = 0
    """Of the batches and their augmentation."""


class CheckGradients(CommandBase, frozen=True, kw_only=True, tag="check_gradients"):
    """Compare the gradients with finite differences, on a float64 copy without dropout; the run waits."""

    step_size: float = 1e-5
    """h of (L(w + h) − L(w − h)) / 2h; above 0."""
    num_entries: int = 10
    """Of each tensor, drawn at random; at least 1."""
    num_samples: int = 16
    """The first of the training data; few of them meet few kinks."""
    with_penalties: bool = False
    """Whether L1 and label smoothing are part of the loss; first without, as they can hide a wrong gradient."""
    seed: int = 0


class MeasureSharpness(CommandBase, frozen=True, kw_only=True, tag="measure_sharpness"):
    """Measure the largest curvature of the loss and the rate that it allows; the run waits and is not changed."""

    num_products: int = 30
    """Products with the Hessian at most."""
    num_samples: int = 1000
    """Of the training data, drawn once from task.data_seed."""
    seed: int = 0
    """Of the vector that the iteration begins with."""


class MeasureGradientNoise(CommandBase, frozen=True, kw_only=True, tag="measure_gradient_noise"):
    """Measure how far gradients of batches are from that of all samples; the run waits and is not changed."""

    batch_sizes: list[int] | None = None
    """None means 1, 8, 32, 128, 512 and that of the run."""
    num_batches: int = 20
    """Of each size; at least 2."""
    num_samples: int = 4000
    """Of the training data, drawn once from task.data_seed; they count as all."""
    seed: int = 0


Command = (
    Pause
    | Resume
    | StepOnce
    | Stop
    | ScaleLearningRate
    | SetLearningRate
    | SetSchedule
    | CoolDown
    | SetBatchSize
    | SetHyperparameter
    | SwitchOptimizer
    | PreviewSwitch
    | Evaluate
    | SaveCheckpoint
    | RollBack
    | Undo
    | SkipBatches
    | SetEnd
    | SetSeed
    | MoveTo
    | Freeze
    | Unfreeze
    | SetPace
    | FindLearningRate
    | CheckGradients
    | MeasureSharpness
    | MeasureGradientNoise
)


DECIDING = (
    ScaleLearningRate, SetLearningRate, SetSchedule, CoolDown, SetBatchSize, SetHyperparameter, SwitchOptimizer,
    SkipBatches, SetEnd, SetSeed, MoveTo, Freeze, Unfreeze, Evaluate, Stop,
)  # fmt: skip
"""What the course of a run depends on. A roll-back or an undo is recorded as the decisions that it leads back to."""


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command that was carried out and that the course of a run depends on."""

    step: int
    """Finished steps when it was: it first acts in the next one."""
    command: Command
    actor: str
    id: str
    """Of the command."""


def original_id(identity: str) -> str:
    """The id of a command as it was when it was first asked."""
    return identity.partition("~")[0]


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command on its way: who asks which session, when."""

    id: str
    """Unique and ordered by time: commands apply in the order of their ids."""
    session: str
    """The worker session it is meant for; another session refuses it."""
    actor: Literal["user", "preset", "auto", "signal"]
    """Who decided: a person, the preset's moment, the run itself, or an operating system signal."""
    time: float
    """Seconds since 1970 by the clock of whoever asked."""
    command: Command
