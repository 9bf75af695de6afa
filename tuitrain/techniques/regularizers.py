"""Everything that keeps a model from learning the training data by heart: one number each, 0 is off.

Each may change while the run goes (`set_hyperparameter`). `where` says what it acts on, and so which code does it:
the batch (`build/augmentation.py`), the loss (`build/losses.py`), modules of the model (tasks), weights and gradients
(training), what an update has made of the weights, or the optimizer itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tuitrain.protocol.plan import Value
from tuitrain.techniques.hyperparameter import Hyperparameter

Where = Literal["batch", "loss", "model", "weights", "gradient", "optimizer", "update", "run"]
Need = Literal["", "images", "classes", "hidden layers", "residual blocks"]


@dataclass(frozen=True, kw_only=True)
class RegularizerSpec:
    """One regularizer."""

    hyperparameter: Hyperparameter
    summary: str
    where: Where
    needs: Need = ""
    """What the task must have."""
    is_live: bool = True
    paper: str = ""
    watch: str = ""

    @property
    def name(self) -> str:
        """As a preset writes it."""
        return self.hyperparameter.name


def _strength(name: str, help_text: str, high: float = 1e6) -> Hyperparameter:
    return Hyperparameter(name=name, default=0.0, low=0.0, high=high, scale="log", help=help_text)


def _share(name: str, help_text: str, *, is_high_included: bool = False) -> Hyperparameter:
    return Hyperparameter(name=name, default=0.0, low=0.0, high=1.0, is_high_included=is_high_included, help=help_text)


def _pixels(name: str, help_text: str) -> Hyperparameter:
    return Hyperparameter(name=name, default=0, low=0, high=4096, kind="int", help=help_text)


REGULARIZERS: dict[str, RegularizerSpec] = {
    spec.name: spec
    for spec in (
        RegularizerSpec(
            hyperparameter=Hyperparameter(
                name="weight_decay", default=None, low=0.0, scale="log", help="L2 or decoupled, as the optimizer does"
            ),
            summary="pulls every weight towards 0, in proportion to its size",
            where="optimizer",
            paper="Krogh & Hertz 1992; decoupled: Loshchilov & Hutter 2019",
            watch="in Adam L2 goes through the denominator: adamw decouples it",
        ),
        RegularizerSpec(
            hyperparameter=_strength("l1", "adds l1 · |w| to the loss of every weight that is no bias"),
            summary="pulls every weight towards 0 with the same force: many end there",
            where="gradient",
            paper="Tibshirani 1996",
            watch="the share of weights near 0, in the side panel",
        ),
        RegularizerSpec(
            hyperparameter=_share("dropout", "share of hidden activations dropped in training"),
            summary="drops activations at random in training, and scales up the rest",
            where="model",
            needs="hidden layers",
            paper="Srivastava et al. 2014",
            watch="p is the share that is dropped; training takes longer",
        ),
        RegularizerSpec(
            hyperparameter=_share("dropconnect", "share of weights dropped in training, a mask a batch"),
            summary="drops weights of the hidden affine maps at random in training",
            where="model",
            needs="hidden layers",
            paper="Wan et al. 2013",
        ),
        RegularizerSpec(
            hyperparameter=_share("stochastic_depth", "share of samples for which the last residual block is skipped"),
            summary="skips residual blocks at random, the later the more often; scaled by survival",
            where="model",
            needs="residual blocks",
            paper="Huang et al. 2016",
            watch="no gain on small data here: it is for depth",
        ),
        RegularizerSpec(
            hyperparameter=_strength("input_noise", "standard deviation, in units of the input as the model sees it"),
            summary="adds Gaussian noise to the inputs",
            where="batch",
            paper="Bishop 1995",
        ),
        RegularizerSpec(
            hyperparameter=_strength("weight_noise", "standard deviation of the noise"),
            summary="takes the gradient at weights with Gaussian noise on them",
            where="weights",
            paper="Graves 2011",
        ),
        RegularizerSpec(
            hyperparameter=_strength("gradient_noise", "standard deviation of the noise"),
            summary="adds Gaussian noise to the gradients",
            where="gradient",
            paper="Neelakantan et al. 2015 (arXiv 1511.06807), without its decay",
        ),
        RegularizerSpec(
            hyperparameter=_strength("gradient_clip", "largest global gradient norm; 0 is off", high=1e12),
            summary="scales all gradients down when their norm is larger",
            where="gradient",
            paper="Pascanu et al. 2013",
            watch="the gradient norm shown is the one before clipping",
        ),
        RegularizerSpec(
            hyperparameter=_strength("gradient_clip_value", "largest entry of a gradient; 0 is off", high=1e12),
            summary="cuts every entry of every gradient",
            where="gradient",
            watch="it changes the direction of the step; the norm does not",
        ),
        RegularizerSpec(
            hyperparameter=_share("label_smoothing", "share of the target that is spread over all classes"),
            summary="(1 − ε) one-hot + ε/K as the target",
            where="loss",
            needs="classes",
            paper="Szegedy et al. 2016",
            watch="the batch loss is another quantity with it; validation stays plain",
        ),
        RegularizerSpec(
            hyperparameter=_strength("mixup", "α of the Beta distribution of the mix; 0.2 is usual", high=100.0),
            summary="trains on blends of two samples and of their labels",
            where="batch",
            needs="classes",
            paper="Zhang et al. 2018",
        ),
        RegularizerSpec(
            hyperparameter=_strength("cutmix", "α of the Beta distribution of its size; 1 is usual", high=100.0),
            summary="puts a patch of another image in, and mixes the labels by area",
            where="batch",
            needs="images",
            paper="Yun et al. 2019",
        ),
        RegularizerSpec(
            hyperparameter=_pixels("cutout", "side of the square that is erased, in pixels"),
            summary="erases a square of each image; the whole image at test",
            where="batch",
            needs="images",
            paper="DeVries & Taylor 2017",
        ),
        RegularizerSpec(
            hyperparameter=_share("flip", "share of the images that are mirrored left to right", is_high_included=True),
            summary="mirrors images",
            where="batch",
            needs="images",
            watch="only where the mirror image keeps its label: not for digits",
        ),
        RegularizerSpec(
            hyperparameter=_pixels("shift", "largest shift in each direction, in pixels"),
            summary="moves images, repeating their edge: a random crop with padding",
            where="batch",
            needs="images",
        ),
        RegularizerSpec(
            hyperparameter=Hyperparameter(
                name="crop", default=0.0, low=0.0, high=1.0, is_high_included=False,
                help="1 − smallest share of the area that is kept",
            ),
            summary="cuts out a random part and scales it to full size",
            where="batch",
            needs="images",
            paper="Szegedy et al. 2015",
        ),
        RegularizerSpec(
            hyperparameter=Hyperparameter(
                name="scale", default=0.0, low=0.0, high=1.0, is_high_included=False,
                help="largest relative change of size",
            ),
            summary="zooms images in and out",
            where="batch",
            needs="images",
        ),
        RegularizerSpec(
            hyperparameter=Hyperparameter(
                name="rotate", default=0.0, low=0.0, high=180.0, help="largest angle in degrees"
            ),
            summary="turns images",
            where="batch",
            needs="images",
        ),
        RegularizerSpec(
            hyperparameter=_share("color_jitter", "largest relative change of brightness and contrast"),
            summary="changes brightness and contrast, of colour pictures also saturation and, by a quarter of it, hue",
            where="batch",
            needs="images",
            paper="Krizhevsky et al. 2012; Howard 2013",
            watch="digits are black and white: there is little to gain",
        ),
        RegularizerSpec(
            hyperparameter=_share(
                "trivial_augment", "share of the images that get one of its changes", is_high_included=True
            ),
            summary="one change of a random kind and a random strength for each image; nothing to tune",
            where="batch",
            needs="images",
            paper="Müller & Hutter 2021, in the ranges of its RA space; without equalize",
            watch="it is strong: with few epochs the training loss stays high",
        ),
        RegularizerSpec(
            hyperparameter=_strength("max_norm", "largest norm of the weights into one unit; 0 is off"),
            summary="after each update, scales down the weights into a unit whose norm is larger",
            where="update",
            paper="Srebro & Shraibman 2005; with dropout: Srivastava et al. 2014",
            watch="the norm of the weights, in the side panel; 3 to 4 is usual with dropout",
        ),
        RegularizerSpec(
            hyperparameter=Hyperparameter(
                name="early_stopping", default=0, low=0, high=1e9, kind="int",
                help="evaluations in a row without a better validation loss: the last of them stops the run; 0 is off",
            ),
            summary="stops at the N-th evaluation in a row that brings no better validation loss",
            where="run",
            paper="Prechelt 1998",
        ),
    )
}  # fmt: skip

CLIP_NAME = "gradient_clip"


def resolved_regularizers(given: Mapping[str, Any]) -> dict[str, Value]:
    """All regularizers: those given, which must be checked, and 0 for the rest; weight decay only where given."""
    values: dict[str, Value] = {}
    for spec in REGULARIZERS.values():
        value = given.get(spec.name, spec.hyperparameter.default)
        if value is not None:
            values[spec.name] = spec.hyperparameter.converted(value)
    return values


def strength_of(values: Mapping[str, Value], name: str) -> float:
    """One of resolved regularizers as a number; 0 is off, and so is one that is not there."""
    value = values.get(name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0
