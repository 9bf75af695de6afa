"""Taking care of runs from a shell."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.recordings import ASKED, DIVERGED, STEERED, copied
from tests.session.test_command_line import tuitrain
from tests.session.waiting import LONG, started
from tuitrain.rundir.labels import labels_path
from tuitrain.rundir.places import RunFolder, runs_folder
from tuitrain.rundir.trash import trash_folder

OLD = time.time() - 100 * 86_400.0


@pytest.fixture
def runs() -> Path:
    """Three runs that ended long ago."""
    for name in (STEERED, DIVERGED, ASKED):
        folder = copied(name, runs_folder())
        info = json.loads(folder.info_path.read_text(encoding="utf-8"))
        folder.info_path.write_text(json.dumps({**info, "created": OLD}), encoding="utf-8")
        os.utime(folder.events_path, (OLD, OLD))
    return runs_folder()


def said(*arguments: str, code: int = 0) -> str:
    """What the program printed, results and diagnostics."""
    done = tuitrain(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_run_is_labelled_listed_and_found(runs: Path) -> None:
    """Columns of names and tags only where there are any."""
    header = said("runs").splitlines()[0]
    assert header.split() == ["RUN", "PRESET", "STATE", "STEP", "BEST", "VALIDATION", "AGE"]
    assert 'now named "my baseline"' in said("rename", "5eed", "my baseline")
    assert said("tag", "my baseline", "keep", "paper").endswith("keep paper\n")
    said("note", "my baseline", "first try")
    assert tuitrain("note", "5eed").stdout == "first try\n"
    header, *rows = said("runs").splitlines()
    assert ("NAME" in header, "TAGS" in header, "DISK" in header, len(rows)) == (True, True, False, 3)
    assert sum("my baseline" in row and row.endswith("keep paper") for row in rows) == 1
    only = json.loads(tuitrain("runs", "--tag", "paper", "--json").stdout)
    assert [(run["id"], run["name"], run["note"], run["tags"]) for run in only] == [
        (STEERED, "my baseline", "first try", ["keep", "paper"])
    ]
    assert said("tag", "5eed", "paper", "--remove").endswith(": keep\n")
    assert "has no note" in said("note", "5eed", "")
    assert 'No runs with the tag "paper"' in said("runs", "--tag", "paper")


def test_mistakes_are_usage_errors(runs: Path) -> None:
    """Exit code 2 with what to try; nothing is changed."""
    assert "newest run already" in said("rename", "5eed", "last", code=2)
    assert "cannot be a tag" in said("tag", "5eed", "two words", code=2)
    assert "need --prune" in said("runs", "--yes", code=2)
    assert "goes without" in said("runs", "--prune", "--disk", code=2)
    assert not labels_path(RunFolder(runs / STEERED)).exists()


def test_disk_use_is_told(runs: Path) -> None:
    """A column, a total, the trash and what is free."""
    (runs / STEERED / "checkpoints" / "step-00000300.pt").write_bytes(bytes(2_000_000))
    output = said("runs", "--disk")
    assert "DISK" in output.splitlines()[0]
    assert "2.1 MB" in output
    assert " in 3 runs, nothing in the trash, " in output
    assert "free on the disk" in output
    listed = json.loads(tuitrain("runs", "--disk", "--json").stdout)
    assert max(run["disk_bytes"] for run in listed) > 2_000_000


def test_delete_and_restore(runs: Path) -> None:
    """Several at once; a name that is wrong deletes none of them; the way back is said."""
    assert "No run named" in said("delete", "5eed", "nope", code=1)
    assert len(list(runs.iterdir())) == 3
    output = said("delete", "5eed", "0bad", "5eed")
    assert output.count("tuitrain restore") == 2
    assert {path.name for path in runs.iterdir()} == {ASKED}
    assert {path.name for path in trash_folder().iterdir()} == {STEERED, DIVERGED}
    assert said("restore", "5eed") == f"{STEERED} is back.\n"
    assert "No run named" in said("restore", "5eed", code=1)


def test_a_run_at_work_is_not_deleted() -> None:
    """The way to stop it is said, and it goes on."""
    run, watched = started(*LONG)
    step = watched.until(lambda board: board.step > 5 and board.step)
    output = said("delete", "last", code=1)
    assert f"`tuitrain ask {run.folder.id} stop`" in output
    assert "Nothing to prune" in said("runs", "--prune", "--older-than", "0", "--checkpoints", "--yes")
    watched.until(lambda board: board.step > int(step))
    run.process.kill()
    run.process.wait()


def test_prune_says_first_and_does_it_when_told(runs: Path) -> None:
    """The same list both times; what is tagged stays; the trash is emptied for good later."""
    said("tag", "5eed", "keep")
    dry = said("runs", "--prune", "--older-than", "30")
    assert dry.count("would go to the trash: ") == 2
    assert STEERED not in dry
    assert "--yes" in dry
    assert len(list(runs.iterdir())) == 3
    data = json.loads(tuitrain("runs", "--prune", "--older-than", "30", "--json").stdout)
    assert (data["is_dry_run"], data["frees_bytes"], len(data["steps"])) == (True, 0, 2)
    assert said("runs", "--prune", "--older-than", "30", "--yes").count("moved to the trash: ") == 2
    assert {path.name for path in runs.iterdir()} == {STEERED}
    assert "Nothing to prune" in said("runs", "--prune")
    assert said("runs", "--prune", "--trash-days", "0", "--yes").count("removed for good: ") == 2
    assert list(trash_folder().iterdir()) == []


def test_damaged_labels_are_told_beside_the_run(runs: Path) -> None:
    """On its line, and by `note`; the list is whole."""
    labels_path(RunFolder(runs / STEERED)).write_bytes(b'{"name":')
    output = said("runs")
    assert len(output.splitlines()) == 4
    assert "labels.json: is damaged" in output
    assert "is damaged" in tuitrain("note", "5eed").stderr
