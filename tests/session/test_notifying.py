"""A command at the end of a run and at alarms: it is told all, and neither slows training nor delays its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Literal

import pytest

from tests.session.test_command_line import tuitrain
from tests.session.waiting import LONG, started
from tuitrain.errors import PresetError
from tuitrain.preset import load_preset
from tuitrain.protocol.events import AlarmRaised, Paused, RunEnded
from tuitrain.rundir.places import RunFolder, read_info
from tuitrain.session.in_process import InProcessRun
from tuitrain.session.notifying import Notifier, NotifyingRun
from tuitrain.session.occasions import QUIET_SECONDS, Occasions
from tuitrain.session.own_config import NotifyWish, handed_over, notify_wish, taken_over, wants_bell
from tuitrain.session.start import create_run, start_detached

TELL = "import json, os, sys; open({place!r}, 'a').write(json.dumps({{k: v for k, v in os.environ.items() if k.startswith('TUITRAIN_')}}) + '\\n'); sys.stdin.read()"  # noqa: E501


def told(place: Path) -> list[dict[str, str]]:
    """What the command was told so far, one entry each time it ran."""
    with contextlib.suppress(FileNotFoundError):
        return [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()]
    return []


def wait_for(place: Path, number: int, seconds: float = 30.0) -> list[dict[str, str]]:
    """Until the command ran so often."""
    deadline = time.monotonic() + seconds
    while len(told(place)) < number:
        assert time.monotonic() < deadline, f"it ran {len(told(place))} times"
        time.sleep(0.02)
    return told(place)


def output_with(folder: RunFolder, words: str, seconds: float = 30.0) -> str:
    """output.log, once the words stand in it."""
    deadline = time.monotonic() + seconds
    while words not in (text := folder.output_path.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline, text
        time.sleep(0.02)
    return text


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the command writes what it was told."""
    return tmp_path / "told.jsonl"


@pytest.fixture
def config(home: Path, place: Path) -> Path:
    """One's own config, which names the command."""
    home.mkdir()
    path = home / "config.toml"
    command = json.dumps([sys.executable, "-c", TELL.format(place=str(place))])
    path.write_text(f"[notify]\ncommand = {command}\n", encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run")


def alarm(step: int = 7, kind: str = "nonfinite_loss") -> AlarmRaised:
    return AlarmRaised(step=step, kind=kind, message=f"the loss\nof step {step} is nan", value=1.0)


def test_the_command_is_told_of_the_end(config: Path, place: Path) -> None:
    """Of a whole run, through the real trainer; what carries the command is not in its environment."""
    done = tuitrain("run", "lab-wave", "train.steps=30", "--json")
    assert done.returncode == 0, done.stderr
    (said,) = wait_for(place, 1)
    assert said["TUITRAIN_RUN"] == json.loads(done.stdout.splitlines()[-1])["run"]
    assert (said["TUITRAIN_EVENT"], said["TUITRAIN_STATE"], said["TUITRAIN_STEP"]) == ("end", "finished", "30")
    assert "eval/loss" in said["TUITRAIN_MESSAGE"]
    assert "TUITRAIN_NOTIFY" not in said


def test_the_command_is_told_of_an_alarm_and_of_the_failure(config: Path, place: Path) -> None:
    """One after the other."""
    assert (
        tuitrain(
            "run",
            "linreg",
            "optimizer.lr=1.1",
            "alarms.loss_spike=off",
            "alarms.plateau=off",
            "alarms.learning_rate=off",
            "--headless",
        ).returncode
        == 1
    )
    first, second = wait_for(place, 2)
    assert (first["TUITRAIN_EVENT"], first["TUITRAIN_STEP"]) == ("alarm", "206")
    assert first["TUITRAIN_MESSAGE"].startswith("the loss of step 206 is inf")
    assert (second["TUITRAIN_EVENT"], second["TUITRAIN_STATE"]) == ("end", "failed")


def test_a_killed_trainer_is_told_of_all_the_same(config: Path, place: Path) -> None:
    """As lost: this is what one wants to know in the morning."""
    run, watched = started(*LONG)
    watched.until(lambda board: board.step > 5)
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait()
    (said,) = wait_for(place, 1)
    assert (said["TUITRAIN_EVENT"], said["TUITRAIN_STATE"]) == ("end", "lost")


def test_the_command_line_goes_before_the_config_and_is_not_recorded(config: Path, place: Path, tmp_path: Path) -> None:
    """Neither in run.json nor in the arguments of a process."""
    other = tmp_path / "other.jsonl"
    command = json.dumps([sys.executable, "-c", TELL.format(place=str(other))])
    run, watched = started("train.steps=30", f"notify.command={command}")
    watched.until(lambda board: board.state == "finished")
    assert wait_for(other, 1)[0]["TUITRAIN_STATE"] == "finished"
    assert told(place) == []
    assert "other.jsonl" not in run.folder.info_path.read_text(encoding="utf-8")
    assert "notify" not in read_info(run.folder).preset
    run.process.wait()


def test_in_process_it_is_the_same(config: Path, place: Path) -> None:
    """The simple mode tells as well."""
    run = InProcessRun(load_preset("lab-wave", ["train.steps=30"]))
    deadline = time.monotonic() + 60
    while run.is_alive:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert wait_for(place, 1)[0]["TUITRAIN_RUN"] == run.folder.id
    run.stop_and_wait(10)


def until_there(gate: Path) -> NotifyWish:
    """A command that hangs until there is a file, and then says at which event it was run."""
    return NotifyWish(("sh", "-c", f'while [ ! -e "{gate}" ]; do sleep 0.1; done; echo "was at $TUITRAIN_EVENT"'))


def test_a_hanging_command_delays_nothing(folder: RunFolder, tmp_path: Path) -> None:
    """The alarm's command hangs until all was told: whoever waited for it would wait for ever."""
    notifier = Notifier(folder, until_there(tmp_path / "gate"), timeout_seconds=1e6)
    notifier.start()
    for step in range(2000):
        notifier.note(alarm(step, "disk" if step % 2 else "nonfinite_loss"), "running")
    notifier.end(RunEnded(step=9, reason="finished"))
    (tmp_path / "gate").touch()
    assert output_with(folder, "was at end").splitlines() == ["was at alarm", "was at alarm", "was at end"]


def test_a_hanging_command_is_killed_and_the_end_is_told(folder: RunFolder) -> None:
    """When its time is over."""
    code = "case $TUITRAIN_EVENT in end) echo at the end;; *) sleep 600;; esac"
    notifier = Notifier(folder, NotifyWish(("sh", "-c", code)), timeout_seconds=1.0)
    notifier.start()
    notifier.note(alarm(), "running")
    notifier.end(RunEnded(step=9, reason="finished"))
    assert "took longer than 1 s and was killed. Said once." in output_with(folder, "at the end")


def test_a_full_pipe_is_no_trouble(folder: RunFolder, tmp_path: Path) -> None:
    """Nobody reads, as the command hangs until all was told: what does not fit is dropped, and waited for by nobody."""

    class All(Occasions):
        def of(self, word: object) -> Literal["end", "alarm"] | None:
            return "alarm"

    notifier = Notifier(folder, until_there(tmp_path / "gate"), timeout_seconds=1e6, occasions=All())
    notifier.start()
    for step in range(3000):
        notifier.note(AlarmRaised(step=step, kind="nonfinite_loss", message="a" * 5000, value=1.0), "running")
    notifier.close()
    (tmp_path / "gate").touch()
    assert 0 < output_with(folder, "was at end").count("was at alarm") < 3000


def test_a_failing_command_is_told_once(folder: RunFolder) -> None:
    """In output.log, with its exit code, however often it fails; what it printed stands there, too."""
    code = "import sys; print('no display'); sys.exit(3)"
    notifier = Notifier(folder, NotifyWish((sys.executable, "-c", code)))
    notifier.start()
    notifier.note(alarm(), "running")
    notifier.end(RunEnded(step=9, reason="finished"))
    deadline = time.monotonic() + 30
    while folder.output_path.read_text(encoding="utf-8").count("no display") < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert output_with(folder, "its exit code is 3").count("notify.command") == 1


def test_a_command_that_does_not_exist_is_told(folder: RunFolder) -> None:
    """With what the system said."""
    notifier = Notifier(folder, NotifyWish(("/no/such/program",)))
    notifier.start()
    notifier.end(RunEnded(step=9, reason="finished"))
    assert "No such file" in output_with(folder, "/no/such/program")


def test_no_shell_reads_the_command(folder: RunFolder, tmp_path: Path) -> None:
    """Nor what a run says: a message is data."""
    notifier = Notifier(folder, NotifyWish(("echo", f"$(touch {tmp_path}/one)", f"; touch {tmp_path}/two")))
    notifier.start()
    notifier.end(RunEnded(step=9, reason="failed", message=f"`touch {tmp_path}/three`\0\x1b[2J"))
    output_with(folder, "/two")
    assert not any((tmp_path / name).exists() for name in ("one", "two", "three"))


@pytest.mark.parametrize(("on", "wanted"), [(["end"], ["end"]), (["alarm"], ["alarm"]), (None, ["alarm", "end"])])
def test_it_runs_only_at_what_is_wished(
    folder: RunFolder, place: Path, on: list[str] | None, wanted: list[str]
) -> None:
    """As the preset says; only alarms of a run are alarms."""
    notifier = Notifier(folder, NotifyWish((sys.executable, "-c", TELL.format(place=str(place)))), on)
    notifier.start()
    run = NotifyingRun(notifier)
    run.progress.state = "paused"
    run.publish(Paused(step=7, reason="asked"))
    run.publish(alarm())
    run.publish(RunEnded(step=9, reason="stopped"))
    notifier.end(RunEnded(step=9, reason="stopped"))
    said = wait_for(place, len(wanted))
    assert [entry["TUITRAIN_EVENT"] for entry in said] == wanted
    if "alarm" in wanted:
        assert (said[0]["TUITRAIN_STATE"], said[0]["TUITRAIN_MESSAGE"]) == ("paused", "the loss of step 7 is nan")


def test_alarms_of_a_kind_are_told_once_a_minute() -> None:
    """Others, and the end, whenever they come."""
    now = [100.0]
    occasions = Occasions(lambda: now[0])
    assert [occasions.of(alarm()), occasions.of(alarm()), occasions.of(alarm(kind="disk"))] == ["alarm", None, "alarm"]
    now[0] += QUIET_SECONDS - 0.1
    assert occasions.of(alarm()) is None
    now[0] += 0.2
    assert occasions.of(alarm()) == "alarm"
    assert occasions.of(RunEnded(step=1, reason="finished")) == "end"
    assert occasions.of(Paused(step=1, reason="asked")) is None


def test_mistakes_of_the_config_start_nothing(config: Path, home: Path) -> None:
    """They are told to the person who starts the run."""
    config.chmod(0o666)
    with pytest.raises(PresetError, match="others may write"):
        start_detached(load_preset("lab-wave"), has_screen=False)
    assert not (home / "runs").exists()


def test_a_wish_is_handed_over_whole() -> None:
    """Whatever its words; no wish is none."""
    wish = NotifyWish(("prog", 'a "b" ä\n'), ("end",))
    assert taken_over(handed_over(wish)) == wish
    assert handed_over(wish).isascii()
    assert taken_over(handed_over(None)) is taken_over("{") is None
    assert notify_wish(None) is None


def test_the_preset_goes_before_the_config_for_the_bell(config: Path) -> None:
    """And without both it rings."""
    folders: dict[str, RunFolder] = {}
    for key, overrides in {"open": (), "quiet": ("notify.bell=false",), "loud": ("notify.bell=true",)}.items():
        folders[key] = create_run(load_preset("lab-wave", overrides))
    assert wants_bell(folders["open"])
    assert not wants_bell(folders["quiet"])
    config.write_text("[notify]\nbell = false\n", encoding="utf-8")
    assert not wants_bell(folders["open"])
    assert wants_bell(folders["loud"])
