"""A comparison is ended by its name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.comparing.asking import said
from tests.comparing.fake_engine import FakeEngine, FakeExecutor
from tests.comparing.made_up import made_up_run
from tuitrain.board.comparison import Comparison
from tuitrain.comparing.folder import STOP_ALL, ComparisonFolder, Journal, JournalReader, create_comparison, read_plan
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.comparing.scheduler import Scheduler
from tuitrain.comparing.supply import FixedSupply
from tuitrain.errors import RunBusyError, TuitrainError
from tuitrain.protocol.comparing import ComparisonPlan, Member, MemberEnded, MemberLaunched
from tuitrain.rundir.commands import CommandReader
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder


@pytest.fixture
def folder(home: Path) -> ComparisonFolder:
    """One run at work, one that waits."""
    made = create_comparison(ComparisonPlan(name="mine", created=0.0, members=(
        Member(key="a-s0", arm="a"), Member(key="b-s0", arm="b"),
    )))  # fmt: skip
    run = made_up_run(home / "runs", "one", num_steps=20, has_end=False, comparison="mine/a-s0")
    journal = Journal(made)
    journal.write(MemberLaunched(time=0.0, key="a-s0", run=str(run.path)))
    journal.close()
    return made


def test_its_scheduler_is_asked(folder: ComparisonFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """It stops what is at work, and launches nothing more."""
    with RunLock.at(folder.lock_path, RunBusyError("")):
        done = said(capsys, "compare", "--stop", "mine")
    assert done.stdout == "mine: 1 at work evaluates, saves and ends where it is; 1 wait for --resume.\n"
    assert folder.wishes() == {STOP_ALL}


def test_where_nothing_is_at_work_that_is_said(folder: ComparisonFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """And no wish is left for the scheduler of another day. A run that is dead is not at work."""
    assert said(capsys, "search", "--stop", "mine").stdout == "mine: nothing is at work.\n"
    assert folder.wishes() == set()
    refused = said(capsys, "compare", "--stop", "mien")
    assert refused.code == 2
    assert '"mine"' in refused.stderr


def test_a_search_of_an_optimizer_says_which_preset_has_it(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    """As compare takes its bare name."""
    refused = said(capsys, "search", "adam", "--space", "optimizer.lr=log:1e-4:1")
    assert refused.code == 2
    assert "tuitrain search mnist-mlp optimizer.name=adam" in refused.stderr


def test_a_run_that_is_only_looked_at_goes_on(
    folder: ComparisonFolder, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was there before, and is somebody's; what the comparison launched is asked, also without a scheduler."""
    mine, theirs = RunFolder(home / "runs" / "one"), made_up_run(home / "runs", "two", num_steps=20, has_end=False)
    plan = read_plan(folder)
    member = Member(key="c", arm="c", run=str(theirs.path))
    folder.plan_path.write_bytes(msgspec.json.encode(msgspec.structs.replace(plan, members=(*plan.members, member))))
    with RunLock.acquire(mine), RunLock.acquire(theirs):
        assert "1 at work" in said(capsys, "compare", "--stop", "mine").stdout
    assert len(CommandReader(mine, set()).poll()) == 1
    assert CommandReader(theirs, set()).poll() == []


def test_a_strangers_journal_steers_no_run_that_does_not_name_it(
    folder: ComparisonFolder, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither stopped, all or one, nor resumed by --retry-stopped; its own are, and the others are told."""
    mine, theirs = RunFolder(home / "runs" / "one"), made_up_run(home / "runs", "two", num_steps=20, has_end=False)
    journal = Journal(folder)
    journal.write(MemberLaunched(time=0.0, key="b-s0", run=str(theirs.path)))
    with RunLock.acquire(mine), RunLock.acquire(theirs):
        told = said(capsys, "compare", "--stop", "mine").stdout
        assert "1 at work evaluates, saves and ends where it is; 1 at work that it did not launch: left alone" in told
        reader = ComparisonReader.of_folder(folder)
        reader.read_all()
        with pytest.raises(TuitrainError, match="two was not launched by this comparison"):
            reader.stop(["b-s0"])
    assert len(CommandReader(mine, set()).poll()) == 1
    assert CommandReader(theirs, set()).poll() == []
    journal.write(MemberEnded(time=0.0, key="b-s0", state="stopped"))
    comparison = Comparison(read_plan(folder))
    for word in JournalReader(folder).poll():
        comparison.add(word)
    engine = FakeEngine()
    it = Scheduler(
        folder, comparison, journal, FixedSupply([]), FakeExecutor(engine), retries=frozenset({"stopped"}),
        clock=lambda: 0.0,
    )  # fmt: skip
    it.look()
    assert theirs not in [run.job.folder for run in engine.runs.values()]
    assert (comparison.members["b-s0"].state, theirs.id in comparison.members["b-s0"].message) == ("failed", True)


def test_it_stands_alone(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    """What is passed over without a word is a trap."""
    for words in (("compare", "--stop", "a", "--resume", "b"), ("search", "--stop", "a", "--json")):
        refused = said(capsys, *words)
        assert refused.code == 2
        assert "stands alone" in refused.stderr
