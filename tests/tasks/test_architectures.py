"""The networks of torchvision on small pictures, the autoencoder, and the poolings of a CNN."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.preset.test_reading import problems_of
from tests.tasks.building import make_model
from tests.training.harness import build, finish, told, weights
from tuitrain.preset import load_preset
from tuitrain.protocol.events import HyperparameterChanged, RunStarted
from tuitrain.tasks.build.models import set_stochastic
from tuitrain.tasks.build.pooling import FractionalMaxPool, pooling_module
from tuitrain.tasks.tables import MODELS, POOLINGS, dataset_spec, pooled_side
from tuitrain.training.state import captured

FITTED = [name for name, spec in MODELS.items() if spec.smallest_side]
QUICK = ("mobilenet-v2", "mobilenet-v3-small")
FEW = ("task.dataset=digits", "task.num_train=32", "train.batch_size=4", "eval.max_batches=1", "eval.batch_size=8")


@pytest.mark.parametrize("name", [name for name in FITTED if not name.startswith("vgg") or name == "vgg11"])
def test_a_network_is_fitted_to_small_pictures(name: str) -> None:
    """One channel, 28×28 pixels scaled up to the least that it takes, ten outputs, a gradient for every parameter."""
    torch.set_num_threads(1)
    spec = MODELS[name]
    model = make_model("mnist-5k", name, dropout=spec.dropout)
    x = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    scaled = model.get_submodule("scale_up")(x)
    assert scaled.shape == (2, 1, spec.smallest_side, spec.smallest_side)
    outputs = model(x)
    assert outputs.shape == (2, 10)
    functional.cross_entropy(outputs, torch.tensor([3, 4])).backward()  # type: ignore[no-untyped-call]
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    num_millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert f"{num_millions:.0f} M parameters" in spec.summary
    assert any(isinstance(module, nn.BatchNorm2d) for module in model.modules()) == spec.has_batch_norm
    dropouts = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]
    assert bool(dropouts) == bool(spec.dropout)
    assert set(dropouts) <= {spec.dropout}


@pytest.mark.parametrize("name", QUICK)
def test_large_pictures_are_left_as_they_are(name: str) -> None:
    """CIFAR's 32 pixels and three channels are what it takes: nothing is scaled, nothing replaced."""
    model = make_model("cifar10", name)
    assert [child for child, _ in model.named_children()] == ["net"]
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    assert first.in_channels == 3


def test_one_pixel_is_as_good_as_its_copies() -> None:
    """What AlexNet gives for the pixel that is left, with one column a channel, it gives for copies with 36 columns."""
    torch.manual_seed(0)
    pixel, wide = torch.randn(2, 5, 1, 1), nn.Linear(5 * 36, 7)
    copies = nn.AdaptiveAvgPool2d(6)(pixel).flatten(1)
    narrow = functional.linear(pixel.flatten(1), wide.weight.reshape(7, 5, 36).sum(2), wide.bias)
    torch.testing.assert_close(wide(copies), narrow)


@pytest.mark.parametrize("name", ["googlenet", "mobilenet-v2"])
def test_dropout_of_the_paper_acts_where_it_is_left_open(name: str) -> None:
    """It is what the run says, and changes live; 0 in the preset switches it off."""
    plain = told(*FEW, f"task.model={name}", "train.steps=2",
                 moments=[{"at_step": 1, "do": "set_hyperparameter", "name": "dropout", "value": 0.4}])  # fmt: skip
    assert plain.all(RunStarted)[0].regularizers["dropout"] == MODELS[name].dropout == 0.2
    assert plain.all(HyperparameterChanged)[0].regularizers["dropout"] == 0.4
    model = plain.trainer.task.model
    assert {module.p for module in model.modules() if isinstance(module, nn.Dropout)} == {0.4}
    off = build(*FEW, f"task.model={name}", "regularize.dropout=0")
    assert {module.p for module in off.task.model.modules() if isinstance(module, nn.Dropout)} == {0.0}
    assert set_stochastic(off.task.model, "dropout", 0.1) > 0


def test_a_network_learns_its_few_pictures_by_heart() -> None:
    """Eight digits, fifteen steps: the last loss is well below the first."""
    result = told(*FEW, "task.model=mobilenet-v3-small", "task.num_train=8", "train.batch_size=8", "train.steps=15",
                  "regularize.dropout=0", "optimizer.name=adam", "optimizer.lr=0.003")  # fmt: skip
    assert result.losses[-1] < 0.5 * result.losses[0]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("task.model=alexnet", "task.norm=batch"), "task.norm does not act on alexnet, which has its own"),
        (("task.model=densenet121", "regularize.dropout=0.2"), "works on hidden layers of our own models"),
        (("task.model=vgg11", "regularize.dropconnect=0.2"), "works on hidden layers of our own models"),
        (("task.model=googlenet", "train.batch_size=1"), "no variance to normalise a batch by"),
        (("task.model=alexnet", "optimizer.name=lbfgs", "train.batch_size=full"), "dropout is 0.5 in alexnet"),
        (("task.model=vgg", ), 'Did you mean "vgg'),
        (("task.pooling=average",), 'task.pooling acts on a "cnn", and not on mlp. Leave it out'),
        (("task.model=cnn", "task.pooling=fraction"), 'Did you mean "fractional"'),
        (("task.model=cnn", "task.pooling=fractional", "optimizer.name=lbfgs", "train.batch_size=full"),
         'task.pooling = "fractional" draws at random, and lbfgs compares losses'),
        (("task.model=autoencoder", "task.hidden=[]"), "task.hidden is empty"),
        (("task.model=autoencoder", "task.loss=bce"), 'task.loss = "bce" is for classification'),
        (("task.model=autoencoder", "regularize.mixup=0.2"), "regularize.mixup needs classes"),
        (("task.model=autoencoder", "regularize.shift=2"), "changes the picture, and not the one that"),
        (("task.model=autoencoder", "task.label_noise=0.2"), "task.label_noise needs classes"),
        (("optimizer.name=schedule-free-sgd", "regularize.max_norm=1"), "moves weights that schedule-free-sgd"),
        (("optimizer.name=lbfgs", "train.batch_size=full", "regularize.max_norm=1"), "weights that lbfgs remembers"),
        (("task.dataset=spiral", "regularize.trivial_augment=1"), "regularize.trivial_augment works on images"),
        (("task.dataset=spiral", "regularize.color_jitter=0.5"), "regularize.color_jitter works on images"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_said_before_the_start(overrides: tuple[str, ...], said: str) -> None:
    """One problem each."""
    problems = problems_of("mnist-mlp", *overrides)
    assert len(problems) == 1, problems
    assert said in problems[0]


@pytest.mark.parametrize("overrides", [("task.model=alexnet", "train.batch_size=1"), ("task.model=vgg16",)])
def test_what_has_no_batch_norm_takes_one_sample(overrides: tuple[str, ...]) -> None:
    """And dropout is its own."""
    assert load_preset("mnist-mlp", [*overrides, "regularize.dropout=0.3"]).regularize.values["dropout"] == 0.3


# ---- the autoencoder


@pytest.mark.parametrize("dataset", ["digits", "spiral", "line"])
def test_an_autoencoder_learns_its_inputs(dataset: str) -> None:
    """As the model sees them, of pictures and of numbers, whatever their targets are."""
    trainer = build(f"task.dataset={dataset}", "task.model=autoencoder", "task.hidden=[8, 2, 8]", "train.batch_size=16")
    for split in (trainer.task.train, trainer.task.validation):
        assert torch.equal(split.y, split.x.flatten(1))
    assert trainer.task.kind == "regression"
    result = finish(trainer)
    assert set(result.ended.last) & {"eval/loss", "eval/accuracy"} == {"eval/loss"}
    assert result.all(RunStarted)[0].loss == "mse"


def test_an_autoencoder_can_learn_to_take_noise_off() -> None:
    """The noise is on the inputs alone."""
    trainer = build("task.dataset=digits", "task.model=autoencoder", "regularize.input_noise=0.5")
    x, y = trainer.batches.next()
    assert (x.flatten(1) - y).std().item() == pytest.approx(0.5, rel=0.05)


# ---- pooling


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("dataset", ["digits", "mnist-5k"])
def test_every_pooling_fits_any_number_of_convolutions(pooling: str, dataset: str) -> None:
    """Until one pixel is left."""
    model = make_model(dataset, "cnn", pooling=pooling, channels=(4, 4, 4, 4, 4, 4))
    x = torch.randn(2, *dataset_spec(dataset).input_shape)
    assert model(x).shape == (2, 10)


@pytest.mark.parametrize("side", range(2, 30))
def test_the_side_that_is_computed_is_the_side_that_is_pooled(side: int) -> None:
    """The shapes are known before there is a model."""
    for pooling in POOLINGS:
        assert pooling_module(pooling)(torch.zeros(1, 1, side, side)).shape[-1] == pooled_side(side, pooling)


def test_fractional_pooling_draws_in_training_and_never_in_evaluation() -> None:
    """One loss for one model; the random state is not touched; channels of a sample share their regions."""
    pool, x = FractionalMaxPool(), torch.randn(4, 3, 12, 12)
    x[:, 1] = x[:, 0]
    one, two = pool(x), pool(x)
    assert not torch.equal(one, two)
    assert torch.equal(one[:, 0], one[:, 1])
    assert not torch.equal(pool(x[:1].expand(2, -1, -1, -1))[0], pool(x[:1].expand(2, -1, -1, -1))[1])
    pool.eval()
    state = torch.get_rng_state()
    assert torch.equal(pool(x), pool(x))
    assert torch.equal(torch.get_rng_state(), state)
    regions = functional.fractional_max_pool2d(x, 2, output_size=8, _random_samples=torch.full((4, 3, 2), 0.5))
    assert torch.equal(pool(x), regions)


def test_a_run_with_fractional_pooling_goes_on_bit_for_bit() -> None:
    """Its draws are torch's own, which are part of a state; the run knows that its loss is random."""
    overrides = ("task.dataset=digits", "task.model=cnn", "task.pooling=fractional", "train.steps=8")
    whole = told(*overrides)
    first = build(*overrides, "train.steps=4")
    finish(first)
    assert first.regularization.is_random
    state = captured(first)
    state["total_steps"] = 8
    rest = finish(build(*overrides, state=state))
    assert rest.losses == whole.losses[4:]


# ---- max-norm


@pytest.mark.parametrize("bound", [0.2, 1.0])
def test_max_norm_bounds_every_row_after_every_step(bound: float) -> None:
    """Of maps and of filters; rows within the ball are left alone, biases too."""
    result = told("task.dataset=digits", "task.model=cnn", f"regularize.max_norm={bound}", "train.steps=5")
    norms = torch.cat([weight.flatten(1).norm(dim=1) for weight in weights(result.trainer) if weight.ndim >= 2])
    assert norms.max() <= bound * (1 + 1e-5)
    assert norms.max() > 0.99 * bound
    free = told("task.dataset=digits", "task.model=cnn", "train.steps=5")
    assert max(weight.flatten(1).norm(dim=1).max().item() for weight in weights(free.trainer) if weight.ndim >= 2) > 1.0


def test_max_norm_goes_back_with_a_run() -> None:
    """Changed live, its bound is in the state; the weights are on the ball from the step after."""
    moments = [{"at_step": 3, "do": "set_hyperparameter", "name": "max_norm", "value": 0.3}]
    first = build("train.steps=6", moments=moments)
    finish(first)
    state: Any = captured(first)
    state["total_steps"] = 8
    rest = finish(build("train.steps=8", state=state))
    assert rest.losses == told("train.steps=8", moments=moments).losses[6:]
    assert weights(rest.trainer)[0].norm(dim=1).max().item() == pytest.approx(0.3, rel=1e-4)
    assert math.isfinite(rest.losses[-1])
