"""Following a comparison without a screen, where its scheduler does not get far; and wishes from before it began."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.comparing.made_up import made_up_run
from tuitrain.cli import app
from tuitrain.comparing.folder import STOP_ALL, ComparisonFolder, Journal, create_comparison
from tuitrain.comparing.headless import follow
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.comparing.starting import start_scheduler
from tuitrain.errors import UsageError
from tuitrain.protocol.comparing import ComparisonPlan, Member, MemberEnded, MemberLaunched
from tuitrain.rundir.commands import CommandReader
from tuitrain.rundir.lock import RunLock


def made(name: str = "c") -> ComparisonFolder:
    return create_comparison(
        ComparisonPlan(name=name, created=0.0, arms=("a",), members=(Member(key="a", arm="a"),), num_parallel=1)
    )


def test_a_scheduler_that_died_before_its_first_word_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Killed while it began, or it cannot open its journal; where it printed why is said."""
    folder = made()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    polls = 0

    def tell(reader: ComparisonReader) -> None:
        nonlocal polls
        polls += 1
        assert polls < 20, "it waits for ever"

    assert follow(ComparisonReader.of_folder(folder), gone, tell)
    assert str(folder.output_path) in capsys.readouterr().err


def test_a_scheduler_that_was_started_a_moment_ago_is_followed(capsys: pytest.CaptureFixture[str]) -> None:
    """As by --resume: the reader had just found that nobody is at work, and believed it for a second."""
    folder = made()
    reader = ComparisonReader.of_folder(folder)
    reader.read_all()
    lock = RunLock.at(folder.lock_path, UsageError("busy"))
    journal, polls = Journal(folder), 0

    def tell(reader: ComparisonReader) -> None:
        nonlocal polls
        polls += 1
        if polls == 2:  # by now it would have left
            journal.write(MemberEnded(time=0.0, key="a", state="failed", message="no such data"))
            journal.close()
            lock.release()

    assert follow(reader, None, tell)
    assert reader.comparison.members["a"].state == "failed"
    assert "the scheduler is gone" not in capsys.readouterr().err


def test_a_wish_to_stop_all_from_before_does_not_stop_what_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler that it was meant for was killed. What is to be taken out of the queue still is."""
    monkeypatch.setattr(sys, "executable", "/bin/true")
    folder = made()
    folder.wish(STOP_ALL)
    folder.wish("a")
    start_scheduler(folder).wait()
    assert folder.wishes() == {"a"}


def test_of_two_that_are_made_at_once_under_one_name_one_is_refused() -> None:
    """Neither gets the plan of the other."""
    at_once = threading.Barrier(8)

    def make(number: int) -> bool:
        plan = ComparisonPlan(name="same", created=float(number))
        at_once.wait()
        try:
            create_comparison(plan)
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(make, range(8))) == 1


def test_what_a_strange_run_says_cannot_steer_the_terminal(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its task, its id and the names of its metrics are words of whoever made it."""
    own = made_up_run(home / "runs", "one", num_steps=10)
    strange = made_up_run(home / "runs", "two\x1b[2J", num_steps=10, dataset="digits\x1b]0;owned\x07\x9b2J")
    app(["compare", str(own.path), str(strange.path), "--headless"], standalone_mode=False)
    said = capsys.readouterr()
    assert "digits" in said.err
    assert "two" in said.out
    assert not {sign for sign in said.out + said.err if not sign.isprintable()} - {"\n"}


@pytest.mark.parametrize(
    "option",
    [("--parallel", "4"), ("--on", "slurm"), ("--target", "0.1"), ("--name", "b"), ("--by-seed",), ("--folds", "2")],
)
def test_what_resuming_cannot_change_is_refused(option: tuple[str, ...]) -> None:
    """It would be passed over without a word; nothing is started."""
    made()
    with pytest.raises(UsageError, match="as it is"):
        app(["compare", "--resume", "c", "--headless", *option], standalone_mode=False)


@pytest.mark.parametrize("option", [("--parallel", "4"), ("--method", "tpe"), ("--trials", "50"), ("--prune", "asha")])
def test_what_resuming_a_search_cannot_change_is_refused(option: tuple[str, ...]) -> None:
    """Likewise."""
    made()
    with pytest.raises(UsageError, match="as it is"):
        app(["search", "--resume", "c", "--headless", *option], standalone_mode=False)


@pytest.mark.parametrize("option", ["--retry-failed", "--retry-stopped"])
def test_trying_again_needs_a_comparison_to_resume(option: str) -> None:
    """Else it would be passed over, and everything run anew."""
    with pytest.raises(UsageError, match="come with --resume"):
        app(["compare", "mnist-mlp", "--seeds", "2", option], standalone_mode=False)


def test_an_interrupt_leaves_runs_that_are_only_looked_at(home: Path) -> None:
    """They may be somebody else's; with those that the comparison launched they are not stopped either."""
    runs = [
        made_up_run(home / "runs", name, num_steps=10, has_end=False, comparison=named)
        for name, named in (("mine", "d/a"), ("theirs", ""))
    ]
    members = tuple(Member(key=run.id, arm=run.id, run=str(run.path)) for run in runs)

    def interrupt(reader: ComparisonReader) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with RunLock.acquire(runs[0]), RunLock.acquire(runs[1]):
        reader = ComparisonReader.of_plan(ComparisonPlan(name="", created=0.0, members=members))
        assert not follow(reader, None, interrupt)
        folder = create_comparison(
            ComparisonPlan(name="d", created=0.0, members=(Member(key="a", arm="a"), members[1]))
        )
        journal = Journal(folder)
        journal.write(MemberLaunched(time=0.0, key="a", run=str(runs[0].path)))
        journal.close()
        reader = ComparisonReader.of_folder(folder)
        reader.read_all()
        reader.stop_all()
    assert [len(CommandReader(run, set()).poll()) for run in runs] == [1, 0]


def test_json_keeps_what_is_no_sign(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A path with a no-break space in it is still that path."""
    runs = [made_up_run(home / "runs", name, num_steps=10) for name in ("one\u00a0day", "two")]
    app(["compare", *(str(run.path) for run in runs), "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["members"][0]["path"] == str(runs[0].path)
