"""Measurements in words: the number, and what to make of it. The same in replies, in the journal and on screens."""

from __future__ import annotations

import math

from tuitrain.protocol.measured import (
    GradientNoiseMeasured,
    GradientsChecked,
    LearningRateRangeTested,
    Measurement,
    SharpnessMeasured,
)

_NEAR = 3.0
"""Factor within which two rates, or two batch sizes, count as alike."""
_HAPPY = 1e-7
"""Relative error of a gradient that needs no excuse (CS231n)."""
_VERDICTS = {
    "right": "right: at most 1e-7",
    "kinks": "fine where there are kinks (ReLU, max pooling, L1); too large for a smooth net",
    "doubtful": "doubtful: above 1e-4",
    "wrong": "wrong: above 1e-2",
}


def headline(found: Measurement) -> str:
    """What was found, with its number."""
    match found:
        case LearningRateRangeTested():
            if math.isnan(found.suggestion):
                return "range test: the loss falls at no rate"
            return f"range test: the loss falls fastest at lr {_short(found.suggestion)}"
        case GradientsChecked():
            verdict = _VERDICTS[found.verdict]
            if found.verdict == "right" and found.worst_error > _HAPPY:
                verdict = "right: no more than the rounding of the loss explains"
            return f"gradient check: relative error {_short(found.worst_error)}, {verdict}"
        case SharpnessMeasured():
            about = "" if found.has_converged else "about "
            return f"sharpness λ {about}{_plain(found.sharpness)}"
        case GradientNoiseMeasured():
            return f"gradient noise scale {_plain(found.noise_scale)} samples"


def advice(found: Measurement) -> str:
    """What to make of it, in one sentence or two."""
    match found:
        case LearningRateRangeTested():
            return "; ".join(part for part in (_edge_words(found), _rate_words(found)) if part)
        case GradientsChecked():
            return _check_words(found)
        case SharpnessMeasured():
            return _sharpness_words(found)
        case GradientNoiseMeasured():
            return _noise_words(found)


def way_to_take(found: LearningRateRangeTested) -> str:
    """The command that takes the suggestion; empty where there is none."""
    return "" if math.isnan(found.suggestion) else f"set_learning_rate lr={rounded(found.suggestion):g}"


def rounded(rate: float) -> float:
    """To two digits: a sweep tells no more."""
    return float(f"{rate:.1e}") if math.isfinite(rate) else rate


def _edge_words(found: LearningRateRangeTested) -> str:
    if math.isnan(found.edge):
        return f"it did not rise up to {_short(found.rates[-1])}" if found.rates else ""
    return f"it rises above {_short(found.edge)}"


def _rate_words(found: LearningRateRangeTested) -> str:
    rate = found.learning_rate
    if math.isnan(found.suggestion):
        where = f"the rate now, {_short(rate)}, is above that" if rate > found.edge else "the rate now is below that"
        return f"these weights are near a floor: {where if not math.isnan(found.edge) else 'any of them does'}"
    if not math.isnan(found.edge) and rate > found.edge:
        return f"the rate now, {_short(rate)}, is beyond that: {way_to_take(found)}"
    if rate * _NEAR < found.suggestion:
        return f"the rate now, {_short(rate)}, is {_times(found.suggestion, rate)} lower: {way_to_take(found)}"
    if rate > found.suggestion * _NEAR:
        return f"the rate now, {_short(rate)}, is {_times(rate, found.suggestion)} higher: {way_to_take(found)}"
    return f"the rate now, {_short(rate)}, is near it"


def _check_words(found: GradientsChecked) -> str:
    kinks = f"; {found.num_kinks} entries lie at a kink" if found.num_kinks else ""
    worst = f"worst in {found.worst_tensor}"
    if found.verdict == "right":
        return f"{worst}{kinks}"
    rounding = next((tensor.rounding for tensor in found.tensors if tensor.name == found.worst_tensor), 0.0)
    if found.worst_error <= rounding:
        rounded_off = f"rounding alone may bring {_short(rounding)} at this h"
        return f"{worst}{kinks}; {rounded_off}: ask again with a larger step_size"
    if found.verdict == "kinks":
        return f"{worst}{kinks}; a smaller step_size, or fewer samples, meets fewer of them"
    return f"{worst}{kinks}; look at its backward pass, or ask again with step_size=1e-6"


def _sharpness_words(found: SharpnessMeasured) -> str:
    rate = found.learning_rate
    if not found.sharpness > 0.0:
        return "the loss curves downwards in every direction here"
    if not found.stable_rate > 0.0:
        return (
            f"2/λ is {_short(2.0 / found.sharpness)}; it bounds the rate of gradient descent, not of {found.optimizer}"
        )
    ratio = rate / found.stable_rate
    allowed = f"{_short(found.stable_rate)} that λ allows"
    if ratio > 1.1:
        return f"beyond the edge of stability: lr {_short(rate)} is {ratio:.2g}× the {allowed}"
    if ratio > 0.8:
        return f"at the edge of stability: lr {_short(rate)} of the {allowed}"
    return f"lr {_short(rate)} is {ratio * 100:.2g} % of the {allowed}"


def _noise_words(found: GradientNoiseMeasured) -> str:
    size, scale = found.batch_size, found.noise_scale
    cosine = dict(zip(found.batch_sizes, found.cosines, strict=False)).get(size)
    seen = f"cosine to the full gradient {cosine:.2f} at batch {size}; " if cosine is not None else ""
    if size * _NEAR < scale:
        return f"{seen}batches of {size} are far below it: larger ones pay"
    if size > scale * _NEAR:
        return f"{seen}batches of {size} are far above it: smaller ones are cheaper and nearly as good"
    return f"{seen}batches of {size} are near it"


def _times(larger: float, smaller: float) -> str:
    if not smaller > 0.0:
        return "far"
    ratio = larger / smaller
    return f"{ratio:.0f}×" if ratio >= 10.0 else f"{ratio:.2g}×"


def _short(value: float) -> str:
    return f"{value:.2g}"


def _plain(value: float) -> str:
    return f"{value:.3g}" if not 1e3 <= abs(value) < 1e6 else f"{value:.0f}"
