"""The terminal is given back as it was, whatever ends or stops the dashboard."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.recordings import HERE
from tests.terminal.relay import Relay

pytestmark = pytest.mark.terminal
_ENDLESS = [sys.executable, "-m", "tests.terminal.endless"]
_SLOW = pytest.mark.slow
_RUN = "20260101-0900-mnist-mlp-5eed"
_MODES = re.compile(rb"\x1b\[\?(\d+)([hl])")


def left_on(line: Relay) -> set[bytes]:
    """The private modes that the last word of the program left set, and the cursor where it was left hidden."""
    state = dict(_MODES.findall(line.out))
    is_hidden = state.pop(b"25", b"h") == b"l"
    wraps = state.pop(b"7", b"h")
    return {mode for mode, how in state.items() if how == b"h"} | ({b"25"} if is_hidden else set()) | {wraps} - {b"h"}


_SELDOM = [pytest.param(number, marks=_SLOW) for number in (signal.SIGINT, signal.SIGQUIT)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, *_SELDOM])
def test_a_signal_leaves_as_q_does(number: signal.Signals, tmp_path: Path) -> None:
    """Cooked, on the main screen, with a cursor and without mouse reports; the words say how the run stands."""
    shutil.copytree(HERE / _RUN, tmp_path / "runs" / _RUN)
    command = [sys.executable, "-m", "tuitrain.cli", "attach", _RUN]
    with Relay(command, {"TUITRAIN_HOME": str(tmp_path)}, size=(100, 30)) as line:
        line.until(lambda: line.num_requests > 1)
        assert line.modes() != line.before
        assert {b"1049", b"1003", b"2004", b"25"} <= left_on(line)
        line.kill(number)
        assert line.end() == 128 + number
        assert line.modes() == line.before
        assert not left_on(line)
        after = line.out[line.out.rindex(b"\x1b[?1049l") :]
        assert f"{_RUN}: finished at step 300".encode() in after
        assert b"Traceback" not in line.out


@_SLOW
def test_a_mistake_of_ours_gives_it_back_and_says_what_it_was() -> None:
    """The traceback stands on the main screen."""
    with Relay(_ENDLESS, {"BREAKS": "yes"}, size=(80, 24)) as line:
        line.until(lambda: b"%" in line.out)
        line.type(b" ")
        assert line.end() == 1
        assert line.modes() == line.before
        assert not left_on(line)
        assert b"broken on purpose" in line.out[line.out.rindex(b"\x1b[?1049l") :]


@pytest.mark.parametrize("hears", [False, pytest.param(True, marks=_SLOW)])
def test_a_terminal_that_is_gone_ends_it(hears: bool) -> None:
    """Also where the signal for that is ignored, as after nohup: no process is left that spins."""
    ignoring = ["bash", "-c", 'trap "" HUP; exec "$@"', "bash", *_ENDLESS]
    with Relay(_ENDLESS if hears else ignoring, {}, size=(80, 24)) as line:
        line.until(lambda: b"%" in line.out)
        line.hang_up()
        assert line.end() == 128 + signal.SIGHUP


def test_suspended_it_is_given_back_and_taken_again() -> None:
    """Ctrl+Z, fg, a whole picture; and a suspended one that is killed ends without touching the terminal."""
    with Relay(["bash", "--norc", "--noprofile", "-i"], {"PS1": "ready$ "}, size=(80, 24)) as line:
        line.until(lambda: b"ready$" in line.out)
        line.type(f"{' '.join(_ENDLESS)}\n".encode())
        line.until(lambda: line.num_requests > 2)
        line.type(b"\x1a")
        line.until(lambda: b"Stopped" in line.out)
        assert not left_on(line) - {b"2004"}  # which is bash's own now
        seen = len(line.out)
        line.type(b"fg\n")
        line.until(lambda: all(word in line.out[seen:] for word in (b"batch loss", b"train / validation", b"%")))
        assert {b"1049", b"1003", b"25"} <= left_on(line)
        line.type(b"\x1a")
        line.until(lambda: b"Stopped" in line.out[seen:])
        (app,) = psutil.Process(line.pid).children()
        seen = len(line.out)
        line.type(b"kill %1\n")
        app.wait(60)
        line.type(b"echo\n")
        line.until(lambda: b"Exit 143" in line.out[seen:])
        assert not left_on(line) - {b"2004"}


@_SLOW
def test_the_size_is_that_of_the_terminal() -> None:
    """Not of COLUMNS and LINES that somebody exported; and one of 30 000 columns is drawn in bounds."""
    with Relay(_ENDLESS, {"COLUMNS": "100000", "LINES": "100000"}, size=(80, 24)) as line:
        line.until(lambda: b"%" in line.out)
        line.resize(30_000, 30_000)
        os.kill(line.pid, signal.SIGWINCH)
        seen = len(line.out)
        line.until(lambda: b"%" in line.out[seen:])
        line.type(b"q")
        assert line.end() == 0


@pytest.mark.parametrize(
    ("environment", "lacks"),
    [
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "no Unicode"),
        pytest.param({"PYTHONIOENCODING": "latin-1", "TERM": "vt220"}, "no Unicode", marks=_SLOW),
        pytest.param({"TERM": "linux"}, "no braille", marks=_SLOW),
    ],
)
def test_a_terminal_gets_the_signs_that_it_has(environment: dict[str, str], lacks: str, tmp_path: Path) -> None:
    """On the whole screen: charts, boxes, the sheet of keys."""
    shutil.copytree(HERE / _RUN, tmp_path / "runs" / _RUN)
    command = [sys.executable, "-m", "tuitrain.cli", "attach", _RUN]
    with Relay(command, {"TUITRAIN_HOME": str(tmp_path), **environment}, size=(100, 30)) as line:
        line.until(lambda: b"smoothed" in line.out)
        line.type(b"?")
        line.until(lambda: b"esc closes" in line.out)
        seen = line.out.decode("utf-8")
        assert b"****" in line.out
        assert b"\\u" not in line.out
        assert not re.search("[⠁-⣿]", seen)
        assert seen.isascii() == (lacks == "no Unicode")
        line.type(b"\xf6\x1b")  # a letter that is no UTF-8 is no key, and no end

        def leaves() -> bool:
            line.type(b"\x1b")
            time.sleep(0.3)
            line.type(b"q")
            return b"\x1b[?1049l" in line.out

        line.until(leaves)
        assert line.end() == 0
