"""One folder that somebody broke, or made to break us, is shown with its problem; all others are listed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from tests.comparing.made_up import made_up_run
from tests.rundir.fake_trainer import heartbeat
from tuitrain.cli import app
from tuitrain.comparing.folder import create_comparison
from tuitrain.comparing.listing import standing_of
from tuitrain.protocol.carrier import RunInfo
from tuitrain.protocol.codec import encode
from tuitrain.protocol.comparing import ComparisonPlan, Member
from tuitrain.protocol.events import Heartbeat
from tuitrain.rundir.catalogue import find_run, list_runs
from tuitrain.rundir.places import RunFolder, runs_folder
from tuitrain.rundir.pruning import Wish, plan

HOSTILE: tuple[object, ...] = ("NaN", 1e300, -1e18, 10**18, "\x1b[2J" + "x" * 5_000, None, [[[1]]])


@pytest.fixture(autouse=True)
def _good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    made_up_run(runs_folder(), "20261121-1432-good-7f3a", num_steps=20)


def all_are_listed() -> list[Any]:
    """By everything that lists runs; what `runs --json` prints."""
    assert "20261121-1432-good-7f3a" in [run.id for run in list_runs()]
    plan(Wish(older_than_days=1.0, keep=1, checkpoints=True))
    assert find_run("last").id
    for arguments in (["runs"], ["runs", "--disk"], ["runs", "--prune", "--json"]):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, ["runs", "--json"])
    assert done.exit_code == 0, done.output
    return list(json.loads(done.stdout, parse_constant=pytest.fail))


def test_any_value_in_run_json_or_in_the_newest_word_leaves_the_lists_whole() -> None:
    """A stranger's recording holds what it likes."""
    good = runs_folder() / "20261121-1432-good-7f3a"
    info, events = json.loads((good / "run.json").read_text()), (good / "events.jsonl").read_bytes()
    word = json.loads(encode(heartbeat(3, 1)))
    cases = [(kind, field, value) for kind in (RunInfo, Heartbeat) for field in _fields(kind) for value in HOSTILE]
    for index, (kind, field, value) in enumerate(cases):
        bad = RunFolder(runs_folder() / f"bad-{index}")
        bad.path.mkdir()
        bad.info_path.write_text(json.dumps({**info, field: value} if kind is RunInfo else info))
        newest = json.dumps({**word, field: value}) if kind is Heartbeat else ""
        bad.events_path.write_bytes(events + newest.encode() + b"\n")
    assert len(all_are_listed()) == 1 + len(cases)


def _fields(kind: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind)]


def nested(path: Path) -> None:
    path.write_bytes(b'{"preset":' + b'{"a":' * 100_000)


def huge(path: Path) -> None:
    path.write_bytes(b" " * (17 << 20))


def linked(path: Path) -> None:
    path.symlink_to("/")


def numbered(path: Path) -> None:
    path.write_bytes(b'{"created":' + b"9" * 100_000 + b"}")


def test_anything_in_the_place_of_a_file_leaves_the_lists_whole() -> None:
    """A pipe, a folder, a link, brackets without end."""
    makers: tuple[Callable[[Path], None], ...] = (os.mkfifo, Path.mkdir, nested, huge, numbered, linked)
    for name in ("run.json", "events.jsonl", "labels.json", "lock", "commands", "checkpoints"):
        for make in makers:
            bad = runs_folder() / f"{name}-{make.__name__}"
            shutil.copytree(runs_folder() / "20261121-1432-good-7f3a", bad)
            if (bad / name).is_dir():
                shutil.rmtree(bad / name)
            (bad / name).unlink(missing_ok=True)
            make(bad / name)
    listed = all_are_listed()
    assert len(listed) == 1 + 6 * len(makers)
    broken = [run for run in listed if run["id"].startswith(("run.json", "events.jsonl"))]
    assert [run["id"] for run in broken if not run["problem"]] == []


def test_a_broken_comparison_leaves_the_list_whole() -> None:
    """Its plan is damaged, its journal a pipe, its members are runs that are not there."""
    member = Member(key="a", arm="a", run="/nowhere/\ud800".encode(errors="replace").decode())
    for name in ("nested", "piped", "good"):
        create_comparison(ComparisonPlan(name=name, created=0.0, arms=("a",), members=(member,)))
    folders = {name: create_comparison(ComparisonPlan(name=f"{name}-2", created=0.0)) for name in ("nested", "piped")}
    nested(folders["nested"].plan_path)
    os.mkfifo(folders["piped"].journal_path)
    os.mkfifo(folders["piped"].lock_path)
    assert standing_of(folders["piped"]).state == "done"
    for arguments in (["compare"], ["search"]):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
    assert "good" in CliRunner().invoke(app, ["compare"]).output
