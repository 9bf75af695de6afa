"""Which arm of a comparison is best, and whether a person may say so.

A word is a claim. Of arms that are all the same, any arm at all is called *worse* in at most 1 − `level` of the
comparisons, however many arms there are and however few seeds; `intervals` says how, `chance` is for what has no
interval: runs that diverged, seeds that change nothing. What cannot be claimed is *cannot tell with N seeds*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct, structs

from tuitrain.board.chance import chance_of_constant_differences, chance_of_constants, chance_of_divergence
from tuitrain.board.intervals import Interval, Values, paired_interval, step_of, two_sample_interval

BETTER = "better"
WORSE = "worse"
CANNOT_TELL = "cannot tell"

_SAME = 1e-12
"""Values closer than this part of the largest one are the same: the rest is rounding."""


class Standing(Struct, frozen=True, kw_only=True):
    """One arm in a ranking."""

    arm: str
    """Its label."""
    values: dict[str, float | None]
    """Seed, or seed/fold → value; None where the run diverged: its value is infinite or not a number."""
    num: int
    """How many values are finite."""
    num_diverged: int
    """How many are not."""
    mean: float | None
    """Over the finite values; None without any, and where a run diverged: such an arm is not averaged."""
    deviation: float | None
    """Standard deviation over all values, with n − 1; None with fewer than two, and where a run diverged."""
    difference: float | None
    """This arm's mean minus the best one's in the metric's own unit, over the seeds that both have where they are
    paired. Positive: this arm has more, which is worse where lower is better. 0 for the best itself."""
    low: float | None
    """Lower end of the interval of the difference; None where there is none."""
    high: float | None
    """Upper end."""
    word: str
    """`better`, `worse`, or `cannot tell with N seeds`; empty for an arm alone. Only the first can be better."""
    text: str
    """What is known of the difference, for people."""


class Ranking(Struct, frozen=True, kw_only=True):
    """The arms by one metric, the best first."""

    metric: str
    is_lower_better: bool
    level: float
    """Of the intervals, all of them together, e.g. 0.95."""
    standings: tuple[Standing, ...]
    num_seeds: int
    """The most seeds, or pairs of seed and fold, that an arm has."""
    is_paired: bool
    """Whether every difference is taken seed by seed."""
    sentence: str
    """The verdict in a sentence."""
    footing: str
    """What the intervals are, in a sentence."""


def rank(
    values: Mapping[str, Mapping[str, float]], *, is_lower_better: bool, metric: str, level: float = 0.95
) -> Ranking:
    """Rank arms by their means and say which differences are more than chance.

    Args:
        values: label of an arm → seed, or "seed/fold" → value. Seeds may be missing. Several seeds of a fold have the
            same data, so they are averaged: a draw is a fold.
        is_lower_better: as of a loss.
        metric: its name, e.g. "eval/accuracy".
        level: of the intervals of all arms together, in (0, 1).
    """
    arms = sorted((_Arm(label, of, is_lower_better) for label, of in values.items()), key=lambda arm: arm.place)
    keys = {key for of in values.values() for key in of}
    unit = "fold" if keys and all("/" in key for key in keys) else "seed"
    family = _Family(arms, level, unit)
    standings = tuple(family.standing(arm) for arm in arms[1:])
    if arms:
        standings = (family.first(standings), *standings)
    return Ranking(
        metric=metric,
        is_lower_better=is_lower_better,
        level=level,
        standings=standings,
        num_seeds=max((len(arm.values) for arm in arms), default=0),
        is_paired=len(arms) > 1 and all(arms[0].is_paired_with(arm) for arm in arms[1:]),
        sentence=_sentence(standings, unit),
        footing=_footing(arms, level, unit),
    )


def not_comparable(ranking: Ranking, what: str, names: Sequence[str]) -> Ranking:
    """Of runs of different tasks or losses: their numbers, in the order in which they are, and no claim.

    Args:
        ranking: as if they were comparable.
        what: they differ in, "tasks" or "losses".
        names: of those.
    """
    standings = tuple(
        structs.replace(standing, word="not comparable", text="", difference=None, low=None, high=None)
        for standing in ranking.standings
    )
    by = f" by {ranking.metric}" if what == "losses" else ""
    sentence = f"Runs of different {what} ({_listed(list(names))}) are not comparable{by}: nothing is ranked."
    return structs.replace(ranking, standings=standings, sentence=sentence, footing="")


class _Arm:
    """An arm with its values as scores, of which more is better."""

    def __init__(self, label: str, values: Mapping[str, float], is_lower_better: bool) -> None:
        self.label = label
        self.values = dict(sorted(values.items()))
        self.sign = -1.0 if is_lower_better else 1.0
        self.finite = {key: float(value) for key, value in self.values.items() if math.isfinite(value)}
        by_unit: dict[str, list[float]] = {}
        for key, value in self.finite.items():
            by_unit.setdefault(_unit_of(key), []).append(value)
        self.units = {unit: _mean(of) or 0.0 for unit, of in by_unit.items()}
        """Seed → value; fold → mean over its seeds, which all have the same data: they are no further folds."""
        self.num_units = len({_unit_of(key) for key in self.values})
        self.num_diverged = len(self.values) - len(self.finite)
        self.mean = _mean(list(self.finite.values()))

    @property
    def place(self) -> tuple[bool, bool, float, float, str]:
        """Sorts the best first: those that never diverged, by their means; then by how often; the empty ones last."""
        share = self.num_diverged / max(1, len(self.values))
        return not self.values, self.num_diverged > 0, share, -self.sign * (self.mean or 0.0), self.label

    def num_units_diverged(self, which: Callable[[Iterable[bool]], bool]) -> int:
        """Seeds or folds of which all runs, or any, diverged."""
        units = {_unit_of(key) for key in self.values}
        return sum(which(key not in self.finite for key in self.values if _unit_of(key) == unit) for unit in units)

    def scaled(self, scale: float) -> Values:
        """The values of its seeds or folds as scores, in parts of `scale`."""
        return self.sign * np.array(list(self.units.values()), dtype=np.float64) / scale

    def shared_with(self, other: _Arm) -> list[str]:
        """Seeds or folds that both have."""
        return [unit for unit in self.units if unit in other.units]

    def is_paired_with(self, other: _Arm) -> bool:
        """Whether at least half the seeds or folds of the one that has more are the other's too."""
        num_shared = len(self.shared_with(other))
        return num_shared > 0 and 2 * num_shared >= max(len(self.units), len(other.units))

    def gap_to(self, other: _Arm, unit: str, scale: float) -> float:
        """How much more this one has in a seed or fold, in parts of `scale`; where it can, over the same seeds."""
        keys = [key for key in self.finite if _unit_of(key) == unit and key in other.finite]
        if not keys:
            return self.units[unit] / scale - other.units[unit] / scale
        return math.fsum(self.finite[key] / scale - other.finite[key] / scale for key in keys) / len(keys)


class _Family:
    """Arms that are judged at once, the best first."""

    def __init__(self, arms: list[_Arm], level: float, unit: str) -> None:
        self.arms = arms
        self.level = level
        self.unit = unit
        self.num_arms = sum(len(arm.values) > 1 for arm in arms)
        # In parts of the largest value nothing overflows.
        self.scale = max((abs(value) for arm in arms for value in arm.finite.values()), default=0.0) or 1.0
        self.num_folds = len({_unit_of(key) for arm in arms for key in arm.values if "/" in key})
        has_more = any(arm.num_units < len(arm.values) for arm in arms)
        self.each = "run" if has_more else unit
        """What a value is of: with several seeds of each fold, a run."""
        known = [arm for arm in arms if len(arm.units) > 1]
        # Seeds change nothing in any arm: the runs are deterministic, or it is a coincidence of few seeds.
        constant = bool(known) and all(_is_constant(arm.scaled(self.scale)) for arm in known)
        least = min((len(arm.units) for arm in known), default=0)
        self.is_exact = constant and chance_of_constants(least, len(known)) <= 1.0 - level

    def first(self, others: tuple[Standing, ...]) -> Standing:
        """The standing of the best arm; better than every other one, or cannot tell."""
        best = self.arms[0]
        undecided = [other for other in self.arms[1:] if self._word_of(other, others) != WORSE]
        if others and not undecided:
            return self._standing(
                best, BETTER, "better than " + ("every other one" if len(others) > 1 else others[0].arm)
            )
        if best.num_diverged:
            text = self._diverged(best)
        elif not others:
            text = ""
        else:
            text = "the best so far" if best.values else "no value yet"
        if not others:
            return self._standing(best, "", text)
        num = min((self._num_shared(other) for other in undecided if other.values), default=best.num_units)
        return self._standing(best, self._cannot_tell(num), text)

    def standing(self, arm: _Arm) -> Standing:
        """The standing of another arm than the best."""
        best = self.arms[0]
        num = self._num_shared(arm)
        cannot = self._cannot_tell(num)
        if not arm.values:
            return self._standing(arm, cannot, "no value yet")
        if arm.num_diverged:
            others = [other for other in self.arms if other is not arm]
            num_theirs = (
                sum(other.num_units_diverged(any) for other in others),
                sum(other.num_units for other in others),
            )
            chance = self.num_arms * chance_of_divergence(arm.num_units_diverged(all), arm.num_units, *num_theirs)
            is_worse = best.num_diverged == 0 and num > 1 and chance <= 1.0 - self.level
            return self._standing(arm, WORSE if is_worse else cannot, self._diverged(arm))
        found = self._interval(arm)
        difference = self._real(-arm.sign * found.center)
        ends = sorted((-arm.sign * found.low, -arm.sign * found.high)) if found.is_known else []
        low, high = (self._real(ends[0]), self._real(ends[1])) if ends else (None, None)
        is_worse = num > 1 and found.is_known and found.low > 0.0
        return self._standing(
            arm, WORSE if is_worse else cannot, self._told(arm, difference, low, high), difference, low, high
        )

    def _interval(self, arm: _Arm) -> Interval:
        """Of how much the best is ahead of an arm, in parts of the scale."""
        best = self.arms[0]
        ours, theirs = best.scaled(self.scale), arm.scaled(self.scale)
        step = step_of(np.concatenate([ours, theirs]))
        if not best.is_paired_with(arm):
            if _is_constant(ours) and _is_constant(theirs):
                return self._constant(float(ours.mean() - theirs.mean()), min(len(ours), len(theirs)))
            return two_sample_interval(ours, theirs, self.num_arms, self.level, step)
        shared = best.shared_with(arm)
        gaps = best.sign * np.array([best.gap_to(arm, unit, self.scale) for unit in shared])
        if _is_constant(gaps):
            found = self._constant(float(gaps[0]), len(gaps))
            # Too few that agree say nothing of how far they may vary; the spread of each arm's own values does.
            is_varied = not (_is_constant(ours) and _is_constant(theirs))
            if found.is_known or not is_varied:
                return found
            return two_sample_interval(ours, theirs, self.num_arms, self.level, step)
        num_folds = self.num_folds if all("/" in unit for unit in shared) else 1
        return paired_interval(gaps, self.num_arms, self.level, step, num_folds)

    def _constant(self, gap: float, num: int) -> Interval:
        """Of a gap that is the same in every seed: it is exact, or too few seeds hide how much it varies."""
        if abs(gap) <= _SAME:
            return Interval(0.0, 0.0, 0.0, is_known=num > 1)
        chance = self.num_arms * (self.num_arms - 1) / 2 * chance_of_constant_differences(num)
        is_known = num > 1 and (self.is_exact or chance <= 1.0 - self.level)
        return Interval(gap, gap, gap, is_known)

    def _real(self, share: float) -> float | None:
        """In the metric's own unit; None beyond what a float holds."""
        value = share * self.scale + 0.0  # no minus zero
        return value if math.isfinite(value) else None

    def _num_shared(self, arm: _Arm) -> int:
        best = self.arms[0]
        if arm.num_diverged or best.num_diverged:
            return min(arm.num_units, best.num_units)
        if best.is_paired_with(arm):
            return len(best.shared_with(arm))
        return min(len(best.units), len(arm.units))

    def _word_of(self, arm: _Arm, standings: tuple[Standing, ...]) -> str:
        return next(standing.word for standing in standings if standing.arm == arm.label)

    def _cannot_tell(self, num: int) -> str:
        return f"{CANNOT_TELL} with {num} {self.unit}{'' if num == 1 else 's'}"

    def _diverged(self, arm: _Arm) -> str:
        return f"diverged in {arm.num_diverged} of {len(arm.values)} {self.each}{'' if len(arm.values) == 1 else 's'}"

    def _told(self, arm: _Arm, difference: float | None, low: float | None, high: float | None) -> str:
        missing = max(len(other.values) for other in self.arms) - len(arm.values)
        few = f"; {len(arm.values)} of {len(arm.values) + missing} {self.each}s" if missing else ""
        if difference is None:
            return "too far from the best for a number" + few
        if difference == low == high:
            same = "the same value" if difference == 0.0 else f"{difference:+.2g}"
            return f"{same} in every {self.unit}" + few
        span = "" if low is None or high is None else f" ({low:+.2g} to {high:+.2g})"
        return f"{difference:+.2g}{span}" + few

    def _standing(
        self, arm: _Arm, word: str, text: str, difference: float | None = None, low: float | None = None,
        high: float | None = None,
    ) -> Standing:  # fmt: skip
        is_averaged = arm.mean is not None and not arm.num_diverged
        if arm is self.arms[0] and is_averaged:
            difference = low = high = 0.0
        deviation = None
        if is_averaged and len(arm.finite) > 1:
            scaled = np.array(list(arm.finite.values()), dtype=np.float64) / self.scale
            deviation = self._real(float(np.std(scaled, ddof=1)))
        return Standing(
            arm=arm.label,
            values={key: value if math.isfinite(value) else None for key, value in arm.values.items()},
            num=len(arm.finite),
            num_diverged=arm.num_diverged,
            mean=arm.mean if is_averaged else None,
            deviation=deviation,
            difference=difference,
            low=low,
            high=high,
            word=word,
            text=text,
        )


def _sentence(standings: tuple[Standing, ...], unit: str) -> str:
    """The verdict, for people."""
    if not standings:
        return "Nothing was compared."
    best, others = standings[0], standings[1:]
    if not others:
        return _alone(best, unit)
    if best.word == BETTER:
        return f"{best.arm} is better than {'every other arm' if len(others) > 1 else others[0].arm}."
    worse = [other.arm for other in others if other.word == WORSE]
    left = [standing.arm for standing in standings if standing.word != WORSE]
    told = f"{best.word[0].upper()}{best.word[1:]} which of {_listed(left)} is best"
    empty = [standing.arm for standing in standings if not standing.values]
    if best.num > 1 and empty:
        told += f": {_listed(empty)} {'has' if len(empty) == 1 else 'have'} no value yet"
    if best.num < 2 and best.num_diverged == 0:
        told += f": one {unit} says nothing about chance" if best.num else ": there is no value yet"
    return told + (f"; {_listed(worse)} {'is' if len(worse) == 1 else 'are'} worse." if worse else ".")


def _alone(arm: Standing, unit: str) -> str:
    """Of one arm: its mean and its spread, which is what a cross-validation is for."""
    if arm.mean is None:
        return f"{arm.arm} has no value." if not arm.num_diverged else f"{arm.arm} diverged."
    if arm.deviation is None:
        return f"{arm.arm}: {arm.mean:.4g} with one {unit}, which says nothing about chance."
    num_units = len({_unit_of(key) for key in arm.values})
    over = f"{arm.num} {unit}s" if num_units == len(arm.values) else f"{arm.num} runs of {num_units} {unit}s"
    return f"{arm.arm}: {arm.mean:.4g} ± {arm.deviation:#.2g}, mean and standard deviation over {over}."


def _footing(arms: list[_Arm], level: float, unit: str) -> str:
    """What the intervals are."""
    if len(arms) < 2:
        return ""
    if max(len(arm.values) for arm in arms) < 2:
        return f"Intervals need at least two {unit}s."
    best = arms[0]
    # An arm that diverged has no interval.
    paired = [best.is_paired_with(arm) for arm in arms[1:] if arm.values and not arm.num_diverged]
    if not paired or best.num_diverged:
        return ""
    pairs = f", taken {unit} by {unit}" if all(paired) else f", not {unit} by {unit}: the arms have different ones"
    if any(arm.num_units < len(arm.values) for arm in arms):
        pairs += ", the seeds of each averaged"
    reasons = [f"so that all {len(arms)} arms are judged at once"] if len(arms) > 2 else []
    reasons += ["because folds share their training data"] if unit == "fold" and all(paired) else []
    wide = f"; widened {' and '.join(reasons)}" if reasons else ""
    return f"{100 * level:g} % intervals of the difference to the best{pairs}{wide}."


def _unit_of(key: str) -> str:
    """What a value is one draw of: "/2" of the fold 2, whatever the seed, as its data are the same; else the seed."""
    _, separator, fold = key.rpartition("/")
    return separator + fold if separator else key


def _is_constant(scaled: Values) -> bool:
    return len(scaled) == 0 or float(scaled.max() - scaled.min()) <= _SAME


def _mean(values: list[float]) -> float | None:
    """Between the smallest and the largest, also of the largest floats there are."""
    if not values:
        return None
    scale = max(abs(value) for value in values) or 1.0
    mean = scale * min(1.0, max(-1.0, math.fsum(value / scale for value in values) / len(values)))
    return min(max(values), max(min(values), mean))


def _listed(names: list[str]) -> str:
    """a; a and b; a, b and c; a, b, c and 4 more."""
    if len(names) > 4:
        names = [*names[:3], f"{len(names) - 3} more"]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
