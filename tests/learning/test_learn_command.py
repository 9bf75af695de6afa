"""The walk on a command line without a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tuitrain.learning.progress import Progress, write_progress
from tuitrain.learning.walk import chapters, stations


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who has seen one station."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    write_progress(Progress(seen=("line",), last="line"))


def learn(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a shell without a terminal does."""
    return subprocess.run(
        [sys.executable, "-m", "tuitrain.cli", "learn", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [(), ("--list",)])
def test_all_stations_are_listed_with_what_was_seen(arguments: tuple[str, ...]) -> None:
    """Chapter by chapter."""
    done = learn(*arguments)
    assert done.returncode == 0, done.stderr
    assert all(f"{chapter.title}: {chapter.about}" in done.stdout for chapter in chapters())
    assert all(f" {station.id} " in done.stdout for station in stations())
    assert done.stdout.count("✓") == 1
    assert "✓ line " in done.stdout


def test_one_station_is_printed_whole() -> None:
    """With its answer, as there is no key to press; by a preset as well."""
    done = learn("momentum")
    assert "v ← ρ v + g" in done.stdout
    assert "Made them ten times" in " ".join(done.stdout.split())
    assert "\x1b" not in done.stdout
    assert "AdaGrad" in learn("adagrad-slows").stdout


def test_the_whole_walk_is_printed() -> None:
    """Every station once."""
    text = learn("--text").stdout
    assert all(station.title in text for station in stations())


def test_an_unknown_station_names_the_nearest() -> None:
    """A usage error."""
    done = learn("momentm")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'No station named "momentm". Try: "momentum".' in done.stderr
    assert learn("momentum", "--list").returncode == 2


def test_json_has_everything() -> None:
    """A list of stations with their chapter, and whether they were seen."""
    data = json.loads(learn("--json").stdout)
    assert [each["id"] for each in data] == [station.id for station in stations()]
    assert [each["id"] for each in data if each["is_seen"]] == ["line"]
    (one,) = json.loads(learn("momentum", "--json").stdout)
    assert one["chapter"] == "Optimizers"
    assert one["run"][0] == "lab-wave-momentum"


def test_the_list_loads_neither_torch_nor_textual() -> None:
    """It is a quick command."""
    code = (
        "import sys; from typer.testing import CliRunner; import tuitrain.cli as c;"
        "done = CliRunner().invoke(c.app, ['learn']); assert done.exit_code == 0, done.output;"
        "done = CliRunner().invoke(c.app, ['learn', 'adam']); assert done.exit_code == 0, done.output;"
        "assert not {'torch', 'textual', 'plotext'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
