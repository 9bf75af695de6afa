"""The datasets and models that a preset may name, as specs without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from tuitrain.errors import UnknownNameError


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """One dataset."""

    name: str
    summary: str
    kind: Literal["classification", "regression", "surface"]
    input_shape: tuple[int, ...]
    """Shape of one sample, channels first for images."""
    num_outputs: int
    """Classes, or regression targets."""
    num_train: int
    num_validation: int
    source: Literal["embedded", "synthetic", "torchvision", "own", "python"]
    """python: it comes with Python itself."""
    is_image: bool = False
    has_stratified_subsets: bool = False
    """Whether a part of the training samples holds the same number of each class, drawn, not the first so many."""
    is_text: bool = False
    """Whether a sample is a window of characters, and its targets the characters that follow each of them."""
    is_reconstruction: bool = False
    """Whether the targets are the inputs, as an autoencoder learns them."""
    smallest_class: int = 0
    """Samples of the rarest class among all that cross-validation cuts; 0 where there are no classes, or no samples."""
    is_validated_apart: bool = False
    """Whether the validation data are of another kind than the training data: an official test part, or the truth
    without noise. Cross-validation cuts the training data alone then, and never looks at them."""
    class_names: tuple[str, ...] = ()
    """Of one's own data: what class 0, 1, … is called. Empty: the numbers are the names."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One model."""

    name: str
    summary: str
    needs_image: bool = False
    needs_text: bool = False
    is_deep: bool = False
    """Whether it is built of blocks of two layers, `depth` in all."""
    has_hidden: bool = True
    """Whether it has hidden layers of our own, which dropout can act on."""
    source: Literal["own", "torchvision", "surface"] = "own"
    """surface: no net at all."""
    smallest_side: int = 0
    """Pixels to which smaller pictures are scaled up in front of it; 0 takes them as they are."""
    dropout: float = 0.0
    """Of its own paper, which acts where regularize.dropout is left out; 0 for one that has none of its own."""
    has_batch_norm: bool = False
    """Whether it always has it, whatever task.norm says."""
    paper: str = ""


DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            name="mnist-5k", summary="5 000 handwritten digits of MNIST, embedded", kind="classification",
            input_shape=(1, 28, 28), num_outputs=10, num_train=4000, num_validation=1000, source="embedded",
            smallest_class=500,
            is_image=True,
        ),
        DatasetSpec(
            name="digits", summary="1 797 digits of 8×8 pixels (UCI), embedded", kind="classification",
            input_shape=(1, 8, 8), num_outputs=10, num_train=1000, num_validation=797, source="embedded",
            smallest_class=174,
            is_image=True,
        ),
        DatasetSpec(
            name="mnist-14", summary="mnist-5k at half its size: where transfer begins", kind="classification",
            input_shape=(1, 14, 14), num_outputs=10, num_train=4000, num_validation=1000, source="embedded",
            smallest_class=500,
            is_image=True,
        ),
        DatasetSpec(
            name="digits-14", summary="digits enlarged to 14×14: a near target of transfer", kind="classification",
            input_shape=(1, 14, 14), num_outputs=10, num_train=1000, num_validation=797, source="embedded",
            smallest_class=174,
            is_image=True, has_stratified_subsets=True,
        ),
        DatasetSpec(
            name="textures", summary="fine stripes in ten directions, 14×14: a far target of transfer",
            kind="classification", input_shape=(1, 14, 14), num_outputs=10, num_train=1000, num_validation=1000,
            source="synthetic", smallest_class=200, is_image=True, has_stratified_subsets=True,
        ),
        DatasetSpec(
            name="line", summary="y = 2x + 1 with noise; its least-squares loss is 1.115", kind="regression",
            input_shape=(1,), num_outputs=1, num_train=100, num_validation=100, source="synthetic",
        ),
        DatasetSpec(
            name="line-outliers", summary="y = 2x + 1 with noise, and one point in ten moved up by 20",
            kind="regression", input_shape=(1,), num_outputs=1, num_train=100, num_validation=100, source="synthetic",
            is_validated_apart=True,
        ),
        DatasetSpec(
            name="spiral", summary="two intertwined spirals", kind="classification",
            input_shape=(2,), num_outputs=2, num_train=400, num_validation=400, source="synthetic", smallest_class=400,
        ),
        DatasetSpec(
            name="moons", summary="two half moons that reach into each other, with noise", kind="classification",
            input_shape=(2,), num_outputs=2, num_train=400, num_validation=400, source="synthetic", smallest_class=400,
        ),
        DatasetSpec(
            name="sine-25", summary="25 noisy points of a sine; validated on the sine itself, without noise",
            kind="regression", input_shape=(1,), num_outputs=1, num_train=25, num_validation=200, source="synthetic",
            is_validated_apart=True,
        ),
        DatasetSpec(
            name="english", summary="the help texts of this Python, 460 000 characters: other ones in another version",
            kind="classification", input_shape=(64,), num_outputs=96, num_train=418_255, num_validation=726,
            source="python", is_text=True,
        ),
        DatasetSpec(
            name="lab-wave", summary="y = exp(−x²) cos(10x) + 0.03 ε, x in (−3, 3)", kind="regression",
            input_shape=(1,), num_outputs=1, num_train=10000, num_validation=2000, source="synthetic",
        ),
        DatasetSpec(
            name="surface", summary="no data: a function of one or two coordinates, named in [surface]", kind="surface",
            input_shape=(1,), num_outputs=1, num_train=1, num_validation=1, source="synthetic",
        ),
        DatasetSpec(
            name="mnist", summary="all of MNIST, through torchvision", kind="classification",
            input_shape=(1, 28, 28), num_outputs=10, num_train=60000, num_validation=10000, source="torchvision",
            smallest_class=5421, is_validated_apart=True,
            is_image=True,
        ),
        DatasetSpec(
            name="fashion-mnist", summary="all of Fashion-MNIST, through torchvision", kind="classification",
            input_shape=(1, 28, 28), num_outputs=10, num_train=60000, num_validation=10000, source="torchvision",
            smallest_class=6000, is_validated_apart=True,
            is_image=True,
        ),
        DatasetSpec(
            name="cifar10", summary="all of CIFAR-10, through torchvision", kind="classification",
            input_shape=(3, 32, 32), num_outputs=10, num_train=50000, num_validation=10000, source="torchvision",
            smallest_class=5000, is_validated_apart=True,
            is_image=True,
        ),
    )
}  # fmt: skip

MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(name="linear", summary="one affine map", has_hidden=False),
        ModelSpec(name="deep-linear", summary="affine maps with nothing between them: no more than one of them can do"),
        ModelSpec(name="mlp", summary="affine maps with an activation between them"),
        ModelSpec(name="cnn", summary="3×3 convolutions, each with pooling, then affine maps", needs_image=True),
        ModelSpec(name="residual-mlp", summary="an MLP of any depth with a skip around every two layers", is_deep=True,
                  paper="He et al. 2016"),
        ModelSpec(name="plain-mlp", summary="the same layers without the skips", is_deep=True),
        ModelSpec(name="residual-cnn", summary="a CNN of any depth with a skip around every two layers",
                  needs_image=True, is_deep=True, paper="He et al. 2016"),
        ModelSpec(name="plain-cnn", summary="the same layers without the skips", needs_image=True, is_deep=True),
        ModelSpec(name="surface", summary="a point on a surface: its coordinates are all that is trained",
                  has_hidden=False, source="surface"),
        ModelSpec(name="resnet18", summary="torchvision's, 11 M parameters", needs_image=True, has_hidden=False,
                  source="torchvision", has_batch_norm=True, paper="He et al. 2016"),
        ModelSpec(name="resnet34", summary="torchvision's, 21 M parameters", needs_image=True, has_hidden=False,
                  source="torchvision", has_batch_norm=True, paper="He et al. 2016"),
        ModelSpec(name="resnet50", summary="torchvision's, 24 M parameters", needs_image=True, has_hidden=False,
                  source="torchvision", has_batch_norm=True, paper="He et al. 2016"),
        ModelSpec(name="alexnet", summary="torchvision's, 20 M parameters; pictures scaled up to 64 pixels",
                  needs_image=True, has_hidden=False, source="torchvision", smallest_side=64, dropout=0.5,
                  paper="Krizhevsky et al. 2012; as one tower: Krizhevsky 2014"),
        ModelSpec(name="vgg11", summary="torchvision's, 28 M parameters; pictures scaled up to 32 pixels",
                  needs_image=True, has_hidden=False, source="torchvision", smallest_side=32, dropout=0.5,
                  paper="Simonyan & Zisserman 2015"),
        ModelSpec(name="vgg11-bn", summary="the same with batch norm, which it needs to begin at a higher rate",
                  needs_image=True, has_hidden=False, source="torchvision", smallest_side=32, dropout=0.5,
                  has_batch_norm=True, paper="Simonyan & Zisserman 2015; Ioffe & Szegedy 2015"),
        ModelSpec(name="vgg16", summary="torchvision's, 34 M parameters; pictures scaled up to 32 pixels",
                  needs_image=True, has_hidden=False, source="torchvision", smallest_side=32, dropout=0.5,
                  paper="Simonyan & Zisserman 2015"),
        ModelSpec(name="googlenet", summary="torchvision's, 6 M parameters, without the losses on its way; pictures "
                  "scaled up to 32 pixels", needs_image=True, has_hidden=False, source="torchvision",
                  smallest_side=32, dropout=0.2, has_batch_norm=True, paper="Szegedy et al. 2015"),
        ModelSpec(name="densenet121", summary="torchvision's, 7 M parameters; pictures scaled up to 32 pixels",
                  needs_image=True, has_hidden=False, source="torchvision", smallest_side=32, has_batch_norm=True,
                  paper="Huang et al. 2017"),
        ModelSpec(name="mobilenet-v2", summary="torchvision's, 2 M parameters; pictures scaled up to 32 pixels",
                  needs_image=True, has_hidden=False, source="torchvision", smallest_side=32, dropout=0.2,
                  has_batch_norm=True, paper="Sandler et al. 2018"),
        ModelSpec(name="mobilenet-v3-small", summary="torchvision's, 2 M parameters; pictures scaled up to 32 pixels",
                  needs_image=True, has_hidden=False, source="torchvision", smallest_side=32, dropout=0.2,
                  has_batch_norm=True, paper="Howard et al. 2019"),
        ModelSpec(name="autoencoder", summary="an MLP that learns its own input, through the narrowest of its layers",
                  paper="Hinton & Salakhutdinov 2006"),
        ModelSpec(name="lstm", summary="recurrent layers over characters, each window from a state of zeros",
                  needs_text=True, paper="Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000"),
        ModelSpec(name="char-transformer", summary="a causal Transformer over characters, norm first, as GPT-2",
                  needs_text=True, paper="Vaswani et al. 2017; Radford et al. 2019"),
    )
}  # fmt: skip

ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "silu", "leaky-relu", "identity")
INITIALIZATIONS = ("he", "xavier", "torch", "orthogonal", "lsuv", "normal")
NORMS = ("none", "batch", "layer", "group", "instance", "rms")
DROPOUT_KINDS = ("standard", "spatial", "alpha", "gaussian")
POOLINGS = ("max", "average", "fractional")
PREPROCESSINGS = ("standardize", "scale", "center", "whiten", "raw")


def dataset_spec(name: str) -> DatasetSpec:
    """The spec of a dataset.

    Raises:
        UnknownNameError: it is not in the table; names the nearest one.
    """
    if name not in DATASETS:
        raise UnknownNameError("dataset", name, DATASETS)
    return DATASETS[name]


def fitted_spec(spec: DatasetSpec, model: str) -> DatasetSpec:
    """The dataset as a model sees it: an autoencoder learns the inputs themselves, as numbers."""
    if model != "autoencoder" or spec.is_text:
        return spec
    return replace(
        spec, kind="regression", num_outputs=math.prod(spec.input_shape), class_names=(), is_reconstruction=True
    )


def pooled_side(side: int, pooling: str) -> int:
    """Pixels that a pooling of a CNN leaves of a side: a half, or a factor of √2 less where it is fractional."""
    return max(1, int(side / math.sqrt(2.0))) if pooling == "fractional" else side // 2


def model_spec(name: str) -> ModelSpec:
    """The spec of a model.

    Raises:
        UnknownNameError: it is not in the table; names the nearest one.
    """
    if name not in MODELS:
        raise UnknownNameError("model", name, MODELS)
    return MODELS[name]
