"""Every model of the table, with every activation, norm, dropout and initialisation that it takes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.tasks.building import make_model
from tuitrain.tasks.build.layers import DROPOUTS, ChannelRMSNorm, GaussianDropout, dropout_module
from tuitrain.tasks.build.models import set_stochastic
from tuitrain.tasks.build.residual import Block
from tuitrain.tasks.tables import ACTIVATIONS, DROPOUT_KINDS, INITIALIZATIONS, MODELS, NORMS, dataset_spec

OWN = [name for name, spec in MODELS.items() if spec.source == "own" and not spec.needs_text]
HIDDEN = [name for name in OWN if name != "linear"]
SMALL: dict[str, Any] = {"hidden": (16,), "channels": (8, 4), "depth": 4}


def inputs(dataset: str, count: int = 8) -> Tensor:
    return torch.randn(count, *dataset_spec(dataset).input_shape, generator=torch.Generator().manual_seed(2))


def assert_it_trains(model: nn.Module, x: Tensor, num_outputs: int) -> None:
    """Finite outputs of the right shape, and a finite gradient for every parameter."""
    outputs = model(x)
    assert outputs.shape == (len(x), num_outputs)
    functional.cross_entropy(outputs, torch.zeros(len(x), dtype=torch.long)).backward()  # type: ignore[no-untyped-call]
    assert outputs.isfinite().all()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        (name, dataset)
        for name, dataset in itertools.product(OWN, ["digits", "mnist-5k", "spiral"])
        if dataset != "spiral" or not MODELS[name].needs_image
    ],
)
def test_a_model_fits_each_dataset_that_suits_it(name: str, dataset: str) -> None:
    """As in a preset without further words."""
    assert_it_trains(make_model(dataset, name, depth=4), inputs(dataset), dataset_spec(dataset).num_outputs)


@pytest.mark.parametrize(
    ("name", "norm"),
    [(name, norm) for name, norm in itertools.product(HIDDEN, NORMS) if norm != "instance" or MODELS[name].needs_image],
)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_model_takes_every_activation_and_norm(name: str, activation: str, norm: str) -> None:
    """Forward and backward, finite. Instance norm is for pictures."""
    model = make_model("digits", name, activation=activation, norm=norm, **SMALL)
    assert_it_trains(model, inputs("digits"), 10)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name, kind in itertools.product(HIDDEN, DROPOUT_KINDS)
        if kind != "spatial" or MODELS[name].needs_image
    ],
)
def test_every_kind_of_dropout_acts_in_training_alone(name: str, kind: str) -> None:
    """Two passes differ in training, none in evaluation; at 0 none differs."""
    model, x = make_model("digits", name, dropout=0.5, dropout_kind=kind, **SMALL), inputs("digits")
    assert not torch.equal(model(x), model(x))
    assert set_stochastic(model, "dropout", 0.0) > 0
    assert torch.equal(model(x), model(x))
    set_stochastic(model, "dropout", 0.5)
    model.eval()
    assert torch.equal(model(x), model(x))


@pytest.mark.parametrize("kind", DROPOUT_KINDS)
@pytest.mark.parametrize("p", [0.2, 0.5])
def test_dropout_keeps_the_mean_of_what_it_drops(kind: str, p: float) -> None:
    """What is left is scaled up in training; p is the share that is dropped, and evaluation leaves all as it is."""
    torch.manual_seed(0)
    x = torch.randn(400, 50, 8, 8) if kind == "spatial" else torch.randn(400, 3200)
    module = dropout_module(kind, p, is_image=kind == "spatial")
    if kind != "alpha":  # which keeps mean and variance of values around 0
        x = x + 2.0
    dropped = module(x)
    assert dropped.mean().item() == pytest.approx(x.mean().item(), rel=0.02, abs=0.01)
    if kind == "gaussian":
        ratio = dropped / x
        assert ratio.std().item() == pytest.approx((p / (1 - p)) ** 0.5, rel=0.02)
    elif kind == "alpha":
        assert dropped.std().item() == pytest.approx(1.0, rel=0.02)
    else:
        assert (dropped == 0).float().mean().item() == pytest.approx(p, abs=0.02)
    if kind == "spatial":
        whole = (dropped == 0).flatten(2)
        assert torch.equal(whole.any(2), whole.all(2))
    module.eval()
    assert torch.equal(module(x), x)


def test_spatial_dropout_stands_after_every_convolution() -> None:
    """And the usual one within the affine layers."""
    model = make_model("digits", "cnn", dropout_kind="spatial", dropout=0.3)
    kinds = [type(module) for module in model.modules() if isinstance(module, DROPOUTS)]
    assert kinds == [nn.Dropout2d, nn.Dropout2d, nn.Dropout]
    assert isinstance(dropout_module("gaussian", 0.1), GaussianDropout)


def test_dropconnect_drops_weights_a_mask_a_batch_and_scales_up_the_rest() -> None:
    """All samples of a batch see one mask; the mean over many masks is the whole weight; the last map has none."""
    model = make_model("digits", "mlp", dropconnect=0.4, activation="identity", hidden=(8,))
    weight, bias = model.get_parameter("lin_1.weight"), model.get_parameter("lin_1.bias")
    hidden, x = model.get_submodule("lin_1"), inputs("digits", 1).flatten(1).repeat(2, 1)
    one = hidden(x)
    assert torch.equal(one[0], one[1])
    with torch.no_grad():
        mean = torch.stack([hidden(x)[0] for _ in range(3000)]).mean(0)
    model.eval()
    whole = hidden(x)[0]
    assert (mean - whole).abs().max() < 0.15 * whole.abs().max()
    assert torch.equal(hidden(x), functional.linear(x, weight, bias))
    assert set_stochastic(model, "dropconnect", 0.0) == 1
    model.train()
    assert torch.equal(hidden(x)[0], whole)


def test_stochastic_depth_skips_later_blocks_more_often_and_scales_up_the_rest() -> None:
    """Block l of L is skipped for a share p · l/L of the samples; live changes keep the proportion."""
    model = make_model("digits", "residual-mlp", stochastic_depth=0.8, hidden=(8,), depth=8)
    blocks = [module for module in model.children() if isinstance(module, Block)]
    x = torch.ones(4000, 8)
    for value in (0.8, 0.4):
        set_stochastic(model, "stochastic_depth", value)
        for number, block in enumerate(blocks, start=1):
            share = value * number / 4
            block.train()
            added = block(x) - x
            is_skipped = (added == 0).all(1)
            assert is_skipped.float().mean().item() == pytest.approx(share, abs=0.03)
            block.eval()
            whole = block(x) - x
            torch.testing.assert_close(added[~is_skipped], (whole / (1 - share))[~is_skipped], atol=1e-4, rtol=1e-4)
    assert set_stochastic(make_model("digits", "plain-mlp", **SMALL), "stochastic_depth", 0.5) == 0


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_residual_network_and_its_plain_twin_have_the_same_layers(kind: str, norm: str) -> None:
    """Names, shapes and first weights, but for the last map of each block; only one adds its input."""
    residual, plain = (make_model("digits", f"{name}-{kind}", norm=norm, **SMALL) for name in ("residual", "plain"))
    mine, theirs = dict(residual.named_parameters()), dict(plain.named_parameters())
    assert {name: tensor.shape for name, tensor in mine.items()} == {
        name: tensor.shape for name, tensor in theirs.items()
    }
    for name, tensor in mine.items():
        scale = 2**-0.5 if name.startswith("block") and name.endswith("_2.weight") and "norm" not in name else 1.0
        torch.testing.assert_close(tensor, theirs[name] * scale)
    for parameter in (*mine.values(), *theirs.values()):
        if parameter.ndim >= 2:
            nn.init.zeros_(parameter)
    block, other = residual.get_submodule("block_1"), plain.get_submodule("block_1")
    x = torch.randn(3, 8, 8, 8) if kind == "cnn" else torch.randn(3, 16)
    assert torch.equal(block(x), x)
    assert not other(x).any()


@pytest.mark.parametrize("depth", [2, 4, 10])
def test_a_network_of_any_depth_has_that_many_hidden_layers(depth: int) -> None:
    """In blocks of two, between the first map and the last."""
    for name in ("residual-mlp", "plain-cnn"):
        model = make_model("digits", name, depth=depth, hidden=(8,), channels=(4,))
        maps = [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
        assert len(maps) == depth + 2


def test_a_deep_linear_network_is_one_matrix() -> None:
    """What its layers do, one affine map does as well."""
    model = make_model("digits", "deep-linear", hidden=(32, 16)).double()
    x = inputs("digits", 20).double()
    rows = torch.eye(64, dtype=torch.float64).reshape(64, 1, 8, 8)
    offset = model(torch.zeros(1, 1, 8, 8, dtype=torch.float64))
    matrix = model(rows) - offset
    torch.testing.assert_close(model(x), x.flatten(1) @ matrix + offset)
    assert torch.linalg.matrix_rank(matrix) == 10


@pytest.mark.parametrize("dataset", ["mnist-5k", "digits", "cifar10"])
def test_resnet18_is_fitted_to_small_pictures(dataset: str) -> None:
    """3×3 without stride or pooling, the channels of the data, its number of classes."""
    torch.set_num_threads(1)
    model: Any = make_model(dataset, "resnet18")
    spec = dataset_spec(dataset)
    assert (model.conv1.kernel_size, model.conv1.stride, model.conv1.in_channels) == (
        (3, 3),
        (1, 1),
        spec.input_shape[0],
    )
    assert isinstance(model.maxpool, nn.Identity)
    assert 11e6 < sum(parameter.numel() for parameter in model.parameters()) < 11.5e6
    if dataset != "cifar10":
        assert_it_trains(model, inputs(dataset, 2), 10)


@pytest.mark.parametrize("name", ["resnet34", "resnet50"])
def test_the_larger_networks_build(name: str) -> None:
    """Their first map fitted, their last of ten classes."""
    model: Any = make_model("mnist-5k", name)
    assert model.conv1.in_channels == 1
    assert model.fc.out_features == 10


def test_the_rms_norm_of_a_picture_is_that_of_torch_at_each_place() -> None:
    """nn.RMSNorm over the channels, last."""
    x = torch.randn(2, 6, 4, 4)
    mine, theirs = ChannelRMSNorm(6), nn.RMSNorm(6, eps=1e-6)
    torch.testing.assert_close(mine(x), theirs(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


# ---- first weights


@pytest.mark.parametrize("init", INITIALIZATIONS)
@pytest.mark.parametrize("name", ["mlp", "cnn", "residual-mlp", "residual-cnn"])
def test_every_initialisation_gives_a_network_that_trains(name: str, init: str) -> None:
    """Biases 0 but for torch's own; the same seed gives the same weights."""
    model = make_model("digits", name, init=init, **SMALL)
    assert_it_trains(model, inputs("digits"), 10)
    again = make_model("digits", name, init=init, **SMALL)
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), again.parameters(), strict=True))
    biases = [module.bias for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    assert all((int(bias.count_nonzero()) == 0) == (init != "torch") for bias in biases if bias is not None)


def test_lsuv_gives_every_layer_unit_variance_on_data() -> None:
    """On the batch that it looked at, whatever the depth; in eval mode, with dropout or without."""
    from tuitrain.tasks.build.models import ModelOptions, build_model

    torch.manual_seed(0)
    batch = 3.0 * torch.randn(256, 1, 8, 8) + 1.0
    options = ModelOptions(name="mlp", hidden=(64, 64, 64, 64), init="lsuv", dropout=0.5, activation="tanh")
    model = build_model(options, dataset_spec("digits"), 10, batch)
    assert model.training
    model.eval()
    x = batch
    for layer in model.children():
        x = layer(x)
        if isinstance(layer, nn.Linear):
            assert x.var().item() == pytest.approx(1.0, abs=0.12)
    assert not any(module._forward_hooks for module in model.modules())


def test_an_orthogonal_initialisation_keeps_lengths() -> None:
    """Rows of a wide matrix are orthonormal."""
    weight = make_model("digits", "mlp", init="orthogonal", hidden=(32,)).get_parameter("lin_1.weight")
    torch.testing.assert_close(weight @ weight.t(), torch.eye(32), atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("std", [0.01, 0.3])
def test_normal_has_the_deviation_that_is_asked_for(std: float) -> None:
    """In every layer."""
    model = make_model("mnist-5k", "mlp", init="normal", init_std=std, hidden=(64, 64))
    for number in (1, 2):
        assert model.get_parameter(f"lin_{number}.weight").std().item() == pytest.approx(std, rel=0.05)
