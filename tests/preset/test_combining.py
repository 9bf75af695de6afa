"""Everything that cannot work together, each said with its key and what to do, all of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.preset.test_reading import problems_of, written
from tuitrain.preset import load_preset
from tuitrain.preset.chapters import CHAPTERS
from tuitrain.preset.combining import loss_name, loss_of, loss_values
from tuitrain.tasks.tables import DATASETS, MODELS
from tuitrain.techniques.losses import LOSSES
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.techniques.regularizers import REGULARIZERS

FULL = ("optimizer.name=lbfgs", "train.batch_size=full")

# Overrides of mnist-mlp (images, classes, an MLP) → what is said.
IMPOSSIBLE: list[tuple[tuple[str, ...], str]] = [
    # data and model
    (("task.dataset=spiral", "task.model=cnn"), 'task.model = "cnn" needs images, and spiral has none'),
    (("task.dataset=line", "task.model=resnet18"), 'task.model = "resnet18" needs images'),
    (("task.model=residual-mlp", "task.depth=5"), "task.depth = 5 is odd, and blocks have two layers. Try task.depth="),
    (("task.model=plain-mlp", "task.hidden=[]"), "task.hidden is empty"),
    (("task.model=residual-cnn", "task.channels=[]"), "task.channels is empty"),
    (("task.norm=instance",), 'task.norm = "instance" normalises each picture'),
    (("task.dropout_kind=spatial",), 'task.dropout_kind = "spatial" drops channels of a CNN'),
    (("task.model=resnet18", "task.norm=layer"), "task.norm does not act on resnet18"),
    (("task.model=resnet18", "task.activation=tanh"), "task.activation does not act on resnet18"),
    (("task.model=resnet18", "task.init=normal"), "task.init does not act on resnet18"),
    (("train.batch_size=1", "task.norm=batch"), "no variance to normalise a batch by"),
    (("train.batch_size=1", "task.model=resnet18"), "no variance to normalise a batch by"),
    (("task.num_train=4001",), "more than the 4000 of mnist-5k"),
    (("task.dataset=line", "task.label_noise=0.2", "train.batch_size=10"), "task.label_noise needs classes"),
    # loss
    (("task.loss=mse",), "is for regression, and mnist-5k is not. Try task.loss=cross-entropy or task.loss=bce"),
    (("task.dataset=lab-wave", "task.loss=focal"), 'task.loss = "focal" is for classification'),
    (("task.huber_delta=2.0",), "cross-entropy has no such hyper-parameter"),
    (("task.loss=focal", "task.focal_gamma=11"), "task.focal_gamma = 11.0 is not in 0 ≤ focal_gamma ≤ 10"),
    (("task.dataset=lab-wave", "task.loss=huber", "task.huber_delta=0"), "is not in 0 < huber_delta"),
    (("task.dataset=lab-wave", "task.class_weights=balanced"), "task.class_weights has no meaning for mse"),
    (("task.class_weights=[1, 2]",), "task.class_weights has 2 numbers, not 10"),
    # regularizers
    (("task.dataset=spiral", "regularize.cutout=2"), "regularize.cutout works on images, and spiral has none"),
    (("task.dataset=spiral", "regularize.cutmix=1"), "regularize.cutmix works on images"),
    (("task.dataset=lab-wave", "regularize.mixup=0.2"), "regularize.mixup needs classes"),
    (("task.dataset=lab-wave", "regularize.label_smoothing=0.2"), "regularize.label_smoothing needs classes"),
    (("task.loss=focal", "regularize.label_smoothing=0.2"), "no meaning for the focal loss"),
    (("task.model=linear", "regularize.dropout=0.2"), "works on hidden layers of our own models, and this linear"),
    (("task.model=resnet18", "regularize.dropout=0.2"), "works on hidden layers of our own models"),
    (("task.hidden=[]", "regularize.dropout=0.2"), "works on hidden layers of our own models, and this mlp has none"),
    (("task.model=cnn", "task.hidden=[]", "regularize.dropconnect=0.2"), "works on hidden affine maps, and a cnn"),
    (("task.model=plain-cnn", "regularize.dropconnect=0.2"), "works on hidden affine maps, and a plain-cnn"),
    (("regularize.stochastic_depth=0.2",), "skips residual blocks, and this mlp has none"),
    (("task.model=plain-mlp", "regularize.stochastic_depth=0.2"), "skips residual blocks, and this plain-mlp has none"),
    # averages and further predictions
    (("average.ema_decay=1.5",), "average.ema_decay = 1.5 should be less than 1. Try: average.ema_decay=0.995"),
    (("average.swa_from=621",), "average.swa_from = 621 is beyond step 620, the end. Try a share: "),
    (("average.swa_from=80", "train.steps=40"), "is beyond step 40, the end"),
    (("average.swa_every=5",), "average.swa_every needs a place where the mean begins"),
    (("average.snapshots=3",), 'and schedule.name = "constant" has none. Try schedule.name=sgdr'),
    (("average.snapshots=21",), "average.snapshots = 21 should be less than or equal to 20"),
    (("task.dataset=lab-wave", "eval.tta_shift=1"), "eval.tta_shift shifts pictures, and lab-wave has none"),
    (("task.preprocess=whiten", "eval.tta_shift=1"), "leaves no pixels"),
    (("task.model=autoencoder", "eval.tta_shift=1"), "not the one that an autoencoder shall give back"),
    (("eval.tta_shift=5",), "eval.tta_shift = 5 should be less than or equal to 4"),
    (("eval.mc_dropout=10",), "eval.mc_dropout draws with dropout on, and this model has none"),
    (("regularize.dropout=1.0",), "regularize.dropout = 1.0 is not in 0 ≤ dropout < 1. Try: regularize.dropout=0.0"),
    (("regularize.early_stopping=1.5",), "is not a whole number"),
    (("regularize.rotate=181",), "is not in 0 ≤ rotate ≤ 180"),
    (("optimizer.name=rprop", "regularize.weight_decay=0.1"), "regularize.weight_decay: rprop has none"),
    # optimizers
    (("task.model=linear", "optimizer.name=muon"), "works on hidden 2-D weights, and this linear has none"),
    (("task.model=cnn", "task.hidden=[]", "optimizer.name=muon"), "and this cnn has none"),
    (("task.model=residual-cnn", "optimizer.name=muon"), "and this residual-cnn has none"),
    (("task.model=resnet18", "optimizer.name=muon"), "and this resnet18 has none"),
    (("optimizer.name=rprop", "schedule.name=cosine"), "schedule.name does not act on rprop"),
    (("optimizer.name=rprop", "schedule.warmup=10"), "schedule.name does not act on rprop"),
    (("optimizer.name=schedule-free-sgd", "schedule.name=cosine"), 'schedule.name = "cosine" fights schedule-free-sgd'),
    (("optimizer.name=schedule-free-adamw", "optimizer.lookahead_steps=5"), "does not go with schedule-free-adamw"),
    ((*FULL, "optimizer.lookahead_steps=5"), "optimizer.lookahead_steps does not go with lbfgs"),
    (("optimizer.name=lbfgs",), "train.batch_size = 64: lbfgs compares losses, which needs all data. Try "),
    ((*FULL, "regularize.dropout=0.1"), "regularize.dropout draws at random, and lbfgs compares losses"),
    ((*FULL, "regularize.shift=2"), "regularize.shift draws at random"),
    ((*FULL, "regularize.weight_noise=0.1"), "regularize.weight_noise draws at random"),
    ((*FULL, "regularize.gradient_noise=0.1"), "regularize.gradient_noise draws at random"),
    ((*FULL, "regularize.l1=0.1"), "regularize.l1 changes gradients that lbfgs takes by itself"),
    ((*FULL, "regularize.gradient_clip=1"), "regularize.gradient_clip changes gradients"),
    ((*FULL, "optimizer.decay_only_weights=true"), "optimizer.decay_only_weights makes several groups"),
    ((*FULL, "optimizer.layer_decay=0.9"), "optimizer.layer_decay makes several groups"),
    (("optimizer.layer_decay=1.5",), "optimizer.layer_decay = 1.5 should be less than or equal to 1"),
    (("optimizer.lookahead_alpha=0",), "optimizer.lookahead_alpha = 0 should be greater than 0"),
    # schedules
    (("schedule.name=triangular",), "schedule.cycle: triangular needs it: steps of a cycle, up and down"),
    (("schedule.name=sgdr", "schedule.cycle=0.5"), "schedule.cycle = 0.5 is not in 1 ≤ cycle"),
    (("schedule.name=one-cycle", "schedule.rising_share=1.0"), "schedule.rising_share = 1.0 is not in"),
    (("schedule.name=plateau", "schedule.factor=1.0"), "schedule.factor = 1.0 is not in 0 < factor < 1"),
    (("schedule.name=wsd", "schedule.decay_shar=0.1"), 'Did you mean "decay_share"?'),
]


@pytest.mark.parametrize(("overrides", "said"), IMPOSSIBLE, ids=[" ".join(overrides) for overrides, _ in IMPOSSIBLE])
def test_what_cannot_work_together_is_said_once_and_alone(overrides: tuple[str, ...], said: str) -> None:
    """One problem, with its key and a way out."""
    problems = problems_of("mnist-mlp", *overrides)
    assert len(problems) == 1
    assert said in problems[0]


@pytest.mark.parametrize(
    "overrides",
    [
        (*FULL, "regularize.early_stopping=3", "regularize.label_smoothing=0.1"),
        ("optimizer.name=lbfgs", "train.batch_size=500", "task.num_train=500"),
        ("optimizer.name=schedule-free-adamw", "schedule.warmup=10"),
        ("optimizer.name=rprop", "regularize.l1=0.1"),
        ("task.model=cnn", "task.norm=instance", "task.dropout_kind=spatial", "regularize.dropout=0.2"),
        ("task.model=cnn", "task.hidden=[]", "regularize.dropout=0.2"),
        ("task.model=residual-cnn", "regularize.stochastic_depth=0.2", "task.depth=2"),
        ("task.model=residual-mlp", "optimizer.name=muon", "regularize.dropconnect=0.2"),
        ("task.dataset=spiral", "regularize.mixup=0.2", "task.num_train=100"),
        ("task.dataset=spiral", "regularize.cutout=0", "regularize.cutmix=0.0"),
        ("task.dataset=lab-wave", "task.loss=gaussian-nll"),
        ("task.dataset=lab-wave", "task.loss=huber", "task.huber_delta=2.0"),
        ("task.loss=bce", "task.class_weights=balanced", "regularize.label_smoothing=0.1"),
        ("task.loss=focal", "task.class_weights=[1, 1, 1, 1, 1, 1, 1, 1, 1, 2]"),
        ("task.model=resnet18", "regularize.flip=0.5"),
        ("optimizer.name=sam", "optimizer.rho=0.1", "optimizer.lookahead_steps=5", "schedule.name=one-cycle"),
    ],
    ids=" ".join,
)
def test_what_can_work_together_is_not_said(overrides: tuple[str, ...]) -> None:
    """The other side of each bound; 0 is off, whatever the task."""
    assert load_preset("mnist-mlp", overrides).name == "mnist-mlp"


def test_many_mistakes_of_every_section_come_in_one_error(tmp_path: Path) -> None:
    """Schema and tables, names and combinations, each under its key and with the nearest name."""
    path = written(
        tmp_path,
        'title = "t"\nchapter = "Optimisers"\n'
        '[task]\ndataset = "spiral"\nmodel = "residual-mlp"\ndepth = 3\nnorm = "bach"\ninit = "lsvu"\n'
        'activation = "rely"\ndropout_kind = "spatal"\npreprocess = "whitten"\nloss = "focl"\n'
        '[train]\nbatch_size = 10\nepochs = "many"\n'
        '[optimizer]\nname = "lbfgs"\nlookahead_steps = 5\nlayer_decay = 0.5\nmax_itr = 3\n'
        '[schedule]\nname = "one-cycle"\nrising_shar = 0.3\n'
        "[regularize]\nshift = 2\ndropuot = 0.2\nmixup = -1\n",
    )
    problems = problems_of(path)
    text = "\n".join(problems)
    for part in (
        'chapter = "Optimisers" is not known. Did you mean',
        "task.depth = 3 is odd",
        'task.norm = "bach" is not known. Did you mean "batch"?',
        'task.init = "lsvu" is not known. Did you mean "lsuv"?',
        'task.activation = "rely" is not known. Did you mean "relu"?',
        'task.dropout_kind = "spatal" is not known. Did you mean "spatial"?',
        'task.preprocess = "whitten" is not known. Did you mean "whiten"?',
        'task.loss = "focl" is not known. Did you mean "focal"?',
        'train.epochs = "many" is not a number',
        "train.batch_size = 10: lbfgs compares losses",
        "optimizer.lookahead_steps does not go with lbfgs",
        "optimizer.layer_decay makes several groups",
        'Did you mean "max_iter"?',
        'Did you mean "rising_share"?',
        "regularize.shift works on images",
        'Did you mean "dropout"?',
        "regularize.mixup = -1 is not in",
    ):
        assert part in text
    assert len(set(problems)) == len(problems)
    assert all(problem.startswith(f"{path}: ") for problem in problems)


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("task.dataset", DATASETS), ("task.model", MODELS), ("task.loss", LOSSES), ("optimizer.name", OPTIMIZERS),
    ],
)  # fmt: skip
def test_a_name_with_a_letter_missing_finds_its_way(key: str, names: dict[str, object]) -> None:
    """Every name of the tables."""
    for name in names:
        wrong = name[:-1]
        if wrong not in names and len(wrong) > 3:
            problems = problems_of("mnist-mlp", f'{key}="{wrong}"')
            assert any(f"{key} = " in problem and "Did you mean" in problem for problem in problems), name


@pytest.mark.parametrize("name", list(REGULARIZERS))
def test_a_text_is_no_strength(name: str) -> None:
    """Of any regularizer."""
    assert f'regularize.{name} = "much" is not a number' in problems_of("mnist-mlp", f"regularize.{name}=much")[0]


def test_the_loss_of_a_preset_is_that_of_its_task_unless_it_is_named() -> None:
    """With the hyper-parameters that are given."""
    preset = load_preset("mnist-mlp", ["task.loss=focal", "task.focal_gamma=1.5"])
    assert (loss_name(preset, DATASETS["mnist-5k"]), loss_values(preset)) == ("focal", {"focal_gamma": 1.5})
    plain = load_preset("mnist-mlp")
    assert loss_name(plain, DATASETS["mnist-5k"]) == "cross-entropy"
    assert loss_name(plain, DATASETS["lab-wave"]) == "mse"
    assert loss_of(plain, DATASETS["line"]) is LOSSES["mse"]


def test_every_chapter_is_allowed() -> None:
    """And each is one of the table."""
    for chapter in CHAPTERS:
        assert load_preset("mnist-mlp", [f'chapter="{chapter}"']).chapter == chapter
