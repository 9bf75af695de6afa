"""The sections of a preset. Field docstrings are what a person reads about a key."""

from __future__ import annotations

import shlex
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from tuitrain.protocol.plan import Value
from tuitrain.techniques.averages import MOST_PASSES, MOST_SHIFT, MOST_SNAPSHOTS
from tuitrain.techniques.regularizers import resolved_regularizers

# TOML writes 1 where 1.0 is meant; a text or true is never a number.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
MOST = 10**12
"""Of what is counted, such as steps: more is a slip of the finger, and beyond 2^63 no record could hold it."""
Count = Annotated[StrictInt, Field(ge=1, le=MOST)]
NumberOf = Annotated[StrictInt, Field(ge=0, le=MOST)]
Width = Annotated[StrictInt, Field(ge=1, le=10**6)]
Length = Annotated[Number, Field(gt=0, le=1e9)]
"""In epochs or seconds."""
Seed = Annotated[StrictInt, Field(ge=0, lt=2**63)]
_MOST_SIGNS = 10_000


class Section(BaseModel):
    """A table of the file: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=_MOST_SIGNS)


class OpenSection(BaseModel):
    """A table whose further keys depend on its `name` and are checked against our tables."""

    model_config = ConfigDict(extra="allow", frozen=True, str_max_length=_MOST_SIGNS)

    @property
    def further(self) -> dict[str, Any]:
        """The keys that belong to the named entry."""
        return dict(self.__pydantic_extra__ or {})


class TaskSection(Section):
    """[task]: data, model and loss."""

    dataset: StrictStr
    model: StrictStr
    hidden: Annotated[list[Width], Field(max_length=1000)] = [256]
    """Widths of the affine hidden layers, from input to output; in a CNN those after the convolutions."""
    channels: Annotated[list[Width], Field(max_length=1000)] = [8, 16]
    """Channels of the convolutions of a CNN."""
    depth: Annotated[StrictInt, Field(ge=2, le=10_000)] = 8
    """Hidden layers of a residual or plain network of any depth, an even number; blocks of a Transformer."""
    heads: Count = 4
    """Attention heads of a Transformer, a divisor of its width."""
    context: Annotated[StrictInt, Field(ge=1, le=4096)] = 64
    """Characters of a text that are read at once."""
    pooling: StrictStr = "max"
    """What a CNN makes its pictures smaller with."""
    activation: StrictStr = "relu"
    init: StrictStr = "he"
    init_std: Annotated[Number, Field(gt=0)] = 0.01
    """Standard deviation of init = "normal"."""
    norm: StrictStr = "none"
    """What normalises the hidden layers, before their activation."""
    dropout_kind: StrictStr = "standard"
    preprocess: StrictStr = "standardize"
    """standardize: mean 0 and deviation 1 over all training data; scale: to [0, 1]; center: mean 0 alone;
    whiten: uncorrelated, each with variance 1; raw: as stored. Tables of one's own by column, and numbers that are
    their targets to mean 0 and deviation 1 unless all is raw; losses are told in the unit of the targets."""
    loss: StrictStr = "auto"
    """auto: cross-entropy of classes, mean squared error of numbers."""
    huber_delta: Number | None = None
    focal_gamma: Number | None = None
    class_weights: list[Annotated[Number, Field(ge=0)]] | Literal["equal", "balanced"] = "equal"
    """Weight of each class in the loss; balanced: such that each counts alike."""
    label_noise: Annotated[Number, Field(ge=0, le=1)] = 0.0
    """Share of the training labels that are drawn again at random."""
    path: StrictStr = ""
    """Of one's own data: a table (CSV and the like, Parquet or JSON lines, also packed), a .npz file, or a folder of
    one folder of pictures a class."""
    target: StrictStr = ""
    """Column of a csv that shall be predicted; empty means the last one. Of a npz, the array of targets."""
    ignore: list[StrictStr] = []
    """Columns of a csv, or arrays of a npz, that are left out."""
    header: StrictBool | Literal["auto"] = "auto"
    """Whether the first line of a csv names the columns; auto looks, and asks where it may be a sample."""
    decimal: Literal["auto", ".", ","] = "auto"
    """Decimal mark of a csv; the other one may divide thousands. auto looks, and asks where it may be either."""
    missing: Literal["refuse", "drop", "mean"] = "refuse"
    """Of a csv, what becomes of a line with an empty cell: drop leaves the line out; mean puts the mean of the column
    there, as the training side has it, and of a column of texts no category."""
    encode: Literal["refuse", "one-hot"] = "refuse"
    """What becomes of a column of texts in a csv; one-hot: an input for each of its at most 50 texts, which is 1 where
    it stands and else 0."""
    target_kind: Literal["auto", "classification", "regression"] = "auto"
    image_size: Annotated[StrictInt, Field(ge=1, le=4096)] | None = None
    """Side to which pictures of one's own are scaled; none means that of the first."""
    layout: Literal["auto", "channels-first", "channels-last"] = "auto"
    """Which dimension of pictures in a npz are their channels; auto looks, and asks where it may be either."""
    validation_share: Annotated[Number, Field(gt=0, lt=1)] = 0.2
    """Of one's own data, where they are not split already."""
    num_train: Count | None = None
    """Use only so many training samples; none means all."""
    data_seed: Seed = 0
    """Seed of synthetic data, of the split into training and validation, and of which training samples are evaluated,
    independent of train.seed."""
    folds: NumberOf = 0
    """Parts of a cross-validation: training and validation data together are cut into so many, with the same share of
    each class, by task.data_seed alone; a text into blocks. A test part is left out. 0 takes the usual split."""
    fold: NumberOf = 0
    """Which of them is validated on, from 1; the others are trained on."""
    from_run: StrictStr = ""
    """Begin with the weights of an earlier run: its id or a unique part of it, its name, "last", or the name of a
    preset for its newest finished run. What fits by name and shape is taken, the rest is initialised as always."""
    from_tag: StrictStr = ""
    """Which state of that run: "last", or the tag of a checkpoint such as "best"; empty means the last."""
    from_sha256: StrictStr = ""
    """Of the checkpoint file that from_run shall mean; written into the record of a run, so that a rerun is exact."""
    pretrained: StrictBool = False
    """Begin with the weights that torchvision gives away; they are downloaded once."""
    new_head: StrictBool = False
    """Whether the last affine map is initialised anew even where its shape fits."""
    freeze: list[StrictStr] = []
    """Layers or parameters that are not trained: names with "*" for any letters, or "all-but-head"."""
    data_folder: StrictStr = ""
    """Where torchvision keeps its files; empty means the data folder of tuitrain."""


class TrainSection(Section):
    """[train]: how long, how fast, on what."""

    epochs: Length | None = None
    steps: Count | None = None
    """Optimizer steps; give this or epochs, not both."""
    batch_size: Count | Literal["full"] = 64
    seed: Seed = 0
    device: Annotated[StrictStr, Field(pattern=r"^(auto|cpu|mps|xpu|cuda(:\d+)?)$")] = "auto"
    max_steps_per_second: Annotated[Number, Field(ge=0.001)] | None = None
    """Pace that an eye can follow; holds only while a screen is attached."""
    torch_threads: Annotated[StrictInt, Field(ge=0, le=1024)] = 0
    """Threads of torch on CPU; 0 means 1 for small models, else torch's default."""
    telemetry_budget: Annotated[Number, Field(ge=0, le=1)] = 0.03
    """Share of step time that measuring may take; 0 switches the costly probes off."""
    one_batch: StrictBool = False
    """Whether the run is to learn its training data by heart, and ends when it has: set by `run --one-batch`."""
    zero_grad: StrictBool = True
    """Whether gradients are zeroed after each step. False forgets it, as people do: they add up from step to step."""
    on_nonfinite: Literal["pause", "stop", "continue", "roll_back"] | None = None
    """What to do at a NaN or infinite loss; none means pause with a screen, stop without one."""
    automatic: StrictBool = True
    """Whether the run takes decisions of its own: plateau, early stopping, alarms. False in a preset that was exported
    from a run, where they stand among the moments."""
    on_disk_full: Literal["continue", "stop"] = "continue"
    bootstrap: StrictBool = False
    """Train on a bootstrap sample: as many as there are, drawn once with replacement, so that about 63 % of the
    samples are in it. One member of a bagging ensemble; train.seed draws another."""


class EvalSection(Section):
    """[eval]: when to evaluate. At most one of the three; none means at least 20 points a run."""

    every_steps: Count | None = None
    every_epochs: Length | None = None
    every_seconds: Length | None = None
    max_batches: NumberOf = 0
    """Batches of the validation data that are evaluated, drawn once; 0 means all. Of the training data as many samples
    are evaluated, at most all, drawn once from task.data_seed."""
    batch_size: Count = 1000
    sharpness: StrictBool = False
    """Whether the largest curvature of the training loss is measured at the end of the run."""
    tta_shift: Annotated[StrictInt, Field(ge=0, le=MOST_SHIFT)] = 0
    """Test-time augmentation: also evaluate the mean prediction over all shifts of a picture by up to so many pixels;
    1 is nine pictures, and nine further passes over the validation data. 0 is off."""
    mc_dropout: Annotated[StrictInt, Field(ge=0, le=MOST_PASSES)] = 0
    """MC dropout (Gal & Ghahramani 2016): also evaluate the mean prediction of so many passes over the validation data
    with dropout on; 0 is off."""


class AverageSection(Section):
    """[average]: averages of the weights, evaluated beside the weights as they are; they never change the run.

    Each one that is on costs another pass over the validation data at every evaluation, and its weights in memory
    and in every checkpoint.
    """

    ema_decay: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """Decay of an exponential moving average of the weights (Polyak averaging); 0 is off. It begins as a copy of the
    weights after the first step, as torch's AveragedModel does: after t steps a share of ema_decay^t of it is still
    that copy, so let 1 / (1 − ema_decay) be short against the run. Statistics of batch norm are averaged too."""
    swa_from: Annotated[Number, Field(ge=0)] = 0.0
    """Where the plain mean of the weights (SWA) begins: below 1 a share of the run, else a step; 0 is off. Where there
    is batch norm, each evaluation measures its statistics anew on up to 4096 training samples."""
    swa_every: NumberOf = 0
    """Steps between two weights of that mean; 0 is an epoch."""
    snapshots: Annotated[StrictInt, Field(ge=0, le=MOST_SNAPSHOTS)] = 0
    """How many weights are kept, the newest ones, one at the end of each cycle of a schedule with restarts; 0 is off.
    Their mean prediction costs a pass over the validation data for each."""


class CheckpointSection(Section):
    """[checkpoint]: when a run saves itself, besides at its end."""

    every_minutes: Annotated[Number, Field(ge=0, le=1e9)] = 5.0
    """0 is never."""
    keep_last: Count = 3
    """Those with a tag are kept besides."""
    keep_best: StrictBool = True
    """Whether the state at the lowest finite validation loss is kept, as step-N-best.pt."""
    restore_best: StrictBool = False
    """Whether early stopping goes back to the state at the best validation loss before it ends the run."""


class NotifySection(Section):
    """[notify]: who is told of a run's end and of an alarm; the keys that are left out are as in one's own config.

    `command` runs a program, so a preset file may not hold it: that would let a stranger's preset run code. It is
    taken from `config.toml` in the home of tuitrain, where nobody else can write to it, or from the command line
    (`notify.command="notify-send tuitrain"`), and is never recorded with the run.
    """

    command: StrictStr | list[StrictStr] | None = None
    """A program with its arguments, in one text or as a list; no shell reads it. It is told by TUITRAIN_RUN,
    TUITRAIN_EVENT, TUITRAIN_STATE, TUITRAIN_MESSAGE and TUITRAIN_STEP in its environment."""
    on: list[Literal["end", "alarm"]] | None = None
    """When the command runs; none means at both."""
    bell: StrictBool | None = None
    """Whether the dashboard rings the bell of the terminal at both; none means yes."""


AlarmAction = Literal["off", "notify", "pause", "roll_back", "stop"]


class AlarmsSection(Section):
    """[alarms]: what the run does about trouble: says nothing, says it, pauses, goes back, or stops."""

    loss_spike: AlarmAction = "notify"
    """The loss of a batch is far above those before it."""
    gradient_explosion: AlarmAction = "notify"
    """The gradient norm is more than ten times that of the steps before; any action but notify measures it at every
    step. Where the gradient is clipped, it is only said."""
    plateau: AlarmAction = "notify"
    """Neither the validation nor the training loss got better for a fifth of the run; going back is no cure for it."""
    overfitting: AlarmAction = "notify"
    """The validation loss rises while the training loss falls; roll_back goes back to before it rose."""
    initialization: AlarmAction = "notify"
    """Before the first step the loss is far above that of a blind guess; or the activations of the first batch die
    out, blow up or are saturated. Nothing is there to go back to."""
    learning_rate: AlarmAction = "notify"
    """The training loss goes up, blew up or jumps (too high), or falls steadily and hardly (too low)."""
    underfitting: AlarmAction = "notify"
    """Training and validation loss stay high, and together; nothing is there to go back to."""
    dead_run: AlarmAction = "notify"
    """No step is finished for long; off, notify or stop, as a thread that hangs can neither pause nor go back."""
    spike_z: Annotated[Number, Field(gt=0)] = 6.0
    """Robust deviations above the median at which a loss or a gradient norm is out of the ordinary."""
    window: Annotated[StrictInt, Field(ge=10, le=10**6)] = 200
    """Values that the median is of."""
    dead_seconds: Length = 300.0
    """Without a step; at least 20 times the usual time of one."""
    roll_back_steps: Count = 100
    """How far before the trouble roll_back goes, at least."""
    skip_batches: NumberOf = 200
    """Batches that are left out then (the recipe of PaLM); with full batches the rate is halved in their place."""
    roll_back_scale: Annotated[Number, Field(gt=0, le=1)] = 1.0
    """Factor on the learning rate after going back."""


class OptimizerSection(OpenSection):
    """[optimizer]: name, learning rate, and what the optimizer takes besides."""

    name: StrictStr = "adam"
    lr: Annotated[Number, Field(gt=0)] | None = None
    """None means the optimizer's own default."""
    decay_only_weights: StrictBool = False
    """True keeps weight decay off biases and norms, which then are a group of their own."""
    layer_decay: Annotated[Number, Field(gt=0, le=1)] = 1.0
    """Factor on the rate of each layer per layer above it; 1 gives all layers one rate."""
    head_rate: Annotated[Number, Field(gt=0)] = 1.0
    """Factor on the rate of the last layer, which then is a group of its own; 10 is usual in a transfer."""
    lookahead_steps: NumberOf = 0
    """Every so many steps slow weights follow the fast ones (Lookahead); 0 is off, 5 is usual."""
    lookahead_alpha: Annotated[Number, Field(gt=0, le=1)] = 0.5
    """How far they follow."""


class ScheduleSection(OpenSection):
    """[schedule]: name, warmup, and what the schedule takes besides."""

    name: StrictStr = "constant"
    unit: Literal["steps", "epochs"] = "steps"
    """What durations in this section are counted in."""
    warmup: Annotated[Number, Field(ge=0, le=1e9)] = 0.0
    """Linear warmup before the schedule, in `unit`."""


class RegularizeSection(OpenSection):
    """[regularize]: names and strengths of `techniques.regularizers`; what is not named is off."""

    @property
    def values(self) -> dict[str, Value]:
        """All of them; weight_decay only where it is given, else it is the optimizer's own default."""
        return resolved_regularizers(self.further)


class SurfaceSection(Section):
    """[surface]: the function on which a point is trained, for task.dataset = "surface"."""

    name: StrictStr = ""
    start: list[Number] | None = None
    """Where all begin, one number a coordinate; none means the start of the lecture."""


class RivalSection(OpenSection):
    """[[rival]]: an optimizer that races beside the run from the same start, with what it takes besides."""

    name: StrictStr
    lr: Annotated[Number, Field(gt=0)] | None = None
    """Constant; none means the optimizer's own default."""
    label: StrictStr = ""
    """What it is called in the picture; empty means its own name."""


class Moment(OpenSection):
    """[[moment]]: a command at a given step."""

    at_step: NumberOf
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
    """One of `preset.chapters.CHAPTERS`."""
    order: Annotated[StrictInt, Field(ge=-MOST, le=MOST)] = 1000
    """Place within the chapter."""
    task: TaskSection
    train: TrainSection = TrainSection()
    eval: EvalSection = EvalSection()
    checkpoint: CheckpointSection = CheckpointSection()
    notify: NotifySection = NotifySection()
    alarms: AlarmsSection = AlarmsSection()
    optimizer: OptimizerSection = OptimizerSection()
    schedule: ScheduleSection = ScheduleSection()
    regularize: RegularizeSection = RegularizeSection()
    average: AverageSection = AverageSection()
    surface: SurfaceSection = SurfaceSection()
    rival: list[RivalSection] = []
    moment: list[Moment] = []

    def to_data(self) -> dict[str, Any]:
        """Plain data without the keys that are none, as recorded in run.json; without the command of [notify]."""
        data = self.model_dump(exclude_none=True, exclude={"notify": {"command"}})
        if not data["notify"]:
            del data["notify"]
        if self.task.dataset != "surface":
            del data["surface"], data["rival"]
        return data


def command_words(section: NotifySection) -> tuple[str, ...]:
    """The program of [notify] and its arguments; empty where there is none.

    Raises:
        ValueError: a quote is left open.
    """
    if isinstance(section.command, str):
        return tuple(shlex.split(section.command))
    return tuple(section.command or ())
