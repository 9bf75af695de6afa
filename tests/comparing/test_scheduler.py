"""The scheduler: so many at once, a slot each; what failed does not stop the others; its death loses nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.comparing.fake_engine import FakeEngine, FakeExecutor, keep_state
from tuitrain.board.comparison import Comparison
from tuitrain.comparing.folder import STOP_ALL, ComparisonFolder, Journal, JournalReader, create_comparison, read_plan
from tuitrain.comparing.scheduler import Scheduler
from tuitrain.comparing.supply import FixedSupply, Supply
from tuitrain.comparing.worker import _supply_of
from tuitrain.errors import TuitrainError
from tuitrain.preset import load_preset
from tuitrain.protocol.comparing import (
    ComparisonPlan,
    JournalWord,
    Member,
    MemberEnded,
    MemberState,
    SchedulerStarted,
)
from tuitrain.rundir.lock import RunLock

PRESET = load_preset("mnist-mlp", ["train.steps=10"]).to_data()


def members(num: int) -> tuple[Member, ...]:
    return tuple(Member(key=f"a-s{seed}", arm="a", seed=seed, preset=PRESET) for seed in range(num))


def folder_of(num: int, num_parallel: int = 2) -> ComparisonFolder:
    return create_comparison(
        ComparisonPlan(name="c", created=0.0, arms=("a",), members=members(num), num_parallel=num_parallel)
    )


def folded(folder: ComparisonFolder) -> Comparison:
    """What the disk tells."""
    comparison, reader = Comparison(read_plan(folder)), JournalReader(folder)
    while words := reader.poll():
        for word in words:
            comparison.add(word)
    return comparison


class Killed(BaseException):
    """As kill -9: nothing is tidied up."""


class MortalJournal(Journal):
    """The scheduler is killed just before, or just after, it writes its n-th word."""

    def __init__(self, folder: ComparisonFolder, dies_at: int, *, is_written: bool) -> None:
        super().__init__(folder)
        self._left, self._is_written = dies_at, is_written

    def write(self, word: JournalWord) -> None:
        self._left -= 1
        if self._left == 0 and not self._is_written:
            raise Killed
        super().write(word)
        if self._left == 0:
            raise Killed


def scheduler(
    folder: ComparisonFolder, engine: FakeEngine, *, journal: Journal | None = None, supply: Supply | None = None,
    refusal: str = "", retries: frozenset[str] = frozenset(), clock: Callable[[], float] = lambda: 0.0,
) -> Scheduler:  # fmt: skip
    comparison = folded(folder)
    waiting = [view.member for view in comparison.members.values() if not view.run and view.ended is None]
    return Scheduler(
        folder, comparison, journal or Journal(folder), supply or FixedSupply(waiting), FakeExecutor(engine, refusal),
        environment=lambda slot, _member: {"SLOT": str(slot)}, retries=retries, clock=clock,
    )  # fmt: skip


def states(folder: ComparisonFolder) -> list[MemberState]:
    return [view.state for view in folded(folder).members.values()]


def test_so_many_at_once_each_in_a_slot_of_its_own() -> None:
    """A slot that is free again goes to the next one."""
    folder, engine = folder_of(5), FakeEngine()
    it = scheduler(folder, engine)
    it.look()
    assert [run.job.environment["SLOT"] for run in engine.working] == ["0", "1"]
    engine.end(engine.working[0])
    it.look()
    assert [run.job.environment["SLOT"] for run in engine.working] == ["1", "0"]
    while not it.is_done:
        engine.end(engine.working[0])
        it.look()
    assert states(folder) == ["finished"] * 5
    assert engine.most_at_once == 2
    assert len({run.job.folder for run in engine.runs.values()}) == 5


def test_a_failed_run_is_told_and_the_others_go_on() -> None:
    """And is tried again only when that is asked for, in a folder of its own."""
    folder, engine = folder_of(3, num_parallel=1), FakeEngine()
    it = scheduler(folder, engine)
    it.look()
    engine.end(engine.working[0], "failed")
    while not it.is_done:
        it.look()
        for run in engine.working:
            engine.end(run)
    assert states(folder) == ["failed", "finished", "finished"]
    assert scheduler(folder, engine).is_done
    again = scheduler(folder, engine, retries=frozenset({"failed"}))
    again.look()
    assert len(engine.working) == 1
    assert engine.working[0].job.folder != engine.runs["0"].job.folder
    assert not engine.working[0].job.is_resumed
    engine.end(engine.working[0])
    again.look()
    assert states(folder) == ["finished"] * 3


def test_a_member_whose_preset_is_wrong_fails_alone() -> None:
    """It was right when it was planned; its data may be gone since."""
    broken = Member(key="b", arm="b", preset={**PRESET, "task": {"dataset": "no-such", "model": "mlp"}})
    plan = ComparisonPlan(name="c", created=0.0, arms=("b", "a"), members=(broken, *members(1)), num_parallel=1)
    folder, engine = create_comparison(plan), FakeEngine()
    it = scheduler(folder, engine)
    it.look()
    engine.end(engine.working[0])
    it.look()
    assert states(folder) == ["failed", "finished"]
    assert "no-such" in folded(folder).members["b"].message


def test_an_engine_that_takes_nothing_ends_the_scheduler_and_no_member() -> None:
    """All would fail one after the other; they go on with --resume."""
    folder, engine = folder_of(3), FakeEngine()
    with pytest.raises(TuitrainError, match="cannot be reached"):
        scheduler(folder, engine, refusal="the engine cannot be reached").look()
    it = scheduler(folder, engine)
    while not it.is_done:
        it.look()
        for run in engine.working:
            engine.end(run)
    assert states(folder) == ["finished"] * 3


def test_a_lost_run_waits_for_resume_and_goes_on_from_its_checkpoint() -> None:
    """Without a checkpoint it begins anew, in another folder."""
    folder, engine = folder_of(2), FakeEngine()
    it = scheduler(folder, engine)
    it.look()
    first, second = engine.working
    keep_state(first.job.folder)
    engine.evaluate(second, 5, 1.0)
    engine.kill(first)
    engine.kill(second)
    it.look()
    assert states(folder) == ["lost", "lost"]
    assert it.is_done
    again = scheduler(folder, engine)
    again.look()
    one, two = engine.working
    assert (one.job.folder, one.job.is_resumed) == (first.job.folder, True)
    assert (two.job.folder != second.job.folder, two.job.is_resumed) == (True, False)
    assert [view.attempt for view in folded(folder).members.values()] == [2, 2]


def test_a_run_that_was_killed_is_lost_only_once_its_lock_is_free() -> None:
    """An engine that does not know a handle any more says nothing about the run: its folder does."""
    folder, engine = folder_of(1), FakeEngine()
    it = scheduler(folder, engine)
    it.look()
    run = engine.working[0]
    engine.runs.clear()
    it.look()
    assert it.num_working == 1
    engine.end(run)
    it.look()
    assert states(folder) == ["finished"]


@pytest.mark.parametrize("is_written", [True, False])
@pytest.mark.parametrize("dies_at", range(1, 13))
def test_killed_at_any_word_nothing_is_lost_and_nothing_runs_twice(dies_at: int, is_written: bool) -> None:
    """Four members, two at a time, three words each: the next scheduler finds what runs and launches the rest."""
    folder, engine = folder_of(4), FakeEngine()

    def work(it: Scheduler) -> None:
        while not it.is_done:
            it.look()
            for run in engine.working[:1]:
                engine.end(run)

    with pytest.raises(Killed):
        work(scheduler(folder, engine, journal=MortalJournal(folder, dies_at, is_written=is_written)))
    work(scheduler(folder, engine))
    assert states(folder) == ["finished"] * 4
    runs = [view.run for view in folded(folder).members.values()]
    assert len(set(runs)) == 4
    trained = [str(run.job.folder.path) for run in engine.runs.values()]
    assert sorted(trained) == sorted(runs)  # each once: none was launched beside one at work


def test_after_a_power_cut_all_that_were_at_work_go_on() -> None:
    """Their processes are gone with the scheduler: the next one does not wait to be told again."""
    folder, engine = folder_of(2), FakeEngine()
    scheduler(folder, engine).look()
    for run in engine.working:
        engine.evaluate(run, 5, 1.0)
        keep_state(run.job.folder)
        engine.kill(run)
    scheduler(folder, engine).look()
    assert [run.job.is_resumed for run in engine.working] == [True, True]


def test_a_member_that_waits_can_be_taken_out_and_one_at_work_asked_to_stop() -> None:
    """By wishes in the folder, of whoever watches."""
    folder, engine = folder_of(3, num_parallel=1), FakeEngine()
    it = scheduler(folder, engine)
    it.look()
    folder.wish("a-s0")
    folder.wish("a-s2")
    folder.wish("nobody")
    it.look()
    assert engine.is_asked_to_stop(engine.working[0])
    assert states(folder)[2] == "cancelled"
    assert folder.wishes() == set()
    engine.end(engine.working[0], "stopped")
    it.look()
    engine.end(engine.working[0])
    it.look()
    assert states(folder) == ["stopped", "finished", "cancelled"]
    assert it.is_done


def test_stopping_all_leaves_what_waits_for_resume() -> None:
    """What is at work is asked to stop and waited for."""
    folder, engine = folder_of(3, num_parallel=1), FakeEngine()
    it = scheduler(folder, engine)
    it.look()
    folder.wish(STOP_ALL)
    it.look()
    assert engine.is_asked_to_stop(engine.working[0])
    engine.end(engine.working[0], "stopped")
    it.look()
    assert it.is_done
    assert states(folder) == ["stopped", "waiting", "waiting"]
    assert not scheduler(folder, engine).is_done


def test_a_process_that_does_not_go_away_after_its_last_word_holds_its_slot_for_a_while() -> None:
    """Ten seconds: then the next one begins."""
    folder, engine = folder_of(2, num_parallel=1), FakeEngine()
    now = itertools.count(0.0, 6.0)
    it = scheduler(folder, engine, clock=lambda: next(now))
    it.look()
    run = engine.working[0]
    engine.end(run)
    run.state = "running"
    it.look()
    assert states(folder)[0] == "starting"
    it.look()
    assert states(folder)[0] == "finished"


class Picky:
    """A supply that thinks of members as it goes, and gives up on those above a loss."""

    def __init__(self, num: int) -> None:
        self._waiting = list(members(num))
        self.ends: list[tuple[str, MemberState, dict[str, float]]] = []

    def next(self) -> Member | None:
        return self._waiting.pop(0) if self._waiting else None

    @property
    def is_exhausted(self) -> bool:
        return not self._waiting

    def is_hopeless(self, member: Member, evaluations: Sequence[tuple[int, float]]) -> bool:
        return evaluations[-1][1] > 2.0

    def told(self, member: Member, state: MemberState, last: Mapping[str, float], best: Mapping[str, float]) -> None:
        self.ends.append((member.key, state, dict(last)))

    def remarks(self) -> list[str]:
        return ["one at the edge"] if len(self.ends) == 2 and not self._waiting else []


def test_members_that_a_search_thinks_of_are_journalled_pruned_and_told() -> None:
    """A hopeless one is asked to stop; another scheduler sees what it ended with, and why, and tells it."""
    plan = ComparisonPlan(name="s", created=0.0, num_parallel=1)
    folder, engine, supply = create_comparison(plan), FakeEngine(), Picky(2)
    it = scheduler(folder, engine, supply=supply)
    it.look()
    engine.evaluate(engine.working[0], 5, 3.0)
    it.look()
    engine.obey(engine.working[0])
    it = scheduler(folder, engine, supply=supply)  # the one that asked was killed
    it.look()
    engine.evaluate(engine.working[0], 5, 1.0)
    it.look()
    assert not engine.is_asked_to_stop(engine.working[0])
    engine.end(engine.working[0])
    it.look()
    assert it.is_done
    assert supply.ends == [("a-s0", "pruned", {"eval/loss": 1.0}), ("a-s1", "finished", {"eval/loss": 1.0})]
    assert states(folder) == ["pruned", "finished"]
    assert folded(folder).remarks == ["one at the edge"]


def test_a_job_taken_out_of_the_queue_of_its_engine_is_trained_whole_when_it_is_resumed() -> None:
    """No request to stop may wait for it in its folder: it would end at its first step."""
    folder, engine = folder_of(1), FakeEngine()
    it = scheduler(folder, engine)
    it.look()
    run = engine.working[0]
    run.state = "waiting"
    folder.wish(STOP_ALL)
    it.look()
    it.look()
    assert it.is_done
    scheduler(folder, engine).look()
    assert len(engine.working) == 1
    assert not engine.is_asked_to_stop(engine.working[0])


@pytest.mark.parametrize("retries_failed", [False, True])
def test_a_run_that_somebody_finished_by_hand_is_not_trained_again(retries_failed: bool) -> None:
    """It was lost, or failed, was resumed with `tuitrain resume`, and came to its end."""
    folder, engine = folder_of(1), FakeEngine()
    it = scheduler(folder, engine)
    it.look()
    run = engine.working[0]
    keep_state(run.job.folder)
    engine.evaluate(run, 5, 1.0)
    if retries_failed:
        engine.end(run, "failed")
    else:
        engine.kill(run)
    it.look()
    engine.end(run, "finished")
    again = scheduler(folder, engine, retries=frozenset({"failed"} if retries_failed else ()))
    again.look()
    again.look()
    assert len(engine.runs) == 1
    assert states(folder) == ["finished"]


@pytest.mark.parametrize("retries_failed", [False, True])
def test_a_run_that_somebody_resumed_by_hand_is_followed(retries_failed: bool) -> None:
    """A failed one would else be trained a second time beside it."""
    folder, engine = folder_of(1), FakeEngine()
    it = scheduler(folder, engine)
    it.look()
    run = engine.working[0]
    engine.end(run, "failed" if retries_failed else "stopped")
    it.look()
    with RunLock.acquire(run.job.folder):
        again = scheduler(folder, engine, retries=frozenset({"failed"} if retries_failed else ()))
        again.look()
        assert len(engine.runs) == 1


def test_a_member_that_could_not_be_launched_is_tried_again_when_failed_ones_are() -> None:
    """It has no run: its data were not there, and are now."""
    plan = ComparisonPlan(name="c", created=0.0, arms=("a",), members=members(2), num_parallel=1)
    folder = create_comparison(plan)
    journal = Journal(folder)
    journal.write(SchedulerStarted(time=0.0, host="h", pid=1))
    journal.write(MemberEnded(time=0.0, key="a-s0", state="failed", message="no data"))
    journal.write(MemberEnded(time=0.0, key="a-s1", state="cancelled"))
    assert _supply_of(folder, folded(folder), frozenset()).is_exhausted
    it = scheduler(folder, FakeEngine(), supply=_supply_of(folder, folded(folder), frozenset({"failed"})))
    it.look()
    assert states(folder) == ["starting", "cancelled"]


def test_runs_that_were_stopped_go_on_where_that_is_asked_for() -> None:
    """From their checkpoints; not what a rule of its own preset stopped, nor what had all its steps."""
    folder, engine = folder_of(3, num_parallel=3), FakeEngine()
    it = scheduler(folder, engine)
    it.look()
    for run, message, steps in zip(engine.working, ("", "early stopping: no better", ""), (5, 5, 9), strict=True):
        keep_state(run.job.folder)
        engine.begin(run, 9)
        engine.end(run, "stopped", message=message, step=steps)
    it.look()
    assert states(folder) == ["stopped", "finished", "stopped"]
    assert scheduler(folder, engine).is_done
    again = scheduler(folder, engine, retries=frozenset({"stopped"}))
    again.look()
    assert [run.job.is_resumed for run in engine.working] == [True]
    engine.end(engine.working[0])
    again.look()
    assert states(folder) == ["finished", "finished", "stopped"]
