"""The fold of a comparison: states, bands, what is ranked, what cannot be compared."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from tests.comparing.made_up import started
from tuitrain.board.comparison import Comparison, MemberView, band_of, task_of
from tuitrain.board.curves import Curves
from tuitrain.protocol.comparing import (
    ComparisonPlan,
    Member,
    MemberAdded,
    MemberEnded,
    MemberLaunched,
    MemberState,
    MemberSubmitted,
    Remarked,
    SchedulerEnded,
    SchedulerStarted,
)
from tuitrain.protocol.description import OptimizerState
from tuitrain.protocol.events import AlarmRaised, EvalFinished, Heartbeat, RolledBack, RunEnded
from tuitrain.protocol.measured import SharpnessMeasured


def evaluation(step: int, loss: float, train_loss: float = 0.0) -> EvalFinished:
    metrics = {"eval/loss": loss, "train/loss": train_loss, "eval/accuracy": 1 - loss}
    return EvalFinished(seq=step, time=0.0, step=step, metrics=metrics, eval_seconds=0.0, num_samples=10)


def curves(points: Sequence[tuple[int, float]]) -> Curves:
    found = Curves()
    for step, loss in points:
        found.add(evaluation(step, loss))
    return found


def comparison(**arms: list[Curves]) -> Comparison:
    members = [
        Member(key=f"{arm}-s{seed}", arm=arm, seed=seed) for arm, found in arms.items() for seed in range(len(found))
    ]
    made = Comparison(ComparisonPlan(name="c", created=0.0, arms=tuple(arms), members=tuple(members)))
    for arm, found in arms.items():
        for seed, each in enumerate(found):
            made.members[f"{arm}-s{seed}"].curves = each
    return made


def test_the_journal_tells_the_state_of_each_member() -> None:
    """Waiting, launched, ended, launched again from its checkpoint; a trial that a search added."""
    made = comparison(a=[Curves()])
    view = made.members["a-s0"]
    assert (view.state, made.is_done) == ("waiting", False)
    made.add(SchedulerStarted(time=0.0, host="h", pid=1))
    made.add(MemberLaunched(time=0.0, key="a-s0", run="/runs/one", slot=1))
    made.add(MemberSubmitted(time=0.0, key="a-s0", handle="7"))
    assert (view.state, view.run_id, view.handle, view.slot, view.attempt) == ("starting", "one", "7", 1, 1)
    made.add(MemberEnded(time=0.0, key="a-s0", state="lost", message="gone"))
    assert (view.state, view.ended, view.message, view.is_final) == ("lost", "lost", "gone", True)
    kept = view.curves
    made.add(MemberLaunched(time=0.0, key="a-s0", run="/runs/one", attempt=2, is_resumed=True))
    assert (view.state, view.ended, view.message, view.attempt) == ("starting", None, "", 2)
    assert view.curves is kept  # the run goes on in its folder
    made.add(MemberLaunched(time=0.0, key="a-s0", run="/runs/two", attempt=3))
    assert view.curves is not kept
    made.add(MemberAdded(time=0.0, member=Member(key="t-1", arm="trial 1")))
    made.add(Remarked(time=0.0, text="edge"))
    made.add(SchedulerEnded(time=0.0, reason="stopped"))
    assert list(made.arms) == ["a", "trial 1"]
    assert made.remarks == ["edge"]
    assert made.is_done


def test_what_went_wrong_is_what_was_launched_and_failed() -> None:
    """A run that was there already may have failed long ago; and what a person stopped is no failure."""
    made = comparison(a=[Curves()], b=[Curves()])
    made.members["b-s0"].member = Member(key="b-s0", arm="b", run="/runs/old")
    made.members["b-s0"].state = "failed"
    found = []
    made.add(SchedulerEnded(time=0.0, reason="failed"))
    found.append(made.has_gone_wrong)  # one waits, and nobody will launch it
    made.add(SchedulerEnded(time=0.0, reason="stopped"))
    found.append(made.has_gone_wrong)
    states: tuple[MemberState, ...] = ("finished", "pruned", "lost", "failed")
    for state in states:
        made.add(MemberEnded(time=0.0, key="a-s0", state=state))
        found.append(made.has_gone_wrong)
    assert found == [True, False, False, False, True, True]


def test_a_band_is_the_mean_and_one_deviation_where_all_have_come() -> None:
    """Runs that evaluate at the same steps share them; the one that is ahead is waited for."""
    made = comparison(a=[curves([(10, 1.0), (20, 0.5)]), curves([(10, 2.0), (20, 1.5), (30, 1.0)])])
    band = made.band("a", "eval/loss", "step", 0.0, num_points=3)
    assert band is not None
    assert band.xs.tolist() == [10, 15, 20]
    assert band.means.tolist() == [1.5, 1.25, 1.0]
    np.testing.assert_allclose(band.highs - band.means, math.sqrt(0.5))
    assert band_of([], 10) is None
    apart = [(np.array([0.0, 1.0]), np.array([1.0, 1.0])), (np.array([2.0, 3.0]), np.array([1.0, 1.0]))]
    assert band_of(apart, 10) is None


def test_a_failed_member_is_not_in_the_band() -> None:
    """It would hold the mean of the others back at the step where it failed."""
    made = comparison(a=[curves([(10, 1.0), (20, 0.5)]), curves([(10, 9.0)])])
    made.members["a-s1"].state = "failed"
    band = made.band("a", "eval/loss", "step", 0.0)
    assert band is not None
    assert band.means.tolist() == [1.0, 0.5]


def test_last_values_are_paired_by_seed_and_fold() -> None:
    """And a member that was cancelled has none."""
    made = comparison(a=[curves([(10, 1.0), (20, 0.5)]), curves([(10, 2.0)])], b=[curves([(10, 3.0)])])
    made.members["a-s1"].state = "cancelled"
    assert made.final_values("eval/loss") == {"a": {"0": 0.5}, "b": {"0": 3.0}}
    assert Member(key="x", arm="a", seed=2, fold=3).pair == "2/3"


def test_the_comparisons_own_metric_comes_first_and_evaluated_ones_before_the_rest() -> None:
    """As they are cycled through."""
    found = curves([(10, 1.0)])
    found.add_values("batch/loss", 1, 1, np.array([1.0]))
    made = comparison(a=[found])
    assert made.metrics() == [
        "eval/loss", "eval/accuracy", "gap/loss", "train/loss", "batch/loss"
    ]  # fmt: skip
    assert made.is_lower_better("eval/loss")
    assert not made.is_lower_better("eval/accuracy")


def test_tasks_are_told_apart() -> None:
    """Losses of different tasks are not comparable."""
    members = [
        Member(key=name, arm=name, preset={"task": {"dataset": dataset}})
        for name, dataset in (("a", "digits"), ("b", "digits"), ("c", "mnist-5k"))
    ]
    made = Comparison(ComparisonPlan(name="c", created=0.0, members=tuple(members)))
    assert made.tasks() == ["digits", "mnist-5k"]
    for name, loss in (("a", 0.1), ("b", 0.2), ("c", 9.0)):
        made.members[name].curves = curves([(10, loss)])
    ranking = made.ranking("eval/loss")
    assert "digits and mnist-5k) are not comparable" in ranking.sentence
    assert {standing.word for standing in ranking.standings} == {"not comparable"}


def test_one_function_and_ones_own_table_are_a_task_each() -> None:
    """Two tables are two tasks, and so are two columns of one, and two surfaces."""
    tables = [
        {"dataset": "csv", "path": path, "target": target} for path, target in (("a", "x"), ("b", "x"), ("a", "y"))
    ]
    assert len({task_of({"task": task}) for task in tables}) == 3
    surfaces: list[dict[str, object]] = [
        {"task": {"dataset": "surface"}, "surface": {"name": name}} for name in ("ravine", "beale")
    ]
    assert [task_of(preset) for preset in surfaces] == ["surface ravine", "surface beale"]


def test_a_loss_ranks_no_runs_that_minimise_another_one() -> None:
    """Half of a square is not less than an absolute value; accuracies stay comparable."""
    members = [
        Member(key=name, arm=name, seed=seed, preset={"task": {"dataset": "line", "huber_delta": delta}})
        for name, seed, delta in (("a-0", 0, None), ("a-1", 1, None), ("b-0", 0, 0.5), ("b-1", 1, 0.5))
    ]
    made = Comparison(ComparisonPlan(name="c", created=0.0, members=tuple(members)))
    for index, (name, loss) in enumerate((("a-0", "l1"), ("a-1", "l1"), ("b-0", "huber"), ("b-1", "huber"))):
        made.members[name].curves = curves([(10, 0.1 * index)])
        made.members[name].curves.started = msgspec.structs.replace(started(10, 0), loss=loss)
    assert made.losses() == ["l1", "huber delta 0.5"]
    found = made.ranking("eval/loss")
    assert found.sentence == (
        "Runs of different losses (l1 and huber delta 0.5) are not comparable by eval/loss: nothing is ranked."
    )
    assert "comparable" not in made.ranking("eval/accuracy").sentence


def test_best_last_and_time_to_target() -> None:
    """The first of equal bests; a target is reached at the first value that is at it, in the metric's own sense."""
    found = curves([(10, 0.9), (20, 0.2), (30, 0.2), (40, 0.6)])
    best = found.best("eval/loss")
    assert best is not None
    assert (best.step, best.value, found.last("eval/loss")) == (20, 0.2, 0.6)
    reached = found.reached("eval/accuracy", 0.8)
    assert reached is not None
    assert reached.step == 20
    assert found.reached("eval/loss", 0.1) is None
    assert Curves().best("eval/loss") is None
    diverged = curves([(10, math.nan)])
    assert diverged.best("eval/loss") is None
    assert math.isnan(diverged.last("eval/loss") or 0.0)


def test_the_sharpness_at_the_end_is_a_point_of_its_curve() -> None:
    """The comparison set on flat minima is ranked by it."""
    found = Curves()
    found.add(
        SharpnessMeasured(
            seq=1, time=0.0, step=40, sharpness=2.5, history=[2.5], has_converged=True, learning_rate=0.1,
            stable_rate=0.8, optimizer="sgd", num_samples=10, measure_seconds=0.1,
        )
    )  # fmt: skip
    assert found.last("sharpness") == 2.5


def test_a_run_that_went_back_has_the_curve_of_what_it_did_then() -> None:
    """What it left is not part of it."""
    found = curves([(10, 1.0), (20, 5.0)])
    found.add_values("batch/loss", 1, 1, np.arange(20.0))
    found.add(
        RolledBack(
            seq=1, time=0.0, step=10, from_step=20, timeline=1, source="memory", total_steps=40, batch_size=4,
            steps_per_epoch=5, optimizer=OptimizerState(name="sgd", groups=()),
        )
    )  # fmt: skip
    found.add(evaluation(20, 0.5))
    assert found.evaluated["eval/loss"] == [(10, 1.0), (20, 0.5)]
    assert len(found.line("batch/loss", "step")[0]) == 10


@pytest.mark.parametrize(("reason", "state"), [("finished", "finished"), ("aborted", "stopped"), ("failed", "failed")])
def test_the_state_is_what_the_run_says(reason: str, state: str) -> None:
    """As in the list of runs."""
    found = Curves()
    found.add(RunEnded(seq=1, time=0.0, step=3, reason=reason))  # type: ignore[arg-type]
    assert found.state == state
    assert MemberView(Member(key="a", arm="a")).progress == 0.0


def test_of_two_members_with_one_seed_the_one_with_a_value_counts() -> None:
    """Of runs grouped by seed, one may have been run twice."""
    for states in (("finished", "lost"), ("lost", "finished")):
        members = [Member(key=key, arm="a") for key in ("one", "two")]
        made = Comparison(ComparisonPlan(name="c", created=0.0, arms=("a",), members=tuple(members)))
        for view, state in zip(made.members.values(), states, strict=True):
            view.state, view.curves = state, curves([(10, 1.0)])  # type: ignore[assignment]
        assert made.final_values("eval/loss") == {"a": {"0": 1.0}}


def test_a_run_that_broke_off_at_a_loss_that_is_no_number_diverged() -> None:
    """Also where it was killed before the next evaluation: the moving average of the loss leaves such values out."""
    made = comparison(a=[curves([(10, 1.0)])], b=[curves([(10, 1.0)])])
    for view, loss in zip(made.members.values(), (1.0, math.nan), strict=True):
        view.curves.add_values("batch/loss", 1, 1, np.array([1.0] * 5000 + [math.nan, loss]))
        view.state = "failed"
    found = made.final_values("eval/loss")
    assert found["a"] == {}
    assert math.isnan(found["b"]["0"])


@pytest.mark.parametrize("metric", ["eval/loss", "eval/accuracy"])
def test_what_a_run_died_of_is_its_end_and_not_its_last_value(metric: str) -> None:
    """Its last evaluation was fine still; a later session that went on well has another end."""
    died = Curves()
    for event in (
        EvalFinished(step=10, metrics={metric: 0.5}, eval_seconds=0.0, num_samples=1),
        AlarmRaised(step=12, kind="nonfinite_loss", message="", value=math.nan, action="stop"),
        AlarmRaised(step=12, kind="disk", message="", value=0.0),
        RunEnded(step=12, reason="failed", last={metric: 0.5}),
    ):
        died.add(event)
    made = comparison(a=[died], b=[curves([(10, 1.0)])])
    made.members["a-s0"].state = "failed"
    assert died.has_diverged
    assert math.isnan(made.final_values(metric)["a"]["0"])
    died.add(AlarmRaised(step=12, kind="plateau", message="", value=0.0, action="stop"))
    assert not died.has_diverged


def rolled_back(step: int, from_step: int, timeline: int, origin: int = 0) -> RolledBack:
    return RolledBack(
        seq=1, time=0.0, step=step, from_step=from_step, timeline=timeline, origin=origin, source="memory",
        total_steps=100, steps_per_epoch=10, batch_size=4, optimizer=OptimizerState(name="sgd", groups=()),
    )  # fmt: skip


@pytest.mark.parametrize("num_steps", [10, 40])
def test_a_roll_back_that_was_undone_brings_the_curve_back(num_steps: int) -> None:
    """What was done after going back is gone, however far it came, and what it had left is there again."""
    found = Curves()
    found.add_values("batch/loss", 1, 1, np.arange(1.0, 41.0))
    for step in (10, 20, 30, 40):
        found.add_steps(step, float(step))
        found.add(evaluation(step, 1 / step))
    found.add(rolled_back(10, 40, timeline=1))
    found.add_values("batch/loss", 11, 1, np.full(num_steps, 99.0))
    found.add_steps(10 + num_steps, 50.0)
    found.add(evaluation(20, 99.0))
    found.add(rolled_back(35, 10 + num_steps, timeline=2))
    assert found.evaluated["eval/loss"] == [(10, 0.1), (20, 0.05), (30, 1 / 30)]
    assert found.line("batch/loss", "step")[1].tolist() == list(np.arange(1.0, 36.0))
    assert found.step == 35
    found.add_steps(36, 51.0)
    assert found.line("eval/loss", "seconds")[0].tolist() == [10.0, 20.0, 30.0]
    found.add(rolled_back(15, 36, timeline=3, origin=1))
    assert found.line("batch/loss", "step")[1].tolist() == [*np.arange(1.0, 11.0), *[99.0] * 5]


def test_words_of_a_strange_run_are_made_harmless() -> None:
    """They are drawn on a terminal."""
    found = Curves()
    found.add(EvalFinished(seq=1, time=0.0, step=1, metrics={"e\x1b[2J": 1.0}, eval_seconds=0.0, num_samples=1))
    found.add_values("b\x9b2J", 1, 1, np.ones(3))
    found.add(RunEnded(seq=2, time=0.0, step=1, reason="failed", message="no\x07\nmemory"))
    assert list(found.metrics()) == ["b·2J", "e·[2J"]
    assert found.ended is not None
    assert found.ended.message == "no· memory"


def test_seconds_begin_where_the_first_step_could() -> None:
    """Half a minute of loading libraries is no time of the training, and none of its best."""
    found = Curves()
    found.add(Heartbeat(seq=1, seconds=20.0, step=0, state="starting", steps_per_second=0.0, watching_share=0.0))
    assert found.seconds == 0.0
    found.add(msgspec.structs.replace(started(100, seed=0), seconds=30.0))
    found.add_steps(10, 31.0)
    found.add(msgspec.structs.replace(evaluation(10, 0.5), seconds=31.0))
    assert found.seconds == 1.0
    best = found.best("eval/loss")
    assert best is not None
    assert best.seconds == 1.0


def test_what_a_strange_preset_gives_a_loss_does_no_harm() -> None:
    """It was never checked, and what is no number tells no losses apart."""
    made = comparison(a=[curves([(1, 0.1)])], b=[curves([(1, 0.2)])])
    for key, delta in (("a-s0", "x"), ("b-s0", 2.0)):
        view = made.members[key]
        view.member = msgspec.structs.replace(view.member, preset={"task": {"huber_delta": delta}})
        view.curves.add(msgspec.structs.replace(started(10, seed=0), loss="huber"))
    assert "Runs of different losses (huber and huber delta 2)" in made.ranking("eval/loss").sentence
