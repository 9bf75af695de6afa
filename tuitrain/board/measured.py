"""The newest measurement of each kind."""

from __future__ import annotations

from dataclasses import dataclass

from tuitrain.protocol.measured import (
    GradientNoiseMeasured,
    GradientsChecked,
    LearningRateRangeTested,
    Measurement,
    SharpnessMeasured,
)


@dataclass
class Measured:
    """What was measured on demand so far; None where that was not asked for."""

    range_test: LearningRateRangeTested | None = None
    gradient_check: GradientsChecked | None = None
    sharpness: SharpnessMeasured | None = None
    gradient_noise: GradientNoiseMeasured | None = None

    def take(self, found: Measurement) -> None:
        """Keep it in place of the one before."""
        match found:
            case LearningRateRangeTested():
                self.range_test = found
            case GradientsChecked():
                self.gradient_check = found
            case SharpnessMeasured():
                self.sharpness = found
            case GradientNoiseMeasured():
                self.gradient_noise = found
