"""What the newest look at the layers says, in plain words: gradients that vanish, units that are dead, and their like.

Pure functions of names and values. The bounds are rules of thumb, wide on purpose: a healthy net says nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuitrain.board.layers import Floats, LayerHistory

VANISHING = 1e-2
"""First layer's gradient relative to the last one's, from which on it counts as vanishing."""
EXPLODING = 1e2
"""As above, upwards."""
FALLING = 1e-2
"""Deviation of the activations of the last hidden layer relative to the first one's (Glorot & Bengio 2010)."""
GROWING = 1e2
"""As above, upwards."""
SATURATED = 0.5
"""Share of the activations of a layer at the flat ends."""
DEAD = 0.5
"""Share of the units of a layer that are 0 or below for a whole batch."""
UPDATE_TOO_LARGE = 1e-1
"""Update relative to the weight; about 1e-3 is usual (Karpathy, CS231n, "ratio of weights:updates")."""
UPDATE_TOO_SMALL = 1e-5
"""As above, downwards."""


@dataclass(frozen=True)
class Verdict:
    """Something that stands out."""

    text: str
    quantity: str
    layers: tuple[int, ...]
    """Which layers it is about, from 0 at the input."""
    is_alarm: bool = False
    """Whether the net cannot learn like this."""


def verdicts(history: LayerHistory) -> list[Verdict]:
    """All that stands out in the newest look, the worst first."""
    names = history.names
    if not names:
        return []
    gradients = history.newest("gradient_norm")
    found = [
        nonfinite(names, gradients, history.newest("weight_norm"), history.newest("activation_std")),
        *gradient_flow(names, gradients),
        activation_flow(names, history.newest("activation_std")),
        saturation(names, history.newest("saturated")),
        dead_units(names, history.newest("dead")),
        *update_sizes(names, np.where(gradients == 0.0, np.nan, history.newest("update_ratio"))),
    ]
    return [verdict for verdict in found if verdict is not None]


def healthy(history: LayerHistory) -> str:
    """What to say where nothing stands out."""
    ratios = history.newest("update_ratio")
    known = ratios[np.isfinite(ratios)]
    if not len(known):
        return "Nothing stands out."
    low, high = _number(float(known.min())), _number(float(known.max()))
    span = low if low == high else f"{low} to {high}"
    return f"Nothing stands out. Update ratio {span}; about 1e-3 is usual."


def nonfinite(names: tuple[str, ...], gradients: Floats, weights: Floats, deviations: Floats) -> Verdict | None:
    """Weights that are not finite, or else gradients or activations that are infinite.

    A weight always has a norm; a gradient may be NaN because there is none, as of a frozen layer.
    """
    for what, quantity, is_bad in (
        ("weights", "weight_norm", ~np.isfinite(weights)),
        ("gradient", "gradient_norm", np.isinf(gradients)),
        ("activations", "activation_std", np.isinf(deviations)),
    ):
        layers = _where(is_bad)
        # Where no layer has a weight norm it was not measured.
        if layers and not (quantity == "weight_norm" and bool(np.isnan(weights).all())):
            verb = "is" if what == "gradient" else "are"
            return Verdict(f"{what} of {_named(names, layers)} {verb} not finite", quantity, layers, is_alarm=True)
    return None


def gradient_flow(names: tuple[str, ...], gradients: Floats) -> list[Verdict]:
    """Layers that no gradient reaches; a first layer whose gradient is far smaller or larger than the last one's."""
    found = []
    without = _where(gradients == 0.0)
    if without:
        text = f"no gradient reaches {_named(names, without)}: the weights do not learn"
        found.append(Verdict(text, "gradient_norm", without, is_alarm=True))
    ends = _ends(gradients)
    if ends is None or 0.0 in ends:
        return found
    ratio = ends[0] / ends[1]
    shown = _fraction(ratio)
    layers = _outside(gradients, ends[1], VANISHING, EXPLODING)
    if ratio <= VANISHING:
        text = f"vanishing gradient: the first layer's is {shown} of the last one's"
        found.append(Verdict(text, "gradient_norm", layers, is_alarm=True))
    elif ratio >= EXPLODING:
        text = f"exploding gradient: the first layer's is {shown} the last one's"
        found.append(Verdict(text, "gradient_norm", layers, is_alarm=True))
    return found


def activation_flow(names: tuple[str, ...], deviations: Floats) -> Verdict | None:
    """Activations that die out or blow up on their way through the hidden layers.

    The output layer is left out where there are others: it may be small by design.
    """
    hidden = deviations[:-1] if len(names) > 2 else deviations
    ends = _ends(hidden)
    if ends is None or ends[0] == 0.0:
        return None
    ratio = ends[1] / ends[0]
    if FALLING < ratio < GROWING:
        return None
    fault = "small" if ratio <= FALLING else "large"
    layers = _outside(hidden, ends[0], FALLING, GROWING)
    text = f"deviation of activations {_number(ends[0])} → {_number(ends[1])} over depth"
    return Verdict(f"{text}: initialised too {fault}", "activation_std", layers)


def saturation(names: tuple[str, ...], shares: Floats) -> Verdict | None:
    """Layers whose sigmoid or tanh is at its flat ends."""
    layers = _where(shares >= SATURATED)
    if not layers:
        return None
    worst, share = _worst(layers, shares)
    return Verdict(f"{share * 100:.0f} % of {names[worst]} saturated{_others(layers)}", "saturated", layers)


def dead_units(names: tuple[str, ...], shares: Floats) -> Verdict | None:
    """Layers whose units give nothing for any sample of a batch."""
    layers = _where(shares >= DEAD)
    if not layers:
        return None
    worst, share = _worst(layers, shares)
    text = f"{share * 100:.0f} % of the units of {names[worst]} are dead{_others(layers)}"
    return Verdict(text, "dead", layers, is_alarm=share >= 1.0)


def update_sizes(names: tuple[str, ...], ratios: Floats) -> list[Verdict]:
    """Updates far larger or smaller than the weights want; of all layers it is the rate, of some it is they."""
    found = []
    large = _where(ratios > UPDATE_TOO_LARGE)
    if large:
        text = f"update ratio of {_named(names, large)} above 1e-1: rate too high?"
        found.append(Verdict(text, "update_ratio", large))
    small = _where(ratios < UPDATE_TOO_SMALL)
    if small and len(small) == np.count_nonzero(np.isfinite(ratios)):
        found.append(Verdict("update ratio of every layer below 1e-5: rate too low?", "update_ratio", small))
    elif small:
        verb = "learns" if len(small) == 1 else "learn"
        text = f"{_named(names, small)} hardly {verb}: update ratio below 1e-5"
        found.append(Verdict(text, "update_ratio", small))
    return found


def _where(is_so: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[int, ...]:
    return tuple(int(index) for index in np.flatnonzero(is_so))


def _worst(layers: tuple[int, ...], shares: Floats) -> tuple[int, float]:
    """The layer with the largest share, and that share."""
    worst = max(layers, key=lambda index: float(shares[index]))
    return worst, float(shares[worst])


def _outside(values: Floats, reference: float, low: float, high: float) -> tuple[int, ...]:
    """Which values, relative to the reference, are not between the bounds; those that are NaN are not told."""
    return tuple(
        index
        for index, value in enumerate(values.tolist())
        if not math.isnan(value) and not low < value / reference < high
    )


def _ends(values: Floats) -> tuple[float, float] | None:
    """The first and the last of the values that are finite; None where there are not two."""
    known = values[np.isfinite(values)]
    return (float(known[0]), float(known[-1])) if len(known) > 1 else None


def _named(names: tuple[str, ...], layers: tuple[int, ...]) -> str:
    """Lin_1; lin_1 and lin_2; lin_1 and 4 layers more; every layer."""
    if len(layers) == len(names) > 1:
        return "every layer"
    if len(layers) == 2:
        return f"{names[layers[0]]} and {names[layers[1]]}"
    return names[layers[0]] + (f" and {len(layers) - 1} layers more" if len(layers) > 2 else "")


def _others(layers: tuple[int, ...]) -> str:
    num_others = len(layers) - 1
    return "" if not num_others else f", and {num_others} layer{'s' if num_others > 1 else ''} more"


def _fraction(ratio: float) -> str:
    """1/1200 and 3e-7; 1200× and 3e+7×."""
    if ratio < 1.0:
        return f"1/{1.0 / ratio:.0f}" if ratio > 1e-5 else f"{ratio:.0e}".replace("e-0", "e-")
    return f"{ratio:.0f}×" if ratio < 1e5 else f"{ratio:.0e}×".replace("e+0", "e+")


def _number(value: float) -> str:
    """0.16, 12, 1e-8, 3e+6."""
    if value == 0.0 or 1e-2 <= abs(value) < 1e4:
        return f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if math.isfinite(value) else str(value)
