"""Networks with names, text, the autoencoder, and the regularizers left over."""

from __future__ import annotations

import math

from tests.lecture.promises import Target, accuracy, less, one, seen

_GUESS = math.log(96.0)
_MEAN_PICTURE = 0.703
"""Mean squared error of the mean training picture on the validation pictures, in units of their deviation."""

TARGETS: list[Target] = [
    accuracy("moons", 0.94, 0.975),
    one("autoencoder", "loss below 0.24, a third of the mean picture's 0.703, and near the train loss",
        lambda s: s.loss < 0.24 < _MEAN_PICTURE / 2 and abs(s.gap) < 0.04,
        lambda s: f"{s.loss:.3f}, gap {s.gap:.3f}", is_slow=True),
    one("char-lstm", "from ln 96 to a train loss below 1.6 and a validation loss below 1.6",
        lambda s: abs(s.losses[0] - _GUESS) < 0.1 and s.train_loss < 1.6 and s.loss < 1.6,
        lambda s: f"{s.losses[0]:.2f} to {s.train_loss:.2f} / {s.loss:.2f}", is_slow=True),
    one("char-transformer", "from ln 96 to a train loss below 1.85 and a validation loss below 1.8",
        lambda s: abs(s.losses[0] - _GUESS) < 0.1 and s.train_loss < 1.85 and s.loss < 1.8,
        lambda s: f"{s.losses[0]:.2f} to {s.train_loss:.2f} / {s.loss:.2f}", is_slow=True),
    accuracy("googlenet", 0.65, is_slow=True),
    accuracy("mobilenet", 0.65, is_slow=True),
    accuracy("cnn-fractional-pool", 0.89, 0.94, is_slow=True),
    accuracy("cnn-trivial-augment", 0.92, is_slow=True),
    less("cnn-trivial-augment", "small-cnn", "gap", by=0.05),
    accuracy("cnn-color-jitter", 0.9, 0.945, is_slow=True),
    less("overfit-max-norm", "overfit", "weight_norm", by=20.0),
    Target("overfit-max-norm", "accuracy above that of overfit by 0.03",
           lambda s: seen("overfit-max-norm", s).accuracy > seen("overfit", s).accuracy + 0.03,
           lambda s: f"{seen('overfit-max-norm', s).accuracy:.3f} against {seen('overfit', s).accuracy:.3f}",
           is_slow=True),
]  # fmt: skip
