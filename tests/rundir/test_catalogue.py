"""All runs at a glance, and one of them by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.rundir.fake_trainer import heartbeat, info_of
from tuitrain.errors import RunNotFoundError
from tuitrain.protocol.codec import encode
from tuitrain.protocol.events import Event, Heartbeat, Paused, Resumed, RunEnded, StageEntered
from tuitrain.rundir.catalogue import find_run, list_runs, newest_live_or_newest
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, write_info
from tuitrain.rundir.summary import summarize
from tuitrain.rundir.writer import EventWriter

IDS = [
    "20261119-0900-spiral-aaaa",
    "20261120-0900-mnist-mlp-bbbb",
    "20261121-0900-mnist-mlp-cccc",
    "20261121-0901-mnist-cnn-dddd",
]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Four dead runs, the last the newest."""
    for number, name in enumerate(IDS):
        folder = RunFolder.create(tmp_path / "runs" / name)
        write_info(folder, info_of(folder, created=100.0 + number))
    return tmp_path / "runs"


def _say(folder: RunFolder, *events: Event) -> None:
    with EventWriter(folder.events_path) as writer:
        writer.append([encode(event) for event in events])


@pytest.mark.parametrize(
    ("events", "state", "step"),
    [
        ([], "starting", 0),
        ([StageEntered(stage="importing torch")], "starting", 0),
        ([heartbeat(7)], "running", 7),
        ([heartbeat(7), Paused(step=9, reason="asked")], "paused", 9),
        ([heartbeat(7), Paused(step=9, reason="asked"), Resumed(step=9)], "running", 9),
        ([heartbeat(7), RunEnded(step=10, reason="finished", best={"eval/loss": 0.5})], "finished", 10),
        ([RunEnded(step=10, reason="aborted")], "stopped", 10),
        ([RunEnded(step=10, reason="stopped")], "stopped", 10),
        ([RunEnded(step=10, reason="failed")], "failed", 10),
        ([RunEnded(step=10, reason="failed"), StageEntered(stage="again")], "starting", 10),
    ],
)
def test_the_state_is_what_the_run_said_last(folder: RunFolder, events: list[Event], state: str, step: int) -> None:
    """As long as its trainer lives; once it is gone, whatever has not ended is lost."""
    write_info(folder, info_of(folder))
    with RunLock.acquire(folder):
        _say(folder, *events)
        summary = summarize(folder)
        assert (summary.state, summary.step, summary.problem) == (state, step, "")
    ended = bool(events) and isinstance(events[-1], RunEnded)
    assert summarize(folder).state == (state if ended else "lost")


def test_a_summary_holds_what_a_list_shows(folder: RunFolder) -> None:
    """Who, how far and how good."""
    write_info(folder, info_of(folder, pid=os.getpid()))
    _say(
        folder,
        heartbeat(1),
        Heartbeat(
            step=2, state="running", steps_per_second=1, watching_share=0, best={"eval/loss": 0.5}, last={"lr": 1e-3}
        ),
    )
    summary = summarize(folder)
    assert (summary.id, summary.path, summary.preset) == (folder.id, str(folder.path), "mnist-mlp")
    assert (summary.title, summary.total_steps, summary.pid) == ("A small net", 100, os.getpid())
    assert (summary.best, summary.last) == ({"eval/loss": 0.5}, {"lr": 1e-3})


def test_of_a_long_run_only_the_end_is_read(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A week of events costs no more than a minute of them."""
    write_info(folder, info_of(folder))
    with folder.events_path.open("wb") as file:
        file.truncate(1 << 40)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + encode(heartbeat(12345)) + b"\n")
    assert summarize(folder).step == 12345


def test_runs_are_listed_newest_first(runs: Path) -> None:
    """By when they were created."""
    assert [summary.id for summary in list_runs(runs)] == IDS[::-1]
    assert list_runs(runs / "nowhere") == []


def test_broken_folders_are_listed_with_their_problem(runs: Path) -> None:
    """And never hide the others."""
    (runs / "empty").mkdir()
    (runs / "damaged").mkdir()
    (runs / "damaged" / "run.json").write_bytes(b'{"id":')
    (runs / IDS[0] / "events.jsonl").write_bytes(b"\xff garbage\nmore\n")
    (runs / IDS[1] / "events.jsonl").mkdir()
    (runs / "a file").touch()
    (runs / ".hidden").mkdir()
    summaries = {summary.id: summary for summary in list_runs(runs)}
    assert set(summaries) == {*IDS, "empty", "damaged"}
    assert "run.json: cannot be read" in summaries["empty"].problem
    assert "run.json: is damaged" in summaries["damaged"].problem
    assert "nothing in it can be read" in summaries[IDS[0]].problem
    assert "cannot be read" in summaries[IDS[1]].problem
    assert summaries[IDS[2]].problem == ""


@pytest.mark.parametrize(
    ("text", "index"),
    [(IDS[1], 1), ("20261119", 0), ("20261121-0900", 2), ("bbbb", 1), ("spiral", 0), ("cnn", 3), ("last", 3)],
)
def test_a_run_is_found_by_any_unique_part_of_its_id(runs: Path, text: str, index: int) -> None:
    """Its id, a beginning, its end, something within, or simply the last."""
    assert find_run(text, runs).id == IDS[index]


def test_a_run_is_found_by_its_path(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it was copied to."""
    monkeypatch.chdir(runs / IDS[0])
    assert find_run(".", runs).id == IDS[0]
    assert find_run(f"../{IDS[2]}", runs).path.name == IDS[2]
    assert find_run(str(runs / IDS[1]), runs).id == IDS[1]
    with pytest.raises(RunNotFoundError, match="no run folder"):
        find_run("..", runs)


def test_an_ambiguous_name_lists_what_it_could_mean(runs: Path) -> None:
    """So that the next try can be the right one."""
    with pytest.raises(RunNotFoundError, match="ambiguous") as caught:
        find_run("mnist-mlp", runs)
    assert IDS[1] in caught.value.message
    assert IDS[2] in caught.value.message
    assert IDS[3] not in caught.value.message


def test_an_unknown_name_suggests_the_nearest(runs: Path, tmp_path: Path) -> None:
    """By id and by the name of the preset; without runs, how to get one."""
    with pytest.raises(RunNotFoundError, match="No run") as caught:
        find_run("20261119-0900-spiral-aaab", runs)
    assert caught.value.hint.startswith(IDS[0])
    with pytest.raises(RunNotFoundError) as caught:
        find_run("mnits-cnn", runs)
    assert IDS[3] in caught.value.hint
    for text in ("last", "x"):
        with pytest.raises(RunNotFoundError) as caught:
            find_run(text, tmp_path / "nowhere")
        assert "tuitrain run" in caught.value.hint


def test_a_live_run_comes_before_a_newer_dead_one(runs: Path) -> None:
    """Attach without a name goes to what is at work; a broken folder is never the last run."""
    (runs / "broken").mkdir()
    assert newest_live_or_newest(runs).id == IDS[3]
    with RunLock.acquire(RunFolder(runs / IDS[1])):
        assert newest_live_or_newest(runs).id == IDS[1]
    assert find_run("last", runs).id == IDS[3]


def test_our_own_runs_are_the_default(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$TUITRAIN_HOME decides."""
    monkeypatch.setenv("TUITRAIN_HOME", str(runs.parent))
    assert len(list_runs()) == 4
    assert find_run("last").id == newest_live_or_newest().id == IDS[3]
