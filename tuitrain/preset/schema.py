"""The sections of a preset. Field docstrings are what a person reads about a key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

# TOML writes 1 where 1.0 is meant; a text or true is never a number.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[StrictInt, Field(ge=1)]
Share = Annotated[float, Field(strict=True, ge=0.0, lt=1.0, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of the file: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OpenSection(BaseModel):
    """A table whose further keys depend on its `name` and are checked against our tables."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @property
    def further(self) -> dict[str, Any]:
        """The keys that belong to the named entry."""
        return dict(self.__pydantic_extra__ or {})


class TaskSection(Section):
    """[task]: data, model and loss."""

    dataset: StrictStr
    model: StrictStr
    hidden: list[Count] = [256]
    """Widths of the affine hidden layers, from input to output; in a CNN those after the convolutions."""
    channels: list[Count] = [8, 16]
    """Channels of the convolutions of a CNN."""
    activation: StrictStr = "relu"
    init: StrictStr = "he"
    batch_norm: StrictBool = False
    preprocess: StrictStr = "standardize"
    """standardize: mean 0 and deviation 1 over all training data; scale: to [0, 1]; raw: as stored."""
    num_train: Count | None = None
    """Use only so many training samples; none means all."""
    data_seed: StrictInt = 0
    """Seed of synthetic data and of the split into training and validation, independent of train.seed."""
    data_folder: StrictStr = ""
    """Where torchvision keeps its files; empty means the data folder of tuitrain."""


class TrainSection(Section):
    """[train]: how long, how fast, on what."""

    epochs: Annotated[Number, Field(gt=0)] | None = None
    steps: Count | None = None
    """Optimizer steps; give this or epochs, not both."""
    batch_size: Count | Literal["full"] = 64
    seed: StrictInt = 0
    device: Annotated[StrictStr, Field(pattern=r"^(auto|cpu|mps|xpu|cuda(:\d+)?)$")] = "auto"
    max_steps_per_second: Annotated[Number, Field(gt=0)] | None = None
    """Pace that an eye can follow; holds only while a screen is attached."""
    torch_threads: Annotated[StrictInt, Field(ge=0)] = 0
    """Threads of torch on CPU; 0 means 1 for small models, else torch's default."""
    telemetry_budget: Annotated[Number, Field(ge=0, le=1)] = 0.03
    """Share of step time that measuring may take; 0 switches the costly probes off."""
    on_nonfinite: Literal["pause", "stop", "continue"] | None = None
    """What to do at a NaN or infinite loss; none means pause with a screen, stop without one."""
    on_disk_full: Literal["continue", "stop"] = "continue"


class EvalSection(Section):
    """[eval]: when to evaluate. At most one of the three; none means at least 20 points a run."""

    every_steps: Count | None = None
    every_epochs: Annotated[Number, Field(gt=0)] | None = None
    every_seconds: Annotated[Number, Field(gt=0)] | None = None
    max_batches: Annotated[StrictInt, Field(ge=0)] = 0
    """Batches of each side that are evaluated; 0 means all of the validation set."""
    batch_size: Count = 1000


class OptimizerSection(OpenSection):
    """[optimizer]: name, learning rate, and what the optimizer takes besides."""

    name: StrictStr = "adam"
    lr: Annotated[Number, Field(gt=0)] | None = None
    """None means the optimizer's own default."""
    decay_only_weights: StrictBool = False
    """True keeps weight decay off biases and norms, which then are a group of their own."""


class ScheduleSection(OpenSection):
    """[schedule]: name, warmup, and what the schedule takes besides."""

    name: StrictStr = "constant"
    unit: Literal["steps", "epochs"] = "steps"
    """What durations in this section are counted in."""
    warmup: Annotated[Number, Field(ge=0)] = 0.0
    """Linear warmup before the schedule, in `unit`."""


class RegularizeSection(Section):
    """[regularize]: everything that keeps the model from learning the training data by heart."""

    weight_decay: Annotated[Number, Field(ge=0)] | None = None
    """None means the optimizer's own default."""
    dropout: Share = 0.0
    label_smoothing: Share = 0.0
    gradient_clip: Annotated[Number, Field(gt=0)] | None = None
    """Largest global gradient norm."""
    shift: Annotated[StrictInt, Field(ge=0)] = 0
    """Random shift of images by up to so many pixels each way."""


class Moment(OpenSection):
    """[[moment]]: a command at a given step."""

    at_step: Annotated[StrictInt, Field(ge=0)]
    do: StrictStr


class Preset(Section):
    """A whole preset, checked."""

    name: StrictStr
    title: StrictStr
    about: StrictStr = ""
    look_for: StrictStr = ""
    """The sentence that says what to see."""
    press: StrictStr = ""
    """The keys worth pressing."""
    chapter: StrictStr = ""
    task: TaskSection
    train: TrainSection = TrainSection()
    eval: EvalSection = EvalSection()
    optimizer: OptimizerSection = OptimizerSection()
    schedule: ScheduleSection = ScheduleSection()
    regularize: RegularizeSection = RegularizeSection()
    moment: list[Moment] = []

    def to_data(self) -> dict[str, Any]:
        """Plain data without the keys that are none, as recorded in run.json."""
        return self.model_dump(exclude_none=True)
