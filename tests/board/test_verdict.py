"""The verdict: hand cases with a known answer, and what holds for any values."""

from __future__ import annotations

import math
import warnings

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuitrain.board.verdict import BETTER, WORSE, Ranking, rank

Arms = dict[str, dict[str, float]]
NAN, INF = math.nan, math.inf


def ranked(arms: Arms, *, is_lower_better: bool = False) -> Ranking:
    return rank(arms, is_lower_better=is_lower_better, metric="eval/accuracy")


def seeds(*values: float, first: int = 0) -> dict[str, float]:
    return {str(first + seed): value for seed, value in enumerate(values)}


def words(arms: Arms, *, is_lower_better: bool = False) -> dict[str, str]:
    return {s.arm: s.word for s in ranked(arms, is_lower_better=is_lower_better).standings}


def test_two_arms_that_are_clearly_different_are_better_and_worse() -> None:
    """Means, deviations and the sign of the difference by hand: b is 0.1 below a in every seed, give or take 0.005."""
    found = ranked({"b": seeds(0.800, 0.815, 0.820), "a": seeds(0.90, 0.91, 0.92)})
    best, other = found.standings
    assert (best.arm, best.word) == ("a", BETTER)
    assert best.mean == pytest.approx(0.91)
    assert best.deviation == pytest.approx(0.01)
    assert (best.difference, best.low, best.high) == (0.0, 0.0, 0.0)
    assert (other.arm, other.word) == ("b", WORSE)
    assert other.difference == pytest.approx(-(0.1 + 0.095 + 0.1) / 3)
    assert other.low is not None
    assert other.high is not None
    assert -0.15 < other.low < -0.1
    assert -0.095 < other.high < -0.08
    assert (found.is_paired, found.num_seeds) == (True, 3)
    assert found.sentence == "a is better than b."


def test_two_arms_have_at_least_the_interval_of_student() -> None:
    """Differences 1, 2, 3, 4, 5: 3 ± 2.776 · 1.581/√5 = 3 ± 1.963; c is simulated, never too small."""
    found = ranked({"a": seeds(1.1, 2.2, 3.3, 4.4, 5.5), "b": seeds(0.1, 0.2, 0.3, 0.4, 0.5)}).standings[1]
    assert found.difference == pytest.approx(-3.0)
    assert found.low is not None
    assert found.high is not None
    assert -3.0 - 1.963 * 1.05 < found.low < -3.0 - 1.963
    assert found.high + found.low == pytest.approx(-6.0)


def test_an_outlier_widens_its_own_side() -> None:
    """Resamples of the runs follow skewness: five seeds of which one is far out, above or below."""
    far, near = seeds(1.0, 1.1, 1.2, 0.9, 9.0), seeds(0.1, 0.2, 0.3, 0.4, 0.5)
    above = ranked({"a": far, "b": near}).standings[1]
    below = ranked({"a": {seed: 9.0 - value for seed, value in far.items()}, "b": near}).standings[1]
    sides = []
    for found in (above, below):
        assert found.low is not None
        assert found.high is not None
        assert found.difference is not None
        sides.append((found.difference - found.low) / (found.high - found.difference))
    assert sides[0] > 1.05
    assert sides[1] < 1 / 1.05


def test_one_seed_cannot_tell() -> None:
    """However far apart."""
    found = ranked({"a": seeds(0.99), "b": seeds(0.1)})
    assert [s.word for s in found.standings] == ["cannot tell with 1 seed"] * 2
    assert found.standings[1].low is None
    assert found.standings[0].deviation is None
    assert "one seed says nothing about chance" in found.sentence


def test_lower_is_better_turns_the_order_and_not_the_difference() -> None:
    """The difference stays in the metric's own unit: a worse loss is a larger one."""
    found = ranked({"a": seeds(0.1, 0.11, 0.12), "b": seeds(0.5, 0.51, 0.53)}, is_lower_better=True)
    assert [s.arm for s in found.standings] == ["a", "b"]
    assert found.standings[1].word == WORSE
    assert found.standings[1].low is not None
    assert found.standings[1].low > 0.0


def test_seeds_that_are_hard_for_all_do_not_hide_a_difference() -> None:
    """Seed by seed a is 0.1 ahead, though the seeds differ by 10; with other seeds nobody can tell."""
    a, b = seeds(0.1, 5.11, 10.09, 2.1), seeds(0.0, 5.0, 10.0, 2.0)
    assert words({"a": a, "b": b})["b"] == WORSE
    apart = {"a": a, "b": {f"1{seed}": value for seed, value in b.items()}}
    assert words(apart) == {"a": "cannot tell with 4 seeds", "b": "cannot tell with 4 seeds"}
    assert not ranked(apart).is_paired
    assert "not seed by seed" in ranked(apart).footing


def test_equal_runs_cannot_be_told_apart() -> None:
    """Identical values have no variance; nothing is divided by it."""
    found = ranked({name: seeds(0.5, 0.6, 0.7) for name in ("a", "b", "c")})
    assert {s.word for s in found.standings} == {"cannot tell with 3 seeds"}
    assert found.standings[2].text == "the same value in every seed"


@pytest.mark.parametrize(
    ("num_arms", "num_seeds", "is_told"), [(2, 2, False), (2, 3, True), (5, 2, True), (3, 3, True)]
)
def test_runs_that_seeds_do_not_change_differ_exactly(num_arms: int, num_seeds: int, is_told: bool) -> None:
    """Full-batch descent from one start. Two seeds of two arms may agree by coincidence, as accuracies do."""
    arms = {f"arm {arm}": dict.fromkeys(map(str, range(num_seeds)), 1.0 + arm) for arm in range(num_arms)}
    told = words(arms, is_lower_better=True)
    assert (told["arm 0"] == BETTER) == is_told
    assert (told["arm 1"] == WORSE) == is_told


def test_a_difference_that_is_the_same_by_coincidence_is_none() -> None:
    """One sample of a hundred more in each of three seeds: with coarse values that happens one time in four.

    Far more than the seeds of an arm are apart is no coincidence; nor is the same in seven seeds.
    """
    steps = {"a": seeds(0.90, 0.93, 0.95), "b": seeds(0.89, 0.92, 0.94)}
    assert words(steps)["b"] == "cannot tell with 3 seeds"
    far = {"a": seeds(0.90, 0.93, 0.95), "b": seeds(0.50, 0.53, 0.55)}
    assert words(far)["b"] == WORSE
    more = {"a": seeds(*(0.90 + 0.01 * i for i in range(7))), "b": seeds(*(0.89 + 0.01 * i for i in range(7)))}
    assert words(more)["b"] == WORSE


def test_diverged_arms_are_last_and_not_averaged() -> None:
    """Worse where it happened too often for chance; otherwise nobody can tell."""
    arms = {"a": seeds(0.5, 0.6, 0.7, 0.6), "wild": seeds(0.9, NAN, 0.9, 0.9), "burnt": seeds(NAN, INF, NAN, -INF)}
    found = {s.arm: s for s in ranked(arms).standings}
    assert list(found) == ["a", "wild", "burnt"]
    assert (found["wild"].mean, found["wild"].num, found["wild"].num_diverged) == (None, 3, 1)
    assert (found["wild"].word, found["wild"].text) == ("cannot tell with 4 seeds", "diverged in 1 of 4 seeds")
    assert (found["burnt"].word, found["burnt"].text) == (WORSE, "diverged in 4 of 4 seeds")
    assert found["burnt"].values == {"0": None, "1": None, "2": None, "3": None}
    assert words({"a": seeds(0.5), "b": seeds(NAN)})["b"] == "cannot tell with 1 seed"


def test_all_diverged_cannot_tell() -> None:
    """Nobody is better than anybody."""
    assert set(words({"a": seeds(NAN, NAN, NAN), "b": seeds(INF, INF, INF)}).values()) == {"cannot tell with 3 seeds"}


def test_seeds_that_are_missing_are_said() -> None:
    """What is there is used, over the seeds that both have."""
    found = ranked({"a": seeds(1.0, 1.1, 1.2, 1.3), "b": seeds(0.5, 0.61, 0.69)})
    assert found.standings[1].word == WORSE
    assert found.standings[1].text.endswith("; 3 of 4 seeds")
    assert found.standings[1].difference == pytest.approx(-0.5)
    assert found.is_paired


def test_an_arm_without_values_does_not_hide_the_others() -> None:
    """It is last; how many seeds cannot tell is about those that have any."""
    found = ranked({"empty": {}, "a": seeds(0.5, 0.6), "b": seeds(0.55, 0.5)})
    assert [s.arm for s in found.standings] == ["a", "b", "empty"]
    assert found.standings[0].word == "cannot tell with 2 seeds"
    assert found.standings[2].text == "no value yet"


def test_ranks_of_nothing_and_of_one() -> None:
    """One arm alone has a mean and a spread, and no word."""
    assert ranked({}).standings == ()
    assert ranked({"a": {}}).sentence == "a has no value."
    assert ranked({"a": {"0": 1.0}}).sentence == "a: 1 with one seed, which says nothing about chance."
    folded = ranked({"a": {"0/1": 1.0, "0/2": 2.0, "0/3": 3.0}})
    assert folded.sentence == "a: 2 ± 1.0, mean and standard deviation over 3 folds."
    assert (folded.standings[0].word, folded.footing) == ("", "")


def test_more_arms_make_wider_intervals() -> None:
    """All are judged at once; the footing says so."""
    two = {"a": seeds(1.0, 1.1, 1.2, 1.05), "b": seeds(0.5, 0.65, 0.68, 0.55)}
    many = two | {f"c{i}": seeds(0.2, 0.1, 0.3, 0.15) for i in range(4)}
    narrow, wide = (next(s for s in ranked(arms).standings if s.arm == "b") for arms in (two, many))
    assert narrow.low is not None
    assert wide.low is not None
    assert wide.low < narrow.low
    assert "all 6 arms are judged at once" in ranked(many).footing
    assert "widened" not in ranked(two).footing


def test_folds_share_their_data_and_widen_the_interval() -> None:
    """Nadeau and Bengio: by √(1 + n/(K − 1)), for 5 folds of one seed 1.5 times."""
    a, b = (1.0, 1.1, 1.2, 1.05, 1.15), (0.5, 0.65, 0.68, 0.55, 0.6)
    plain = ranked({"a": seeds(*a), "b": seeds(*b)}).standings[1]
    folds = {name: {f"0/{fold + 1}": value for fold, value in enumerate(of)} for name, of in {"a": a, "b": b}.items()}
    found = ranked(folds)
    assert None not in (plain.high, plain.low, found.standings[1].high, found.standings[1].low)
    widths = [s.high - s.low for s in (plain, found.standings[1]) if s.high is not None and s.low is not None]
    assert widths[1] == pytest.approx(1.5 * widths[0])
    assert "folds share their training data" in found.footing
    assert words({"a": {"0/1": 1.0, "0/2": 2.0}, "b": {"0/1": 1.1, "0/2": 1.9}})["a"] == "cannot tell with 2 folds"


def test_seeds_of_a_fold_are_no_further_folds() -> None:
    """They have the same data: ten times the same is no more than once, and the words count folds."""
    a, b = (1.0, 1.1, 1.2, 1.05, 1.15), (0.9, 1.15, 1.0, 1.02, 1.1)
    once, often = (
        ranked({
            name: {f"{seed}/{fold + 1}": value for seed in range(num) for fold, value in enumerate(of)}
            for name, of in {"a": a, "b": b}.items()
        })
        for num in (1, 10)
    )  # fmt: skip
    assert often.standings[1].low == pytest.approx(once.standings[1].low)
    assert often.standings[1].high == pytest.approx(once.standings[1].high)
    assert often.standings[1].word == "cannot tell with 5 folds"
    assert often.footing.endswith(
        "fold by fold, the seeds of each averaged; widened because folds share their training data."
    )
    alone = ranked({"a": {"0/1": 1.0, "1/1": 1.0, "0/2": 3.0, "1/2": 3.0}})
    assert alone.sentence == "a: 2 ± 1.2, mean and standard deviation over 4 runs of 2 folds."
    some = ranked({"a": {"0/1": 1.0, "1/1": 1.0, "0/2": 3.0, "1/2": 3.0}, "b": {"0/1": 0.0, "1/1": math.nan}})
    assert some.standings[1].text == "diverged in 1 of 2 runs"


values = st.dictionaries(st.sampled_from([str(seed) for seed in range(7)]), st.floats(), max_size=7)
tables = st.dictionaries(st.text(max_size=4), values, max_size=5)


@settings(max_examples=80, deadline=None)
@given(tables, st.booleans())
def test_any_values_have_a_ranking(arms: Arms, is_lower_better: bool) -> None:
    """Infinite, as large as floats are, none: nothing raises or warns, every arm is ranked, JSON knows all of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ranked(arms, is_lower_better=is_lower_better)
    assert sorted(s.arm for s in found.standings) == sorted(arms)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Ranking) == found
    assert all(s.word != BETTER for s in found.standings[1:])
    for s in found.standings:
        if s.low is not None and s.high is not None and s.difference is not None:
            assert s.low <= s.difference <= s.high
        if max((len(of) for of in arms.values()), default=0) < 2:
            assert s.word.startswith("cannot tell") or (s.word == "" and len(arms) == 1)


plain = st.dictionaries(
    st.sampled_from("abcd"),
    st.dictionaries(st.sampled_from("01234"), st.floats(-1e6, 1e6, allow_subnormal=False), max_size=5),
    min_size=2,
)


@settings(max_examples=50, deadline=None)
@given(plain)
def test_the_order_of_arms_and_seeds_does_not_matter(arms: Arms) -> None:
    """Same words, same numbers."""
    turned = {label: dict(reversed(list(of.items()))) for label, of in reversed(list(arms.items()))}
    assert ranked(turned) == ranked(arms)


@settings(max_examples=50, deadline=None)
@given(plain, st.integers(-20, 20))
def test_the_unit_of_a_metric_does_not_matter(arms: Arms, power: int) -> None:
    """Exact, as the factor is a power of two; and turned upside down the other side is better."""
    scaled = {label: {key: value * 2.0**power for key, value in of.items()} for label, of in arms.items()}
    assert words(scaled) == words(arms)
    turned = {label: {key: -value for key, value in of.items()} for label, of in arms.items()}
    assert words(turned, is_lower_better=True) == words(arms)


def test_the_footing_says_nothing_of_arms_that_diverged() -> None:
    """They have the same seeds as the best, and no interval at all."""
    good = {"0": 0.1, "1": 0.2, "2": 0.15}
    gone = {"0": math.nan, "1": math.nan, "2": math.nan}
    close = {"0": 0.3, "1": 0.5, "2": 0.35}
    assert "not seed by seed" not in ranked({"a": good, "b": gone, "c": close}).footing
    assert ranked({"a": good, "b": gone}).footing == ""


def test_seeds_of_a_fold_that_diverge_are_one_fold() -> None:
    """As in every other count: the data of a fold are the same for all its seeds."""
    pairs = [f"{seed}/{fold}" for fold in (1, 2) for seed in range(6)]
    calm = {pair: 0.1 + 0.001 * number for number, pair in enumerate(pairs)}
    wild = {pair: math.nan if pair.endswith("/1") else 0.2 for pair in pairs}
    standing = rank({"calm": calm, "wild": wild}, is_lower_better=True, metric="m").standings[1]
    assert (standing.word, standing.text) == ("cannot tell with 2 folds", "diverged in 6 of 12 runs")
    as_seeds = [{str(number): value for number, value in enumerate(each.values())} for each in (calm, wild)]
    found = rank({"calm": as_seeds[0], "wild": as_seeds[1]}, is_lower_better=True, metric="m")
    assert found.standings[1].word == WORSE
