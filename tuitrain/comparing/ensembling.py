"""Runs asked together: does the mean of their predictions beat the best single one?

Of classes the mean of the probabilities, of numbers the mean of the outputs (`mean_prediction`). All are judged on the
same validation samples, so differences are taken sample by sample, and their interval is a paired bootstrap (Efron &
Tibshirani 1993). The best single one is chosen on those samples too, which makes it look better than it is: a gain
against it is rather more than is said.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tuitrain.comparing.members import At, Weights, find_sources
from tuitrain.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from tuitrain.comparing.predicting import Asked, Predicted

Verdict = Literal["better", "worse", "cannot tell"]

_HIGHER_IS_BETTER = {"accuracy"}
_NUM_RESAMPLES = 4000
_AT_ONCE = 2_000_000
_LEVEL = 0.95
_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Score:
    """One member, or what several came to."""

    label: str
    metrics: dict[str, float]
    """Means over the samples: "loss", of classes "accuracy", of numbers that are judged otherwise "mse"."""
    run: str = ""
    """Empty where it is of several."""
    step: int = 0
    recorded: dict[str, float] = field(default_factory=dict)
    """What the run itself measured of the same weights; empty where it did not."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """The ensemble against something, in one metric."""

    metric: str
    against: str
    """Label of the best single one by this metric, or "the mean of the singles"."""
    difference: float
    """The ensemble's value − the other's."""
    low: float
    """The 95 % interval of that difference over validation samples begins here."""
    high: float
    verdict: Verdict
    """cannot tell: the interval holds 0."""


@dataclass(frozen=True, kw_only=True)
class EnsembleScore:
    """Everything that was found."""

    members: list[Score]
    mean: Score
    """The mean of the singles: what one of them may expect."""
    best: Score
    """The best single one, by accuracy where there is one, else by loss."""
    ensemble: Score
    against_best: list[Gain]
    against_mean: list[Gain]
    disagreement: float
    """Of classes the mean over all pairs of the share of samples that get different classes; of numbers the mean
    squared deviation of the members from their mean, which for a squared error is just what they gain against the mean
    of the singles (Krogh & Vedelsby 1995)."""
    is_classified: bool
    num_samples: int
    """That all were judged on."""
    num_validation: int
    """That there are."""
    notes: list[str]


def ask_together(
    names: Sequence[str], *, at: At = "last", which: Weights = "raw", last: int = 0, is_whole: bool = False,
    labels: Mapping[str, str] = {}, say: Callable[[str], None] = lambda _: None,
) -> EnsembleScore:  # fmt: skip
    """Judge runs, or the snapshots of one, alone and together.

    Args:
        names: runs, as `find_run` takes them; of a single one its snapshots are taken.
        at: which state of each.
        which: which weights of that state.
        last: of the snapshots of a run only so many, the newest; 0 is all.
        is_whole: judge on all validation samples also where the runs themselves took fewer.
        labels: id of a run → what it is called; others are called by their ids.
        say: takes the progress.

    Raises:
        RunNotFoundError: there is no such run.
        RunFolderError: one cannot be read.
        UsageError: they do not go together, or one of them cannot predict.
    """
    which = "snapshots" if len(names) == 1 and which == "raw" else which
    if last and which != "snapshots":
        raise UsageError("--last counts the snapshots of a run.", hint="--snapshots, or one run alone.")
    sources = find_sources(names, at)
    notes = [note for source in sources for note in source.notes]
    num_validation = sources[0].dataset.num_validation
    num_samples = num_validation if is_whole else min(source.num_evaluated for source in sources)
    from tuitrain.comparing.predicting import predict  # imports torch, which a mistake need not wait for

    asked: list[Asked] = []
    for number, source in enumerate(sources, start=1):
        say(f"asking {source.folder.id} ({number} of {len(sources)})")
        one = predict(source, which, num_samples, last)
        asked.append(one.in_unit_of(asked[0]) if asked else one)
        notes += asked[-1].notes
    _check_same_targets(asked, [source.folder.id for source in sources])
    members = [_called(member, labels) for one in asked for member in one.members]
    if len(members) < 2:
        what = "snapshot" if which == "snapshots" else "run"
        hint = "average.snapshots=5 with a schedule of cycles, or more runs." if what == "snapshot" else "more runs."
        raise UsageError(f"One {what} is no ensemble.", hint=hint)
    if num_samples < num_validation:
        notes.append(f"judged on {num_samples} of the {num_validation} validation samples, as the runs judge "
                     "themselves; --whole takes all")  # fmt: skip
    say(f"comparing {len(members)} members on {num_samples} samples")
    return _scored(members, asked[0], num_validation, notes)


def _scored(members: list[Predicted], first: Asked, num_validation: int, notes: list[str]) -> EnsembleScore:
    from tuitrain.techniques.build.ensembling import mean_prediction

    def judged(outputs: Tensor) -> dict[str, NDArray[np.float64]]:
        found = first.judge(outputs, first.targets)
        return {metric: values.double().numpy() for metric, values in found.items()}

    singles = [judged(member.outputs) for member in members]
    for member, single in zip(members, singles, strict=True):
        if not all(np.isfinite(values).all() for values in single.values()):
            raise UsageError(f"{member.label} has a loss that is no number: it diverged.", hint="the others.")
    scores = [
        Score(label=member.label, run=member.run, step=member.step, metrics=_means(single), recorded=member.recorded)
        for member, single in zip(members, singles, strict=True)
    ]
    notes += [note for score in scores if (note := _changed(score))]
    together = judged(mean_prediction([member.outputs for member in members], first.loss))
    metrics = sorted(together)  # accuracy before loss
    is_classified = "accuracy" in together
    main = "accuracy" if is_classified else "loss"
    mean = {metric: np.mean([single[metric] for single in singles], axis=0) for metric in metrics}
    best = {metric: _best(scores, metric) for metric in metrics}
    return EnsembleScore(
        members=scores,
        mean=Score(label=f"mean of {len(members)}", metrics=_means(mean)),
        best=scores[best[main]],
        ensemble=Score(label=f"ensemble of {len(members)}", metrics=_means(together)),
        against_best=[
            gain(metric, scores[best[metric]].label, together[metric], singles[best[metric]][metric])
            for metric in metrics
        ],
        against_mean=[gain(metric, "the mean of the singles", together[metric], mean[metric]) for metric in metrics],
        disagreement=_disagreement(members, first, is_classified=is_classified),
        is_classified=is_classified,
        num_samples=len(first.targets),
        num_validation=num_validation,
        notes=notes,
    )


def _called(member: Predicted, labels: Mapping[str, str]) -> Predicted:
    return replace(member, label=member.label.replace(member.run, labels.get(member.run, member.run)))


def gain(metric: str, against: str, mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> Gain:
    """The mean difference of two metrics sample by sample, with a paired bootstrap interval; the same every time.

    Args:
        metric: its name, which tells what is better.
        against: whose `theirs` are.
        mine: (num_samples,) of the ensemble.
        theirs: (num_samples,) on the same samples.
    """
    differences = mine - theirs
    rng, count = np.random.default_rng(0), len(differences)
    rows = max(1, _AT_ONCE // count)
    means: list[float] = []
    while len(means) < _NUM_RESAMPLES:
        drawn = rng.integers(0, count, (min(rows, _NUM_RESAMPLES - len(means)), count))
        means += differences[drawn].mean(axis=1).tolist()
    low, high = (float(np.quantile(means, share)) for share in ((1.0 - _LEVEL) / 2.0, (1.0 + _LEVEL) / 2.0))
    verdict: Verdict = "cannot tell"
    if low > 0.0 or high < 0.0:
        verdict = "better" if (low > 0.0) == (metric in _HIGHER_IS_BETTER) else "worse"
    return Gain(
        metric=metric, against=against, difference=float(differences.mean()), low=low, high=high, verdict=verdict
    )  # fmt: skip


def _best(scores: Sequence[Score], metric: str) -> int:
    """Which is best by a metric; of equals the one with the lower loss."""
    sign = -1.0 if metric in _HIGHER_IS_BETTER else 1.0
    ranks = [[sign * score.metrics[metric], score.metrics["loss"]] for score in scores]
    # NaN is below nothing and above nothing: it is the worst.
    return min(range(len(scores)), key=lambda at: [value if math.isfinite(value) else math.inf for value in ranks[at]])


def _disagreement(members: Sequence[Predicted], first: Asked, *, is_classified: bool) -> float:
    import torch

    if is_classified:
        classes = [member.outputs.argmax(dim=-1) for member in members]
        return float(np.mean([float((a != b).double().mean()) for a, b in itertools.combinations(classes, 2)]))
    told = [member.outputs if first.unit is None else first.unit.told(member.outputs) for member in members]
    # Of a model that gives a variance as well, the means come first.
    numbers = torch.stack([outputs[:, : first.targets.shape[1]].double() for outputs in told])
    return float((numbers - numbers.mean(dim=0)).square().mean())


def _check_same_targets(asked: Sequence[Asked], runs: Sequence[str]) -> None:
    """One's own data may have been changed since: what is there now must at least be one thing for all."""
    first = asked[0].targets
    for other, run in zip(asked[1:], runs[1:], strict=True):
        if other.targets.shape != first.shape or bool(((other.targets - first).abs() > asked[0].tolerance).any()):
            raise UsageError(f"{runs[0]} and {run} have different validation samples.", hint="runs of one split.")


def _changed(score: Score) -> str:
    """Where a run does not find again what it measured: other data, another device, or another torch."""
    for metric, before in score.recorded.items():
        now = score.metrics.get(metric, math.nan)
        if abs(now - before) > _TOLERANCE * max(1.0, abs(before)):
            return (
                f"{score.run} had measured a {metric} of {before:.4g}, and now it is {now:.4g}: have its data changed?"
            )
    return ""


def _means(values: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    return {metric: float(found.mean()) for metric, found in values.items()}
