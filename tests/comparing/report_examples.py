"""Reports to write: three arms with seeds, many arms with one, and the odd ones."""

from __future__ import annotations

import math

import numpy as np

from tuitrain.board.verdict import rank
from tuitrain.comparing.report.contents import Contents, Figure, Line, Row

NASTY = '<script>alert("1")</script> & | `x` \x07'


def curves(num_arms: int, num_seeds: int, num_points: int = 60, *, name: str = "arm") -> Contents:
    """Arms that learn at different speeds."""
    generator = np.random.default_rng(num_arms)
    labels = (
        ["AdamW, lr 3e-4", "SGD with momentum", "Muon"] if num_arms == 3 else [f"{name} {i}" for i in range(num_arms)]
    )
    xs = np.linspace(0, 20, num_points)
    losses, accuracies, last = [], [], {}
    for index, label in enumerate(labels):
        pace = 0.15 + 0.5 / (1 + index)
        runs = 2.3 * np.exp(-pace * xs)[None, :] + 0.08 + 0.03 * index
        runs = runs * np.exp(0.04 * generator.standard_normal((num_seeds, num_points)).cumsum(1) / 3)
        means, spread = runs.mean(0), runs.std(0, ddof=1) if num_seeds > 1 else np.zeros(num_points)
        losses.append(line(label, xs, means, spread if num_seeds > 1 else None))
        accuracies.append(line(label, xs, 1 - means / 2.5, spread / 2.5 if num_seeds > 1 else None))
        last[label] = {str(seed): float(value) for seed, value in enumerate(runs[:, -1])}
    return Contents(
        title=f"{num_arms} optimizers on MNIST",
        about="Which optimizer learns a two-layer network fastest, in the same number of steps.",
        look_for="the order after the first epoch, and whether it is still there at the end.",
        task="mnist5k",
        created="21 November 2026, 16:41",
        figures=(
            Figure(
                "eval/loss",
                "epoch",
                "eval/loss",
                True,
                tuple(losses),
                "Line: mean. Band: ± one deviation over the seeds.",
            ),
            Figure("eval/accuracy", "epoch", "eval/accuracy", False, tuple(accuracies)),
        ),
        columns=("changed", "runs"),
        table=tuple(Row(label, (f"optimizer.name = {label.lower()}", f"{num_seeds} finished")) for label in labels),
        rankings=(
            rank(last, is_lower_better=True, metric="eval/loss"),
            rank(
                {a: {k: 1 - v / 2.5 for k, v in of.items()} for a, of in last.items()},
                is_lower_better=False,
                metric="eval/accuracy",
            ),
        ),
        notes=("Run 20261121-mnist-s3 failed: CUDA out of memory.",),
        footer=("tuitrain 0.1.0", "torch 2.9.1", "Linux"),
    )


def line(label: str, xs: np.ndarray, means: np.ndarray, spread: np.ndarray | None = None) -> Line:
    lows = () if spread is None else tuple((means - spread).tolist())
    highs = () if spread is None else tuple((means + spread).tolist())
    return Line(label, tuple(xs.tolist()), tuple(means.tolist()), lows, highs)


def odd() -> Contents:
    """Everything that may go wrong at once: nothing, one point, NaN, huge, names as long as a sentence, markup."""
    long = "a label that somebody made of the whole command line --set optimizer.lr=0.1 --set batch=512 " * 2
    nan, inf = math.nan, math.inf
    lines = (
        Line("empty", (), ()),
        Line("one point", (3.0,), (0.5,)),
        Line(long, (0.0, 1.0, 2.0), (1.0, nan, 3.0), (0.9, nan, inf), (1.1, 2.0, -inf)),
        Line(NASTY, (0.0, 1.0), (1e300, -1e300)),
        Line("obrázek × 中文", (0.0, 5.0), (0.0, 0.0)),
    )
    values = {"empty": {}, "one point": {"0": 0.5}, long: {"0": nan, "1": inf}, NASTY: {"0": 1e300, "1": -1e300}}
    return Contents(
        title=NASTY,
        about=NASTY,
        figures=(
            Figure(NASTY, NASTY, long, False, lines),
            Figure("log", "x", "y", True, lines),
            Figure("none", "x", "y", False, ()),
        ),
        columns=(NASTY,),
        table=(Row(NASTY, (NASTY, "more cells than heads")), Row(long, ())),
        rankings=(rank(values, is_lower_better=True, metric=NASTY), rank({}, is_lower_better=True, metric="none")),
        notes=(NASTY, long),
    )
