"""A person's story in a real terminal: start, watch, steer, leave, come back."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = [
    pytest.mark.terminal,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]
TUITRAIN = f"{sys.executable} -m tuitrain.cli"
ENDLESS = "run mnist-mlp train.steps=1000000"
"""It is at work however long a person takes; nothing that they do is measured against its end."""


class Terminal:
    """A tmux window that a test types into and reads."""

    def __init__(self, home: Path, width: int = 120, height: int = 40) -> None:
        self._socket = f"tuitrain-{uuid.uuid4().hex[:8]}"
        self._home = home
        environment = {key: value for key, value in os.environ.items() if key not in {"TMUX", "NO_COLOR"}}
        environment |= {"TUITRAIN_HOME": str(home), "COLORTERM": "truecolor"}
        subprocess.run(
            ["tmux", "-L", self._socket, "-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
             "env TERM=xterm-256color bash --norc --noprofile"],
            env=environment, check=True,
        )  # fmt: skip
        self.type("PS1='ready''$ '; clear", "Enter")
        self.until("ready$")

    def type(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        subprocess.run(["tmux", "-L", self._socket, "send-keys", "-t", "0", *keys], check=True)

    def run(self, arguments: str) -> None:
        """Run the program from the shell."""
        self.type(f"{TUITRAIN} {arguments}", "Enter")

    def text(self) -> str:
        """What stands on the screen."""
        done = subprocess.run(
            ["tmux", "-L", self._socket, "capture-pane", "-p", "-t", "0"], capture_output=True, text=True, check=True
        )
        return done.stdout

    def until(self, *words: str, seconds: float = 60.0) -> str:
        """Wait until all words stand on the screen."""
        deadline = time.monotonic() + seconds
        while True:
            text = self.text()
            if all(word in text for word in words):
                return text
            assert time.monotonic() < deadline, f"{words} did not come:\n{text}"
            time.sleep(0.05)

    def until_gone(self, word: str, seconds: float = 60.0) -> None:
        """Wait until a word is no more on the screen."""
        deadline = time.monotonic() + seconds
        while word in self.text():
            assert time.monotonic() < deadline, f"{word} did not go:\n{self.text()}"
            time.sleep(0.05)

    def kill(self, command: str) -> None:
        """Kill -9 a command of the program that runs in this window, and in no other one."""
        done = subprocess.run(
            ["tmux", "-L", self._socket, "display-message", "-p", "-t", "0", "#{pane_pid}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        (found,) = [
            process
            for process in psutil.Process(int(done.stdout)).children(recursive=True)
            if process.cmdline()[-3:] == ["-m", "tuitrain.cli", command]
        ]
        found.kill()

    def close(self) -> None:
        """End tmux and whatever runs in it."""
        subprocess.run(["tmux", "-L", self._socket, "kill-server"], check=False, capture_output=True)

    def runs(self) -> list[dict[str, object]]:
        """What `tuitrain runs --json` says."""
        done = subprocess.run(
            [sys.executable, "-m", "tuitrain.cli", "runs", "--json"],
            capture_output=True, text=True, check=True, env={**os.environ, "TUITRAIN_HOME": str(self._home)},
        )  # fmt: skip
        found: list[dict[str, object]] = json.loads(done.stdout)
        return found


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal of 120×40 with a home of its own; no trainer is left behind."""
    window = Terminal(tmp_path / "home")
    yield window
    pids = [run["pid"] for run in window.runs() if run["state"] in {"starting", "running", "paused"}]
    window.close()
    for pid in pids:
        if isinstance(pid, int) and pid:
            with contextlib.suppress(ProcessLookupError):  # one in this window went with it
                os.kill(pid, signal.SIGKILL)


def test_start_watch_steer_leave_and_come_back(terminal: Terminal) -> None:
    """Points 1 to 4 of the main job, by key and by command."""
    terminal.run(ENDLESS)
    terminal.until("starting: importing torch", "batch loss")
    terminal.until("training", "smoothed", "gap", "paced")
    terminal.type("d")
    terminal.until("decay the learning rate", "at the end")
    terminal.type("Enter")
    terminal.until("×0.1", "1.0e-4")
    # In one burst, as keys come over a slow line: none may be taken for a key of the screen behind.
    terminal.type("l", "Down", "Down", "Down", "Down", "Enter")
    terminal.until("cosine over", "cosine ×0.1")
    terminal.type("Space")
    terminal.until("space resume")
    terminal.type("q")
    left = terminal.until("goes on at step", "tuitrain attach")
    assert "Traceback" not in left

    run = terminal.runs()[0]
    assert (run["state"], run["preset"]) == ("paused", "mnist-mlp")
    terminal.run("attach")
    terminal.until("paused", "what happened", "learning rate 0.001")
    terminal.type("Space")
    terminal.until("training")
    # The dashboard dies hard; the run does not notice.
    step = terminal.runs()[0]["step"]
    terminal.kill("attach")
    deadline = time.monotonic() + 30
    while terminal.runs()[0]["step"] == step:
        assert time.monotonic() < deadline
    terminal.type("", "Enter")
    terminal.type("reset", "Enter")
    terminal.run("ask last switch_optimizer name=sgd momentum=0.9 --wait swap --timeout 60")
    terminal.until("adam → sgd")
    terminal.run("ask last stop --timeout 60; echo status=$?")
    terminal.until("applied at step", "status=0")
    terminal.run("replay last --speed 1000")
    terminal.until("replay", "stopped", "adam → sgd")
    terminal.type("q")
    terminal.until("ready$")


def test_a_burst_of_keys_is_taken_whole(terminal: Terminal) -> None:
    """As a slow line delivers them: the dialog's key, the value and Enter at once; of a list, the letter too."""
    terminal.run(ENDLESS)
    terminal.until("training", "paced")
    terminal.type("d", "0.5", "Enter")
    terminal.until("factor=0.5", "×0.5")
    terminal.type("m", "d", "0.25", "Enter")
    terminal.until("dropout 0 → 0.25")
    terminal.type("x")
    terminal.until("stopped")
    terminal.type("q")
    terminal.until("stopped at step", "ready$")


def test_home_starts_a_preset(terminal: Terminal) -> None:
    """Enter on the list; Escape comes back and shows the run among the others."""
    terminal.run("")
    terminal.until("presets", "A line through points")
    terminal.type("Enter")
    terminal.until("linreg", "training", "batch loss")
    terminal.type("x")
    terminal.until("stopped")
    terminal.type("Escape")
    terminal.until("linreg-", "stopped", "enter open")
    terminal.type("q")
    terminal.until("linreg", "ready$")


def test_leaving_an_in_process_run_asks(terminal: Terminal) -> None:
    """Stay, or stop; the end is clean."""
    terminal.run(f"{ENDLESS} --in-process; echo status=$?")
    terminal.until("training", "paced")
    terminal.type("q")
    terminal.until("leave?", "Stay")
    terminal.type("Enter")
    terminal.until_gone("leave?")
    terminal.type("q")
    terminal.until("leave?")
    terminal.type("Down", "Enter")
    terminal.until("stopped at step", "status=0")


def test_a_small_terminal_and_a_nan(tmp_path: Path) -> None:
    """60×20: one chart at a time; the NaN pauses the run and says what to do."""
    window = Terminal(tmp_path / "home", 60, 20)
    try:
        window.run("run linreg optimizer.lr=1.1 train.max_steps_per_second=200; echo status=$?")
        window.until("batch loss")
        window.until("paused", "the loss of step 206 is inf", "decay the learning rate")
        window.type("Down")
        window.until("gradient norm")
        window.type("x")
        window.until("stopped")
        window.type("q")
        window.until("stopped at step 206", "status=0")
    finally:
        window.close()
