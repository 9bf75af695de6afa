"""The headless story, as a script would live it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TUITRAIN = (sys.executable, "-m", "tuitrain.cli")


def tuitrain(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a shell without a terminal does; what hangs is ended by pytest."""
    return subprocess.run([*TUITRAIN, *arguments], capture_output=True, text=True, check=False)


def test_the_last_line_of_json_is_one_object() -> None:
    """With everything that a script wants to know."""
    done = tuitrain("run", "lab-wave", "train.steps=60", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["state"], result["steps"]) == ("finished", 60)
    assert {"run", "state", "reason", "steps", "seconds", "metrics"} <= set(result)
    assert {"last", "best"} == set(result["metrics"]["eval/loss"])
    assert "starting: importing torch" in done.stderr
    listed = json.loads(tuitrain("runs", "--json").stdout)
    wanted = {"id", "preset", "state", "step", "total_steps", "pid", "host", "started", "best"}
    assert wanted <= set(listed[0])
    assert listed[0]["id"] == result["run"]


def test_a_nan_without_a_person_fails_the_run() -> None:
    """Exit code 1, with the step."""
    done = tuitrain("run", "linreg", "optimizer.lr=1.1", "--headless")
    assert done.returncode == 1
    assert "ALARM: the loss of step 206 is inf" in done.stderr
    assert "failed at step 206" in done.stdout


def test_mistakes_are_usage_errors_and_start_nothing(home: Path) -> None:
    """Exit code 2, all at once, on stderr."""
    done = tuitrain("run", "mnist-mlp", "optimizer.lr=fast", "train.epoch=3", "--headless")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 2
    assert 'Did you mean "epochs"?' in done.stderr
    assert not (home / "runs").exists()


def test_asking_what_does_not_exist_is_a_usage_error() -> None:
    """The nearest command or argument is named."""
    unknown = tuitrain("ask", "last", "scale_learning_rat")
    assert (unknown.returncode, 'Try: "scale_learning_rate"' in unknown.stderr) == (2, True)
    wrong = tuitrain("ask", "last", "switch_optimizer", "name=adm")
    assert (wrong.returncode, '"adam"' in wrong.stderr) == (2, True)
    nobody = tuitrain("ask", "last", "pause")
    assert nobody.returncode == 1


def test_a_run_is_steered_from_another_shell_and_stopped_by_ctrl_c() -> None:
    """Ask, list, interrupt: exit codes 0, and the summary at the end."""
    process = subprocess.Popen(
        [*TUITRAIN, "run", "lab-wave", "train.steps=1000000", "--headless"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not any(run["step"] > 10 for run in json.loads(tuitrain("runs", "--json").stdout)):
        assert time.monotonic() < deadline
    asked = tuitrain("ask", "last", "scale_learning_rate", "factor=0.1")
    assert asked.returncode == 0, asked.stdout
    assert re.match(r"applied at step \d+: ×0.1: learning rate 0.01 → 0.001", asked.stdout)
    as_json = json.loads(tuitrain("ask", "last", "evaluate", "--json").stdout)
    assert (as_json["status"], as_json["command"]) == ("applied", "evaluate")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 0
    assert "stopping: evaluate, save, end" in errors
    assert "stopped at step" in output


def test_a_dumb_terminal_gets_lines() -> None:
    """And no escape codes."""
    done = subprocess.run(
        [*TUITRAIN, "run", "lab-wave", "train.steps=30"],
        capture_output=True, text=True, check=False, env={**os.environ, "TERM": "dumb"},
    )  # fmt: skip
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr


def test_help_version_presets_and_doctor() -> None:
    """The quick ones."""
    assert tuitrain("--version").stdout.startswith("tuitrain ")
    for word in ("run", "runs", "attach", "ask", "replay", "presets", "doctor"):
        assert f"  {word} " in tuitrain("--help").stdout
    assert "mnist-mlp" in tuitrain("presets").stdout
    assert "Look for:" in tuitrain("presets", "lab-wave").stdout
    assert "packages:" in tuitrain("doctor").stdout
    assert "scale_learning_rate" in tuitrain("ask", "last", "help").stdout


def test_an_unwritable_home_is_a_clear_error() -> None:
    """Nothing is started."""
    done = subprocess.run(
        [*TUITRAIN, "run", "linreg", "--headless"],
        capture_output=True, text=True, check=False, env={**os.environ, "TUITRAIN_HOME": "/proc/nowhere"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "/proc/nowhere" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs to mount a small tmpfs")
@pytest.mark.parametrize("policy", ["continue", "stop"])
def test_a_full_disk_is_said_and_nothing_hangs(tmp_path: Path, policy: str) -> None:
    """Training goes on, or stops, as the preset says; the alarm and the last word are written all the same."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(small)], check=True)
    try:
        done = subprocess.run(
            [*TUITRAIN, "run", "lab-wave", "train.steps=12000", "eval.every_steps=6000", "--headless",
             f"train.on_disk_full={policy}"],
            capture_output=True, text=True, check=False, env={**os.environ, "TUITRAIN_HOME": str(small)},
        )  # fmt: skip
        assert "No space left on device" in done.stderr
        assert ("at step 12000" in done.stdout) == (policy == "continue")
        assert "lost" not in done.stdout
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
