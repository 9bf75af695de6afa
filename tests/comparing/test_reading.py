"""A comparison as a screen reads it: whole curves, more metrics on demand, and what happens outside of the runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.comparing.made_up import made_up_run
from tuitrain.board.board import Board
from tuitrain.comparing.folder import STOP_ALL, Journal, create_comparison
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.protocol.codec import encode_event
from tuitrain.protocol.comparing import (
    ComparisonPlan,
    Member,
    MemberEnded,
    MemberLaunched,
    MemberState,
    MemberSubmitted,
)
from tuitrain.protocol.events import RunEnded
from tuitrain.rundir.commands import CommandReader
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder
from tuitrain.session.reading import RunReader


def read(reader: ComparisonReader) -> ComparisonReader:
    while reader.poll(1.0):
        pass
    reader._next_status = 0.0
    while reader.poll(1.0):
        pass
    return reader


def of_runs(*folders: RunFolder) -> ComparisonReader:
    members = tuple(Member(key=folder.id, arm=folder.id, run=str(folder.path)) for folder in folders)
    return ComparisonReader.of_plan(ComparisonPlan(name="", created=0.0, members=members))


def test_curves_are_those_of_the_live_screen(tmp_path: Path) -> None:
    """Evaluations exactly; the batch loss, where nothing is thinned, value by value."""
    folder = made_up_run(tmp_path, "one", num_steps=1500)
    reader = read(of_runs(folder))
    board, words = Board(), RunReader(folder)
    while found := words.poll():
        for word in found:
            board.apply(word)
    view = reader.comparison.members["one"]
    assert view.curves.evaluated["eval/loss"] == board.evals["eval/loss"]
    assert view.curves.evaluated["gap/loss"] == board.evals["gap/loss"]
    steps, values = view.curves.line("batch/loss", "step")
    assert list(zip(steps.tolist(), values.tolist(), strict=True)) == board.series["batch/loss"].all_values(1500)
    assert (view.state, view.progress, view.curves.total_steps) == ("finished", 1.0, 1500)
    np.testing.assert_allclose(view.curves.line("eval/loss", "epoch")[0], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(view.curves.line("eval/loss", "samples")[0], [4000, 8000, 12000])


def test_metrics_of_each_step_are_read_when_they_are_wanted(tmp_path: Path) -> None:
    """The run is read again; what was there stays until the whole is there."""
    folder = made_up_run(tmp_path, "one", num_steps=500)
    reader = read(of_runs(folder))
    curves = reader.comparison.members["one"].curves
    assert set(curves.measured) == {"batch/loss"}
    assert reader.offered() == {"batch/loss", "batch/gradient_norm", "batch/learning_rate"}
    reader.want(["batch/gradient_norm", "eval/loss"])
    read(reader)
    curves = reader.comparison.members["one"].curves
    assert set(curves.measured) == {"batch/loss", "batch/gradient_norm"}
    assert len(curves.line("batch/gradient_norm", "step")[0]) == 500
    assert curves.state == "finished"


def test_values_that_are_not_finite_are_read(tmp_path: Path) -> None:
    """They stand in the stream as words."""
    folder = made_up_run(tmp_path, "one", num_steps=100, level=float("nan"))
    curves = read(of_runs(folder)).comparison.members["one"].curves
    assert curves.measured["batch/loss"].num_nonfinite == 100
    assert np.isnan(curves.last("eval/loss") or 0.0)


def test_a_run_whose_trainer_is_gone_is_lost_and_one_at_work_runs(tmp_path: Path) -> None:
    """The lock tells."""
    one = made_up_run(tmp_path, "one", num_steps=10, has_end=False)
    two = made_up_run(tmp_path, "two", num_steps=10, has_end=False)
    with RunLock.acquire(two):
        reader = read(of_runs(one, two))
        assert [view.state for view in reader.comparison.members.values()] == ["lost", "running"]


def test_a_folder_that_vanishes_is_said_and_its_curve_stays(tmp_path: Path) -> None:
    """As far as it was read."""
    one, two = (made_up_run(tmp_path, name, num_steps=10, has_end=False) for name in ("one", "two"))
    reader = read(of_runs(one, two))
    shutil.rmtree(one.path)
    read(reader)
    view = reader.comparison.members["one"]
    assert view.state == "gone"
    assert len(view.curves.line("batch/loss", "step")[0]) == 10


def test_a_damaged_line_costs_that_line_alone(tmp_path: Path) -> None:
    """A flipped bit is found by its checksum."""
    folder = made_up_run(tmp_path, "one", num_steps=300)
    lines = folder.events_path.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b"1", b"2", 3)
    folder.events_path.write_bytes(b"\n".join(lines))
    curves = read(of_runs(folder)).comparison.members["one"].curves
    assert len(curves.line("batch/loss", "step")[0]) == 200


@pytest.fixture
def scheduled(home: Path) -> ComparisonReader:
    """One at work, one that waits."""
    plan = ComparisonPlan(
        name="c", created=0.0, members=tuple(Member(key=key, arm=key) for key in ("one", "two")), arms=("one", "two")
    )
    folder = create_comparison(plan)
    run = made_up_run(home / "runs", "run-one", num_steps=100, has_end=False, comparison="c/one")
    journal = Journal(folder)
    journal.write(MemberLaunched(time=0.0, key="one", run=str(run.path)))
    return ComparisonReader.of_folder(folder)


def test_stopping_a_member_asks_its_run_or_takes_it_out_of_the_queue(scheduled: ComparisonReader, home: Path) -> None:
    """All of them: the scheduler is asked while one is at work."""
    run = RunFolder(home / "runs" / "run-one")
    with RunLock.acquire(run):
        read(scheduled)
        assert [view.state for view in scheduled.comparison.members.values()] == ["running", "waiting"]
        scheduled.stop(["one", "two"])
        assert len(CommandReader(run, set()).poll()) == 1
        assert scheduled.folder is not None
        assert scheduled.folder.wishes() == {"two"}
        with RunLock.at(scheduled.folder.lock_path, AssertionError()):  # type: ignore[arg-type]
            read(scheduled)
            assert scheduled.is_scheduled
            scheduled.stop_all()
        assert scheduled.folder.wishes() == {"two", STOP_ALL}


def test_the_scheduler_has_the_last_word_but_on_a_lost_run_that_went_on(
    scheduled: ComparisonReader, home: Path
) -> None:
    """Somebody may resume it by hand."""

    def states() -> list[MemberState]:
        return [view.state for view in scheduled.comparison.members.values()]

    assert scheduled.folder is not None
    run = RunFolder(home / "runs" / "run-one")
    journal = Journal(scheduled.folder)
    journal.write(MemberEnded(time=0.0, key="one", state="lost"))
    read(scheduled)
    assert states() == ["lost", "waiting"]
    with run.events_path.open("ab") as file:
        file.write(encode_event(RunEnded(seq=999, time=0.0, step=100, reason="finished")) + b"\n")
    read(scheduled)
    assert states() == ["finished", "waiting"]
    journal.write(MemberEnded(time=0.0, key="one", state="pruned"))
    read(scheduled)
    assert states() == ["pruned", "waiting"]


def test_a_run_in_the_queue_of_an_engine_is_not_lost(scheduled: ComparisonReader) -> None:
    """From outside it looks so: nobody holds its lock. While a scheduler is at work, it is for that to say."""
    assert scheduled.folder is not None
    with RunLock.at(scheduled.folder.lock_path, AssertionError()):  # type: ignore[arg-type]
        read(scheduled)
        before = scheduled.comparison.members["one"].state
    read(scheduled)
    assert (before, scheduled.comparison.members["one"].state) == ("running", "lost")


def test_stopping_all_without_a_scheduler_leaves_what_waits_for_resume(scheduled: ComparisonReader, home: Path) -> None:
    """Nobody launches it anyway; a wish would take it out of the queue for good when the comparison is resumed."""
    run = RunFolder(home / "runs" / "run-one")
    with RunLock.acquire(run):
        read(scheduled)
        scheduled.stop_all()
        assert len(CommandReader(run, set()).poll()) == 1
    assert scheduled.folder is not None
    assert scheduled.folder.wishes() == set()


def test_stopping_all_asks_a_scheduler_that_has_just_begun(scheduled: ComparisonReader) -> None:
    """What was seen a second ago does not count."""
    read(scheduled)
    assert scheduled.folder is not None
    with RunLock.at(scheduled.folder.lock_path, AssertionError()):  # type: ignore[arg-type]
        scheduled.stop_all()
    assert scheduled.folder.wishes() == {STOP_ALL}


def test_words_about_nobody_are_skipped(scheduled: ComparisonReader) -> None:
    """The line that added the trial was torn by a power cut, or damaged."""
    assert scheduled.folder is not None
    journal = Journal(scheduled.folder)
    journal.write(MemberLaunched(time=0.0, key="nobody", run="/nowhere"))
    journal.write(MemberSubmitted(time=0.0, key="nobody", handle="1"))
    journal.write(MemberEnded(time=0.0, key="nobody", state="lost"))
    read(scheduled)
    assert list(scheduled.comparison.members) == ["one", "two"]


def test_a_failed_run_that_somebody_finished_by_hand_is_finished(scheduled: ComparisonReader, home: Path) -> None:
    """Its value counts then."""
    assert scheduled.folder is not None
    Journal(scheduled.folder).write(MemberEnded(time=0.0, key="one", state="failed", message="out of memory"))
    assert read(scheduled).comparison.members["one"].state == "failed"
    with RunFolder(home / "runs" / "run-one").events_path.open("ab") as file:
        file.write(encode_event(RunEnded(seq=999, time=0.0, step=100, reason="finished")) + b"\n")
    assert read(scheduled).comparison.members["one"].state == "finished"
