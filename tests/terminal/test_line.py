"""A thin line: the picture is never behind, and keys are seen.

A busy machine draws late, so what is measured here is what waits in the line, in bytes: a second is 50 kB.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from tests.terminal.relay import Relay

pytestmark = pytest.mark.terminal
_ENDLESS = [sys.executable, "-m", "tests.terminal.endless"]
_RATE = 50_000.0
_STAMP = re.compile(rb"%(\d+\.\d{3})%")


def test_of_160_by_50_over_50_kilobytes_less_than_a_second_waits() -> None:
    """Also while a key is held down; and a key that opens a sheet shows it within 1.5 s of line."""
    with Relay(_ENDLESS, {}, _RATE) as line:
        line.until(lambda: line.num_requests > 2 and _STAMP.search(line.out))
        line.until(lambda: not line.num_waiting)
        line.most_waiting, begin = 0, len(line.out)
        line.until(lambda: len(_STAMP.findall(line.out, begin)) >= 3)
        pressed, waiting = len(line.out), line.num_waiting
        line.type(b"?")
        line.until(lambda: b"esc closes" in line.out[pressed:])
        assert waiting + line.out.index(b"esc closes", pressed) - pressed < 1.5 * _RATE
        line.type(b"\x1b")
        for _ in range(40):
            line.type(b"\t")
            time.sleep(0.02)
        line.until(lambda: not line.num_waiting)
        assert 0 < line.most_waiting < _RATE


def test_a_terminal_that_never_answers_is_drawn_at_the_plain_rate() -> None:
    """It is asked once, and pictures come all the same; the keys work."""
    with Relay(_ENDLESS, {}, answers=False, size=(80, 24)) as line:
        line.until(lambda: len(set(_STAMP.findall(line.out))) > 8)
        assert line.num_requests == 1
        line.type(b"q")
        assert line.end() == 0
        assert line.modes() == line.before


@pytest.mark.slow
@pytest.mark.parametrize("rate", [50_000.0, 15_000.0])
def test_the_last_row_is_a_second_behind_at_most(rate: float) -> None:
    """By the clock, for a machine with nothing else to do: 24 kB a frame are 0.5 s, and 1.6 s over the thinner line."""
    lags: list[float] = []
    with Relay(_ENDLESS, {}, rate) as line:
        line.until(lambda: len(_STAMP.findall(line.out)) > 3)
        seen = len(line.out)
        for _ in range(2000):
            time.sleep(0.01)
            lags += [time.monotonic() - float(found[1]) for found in _STAMP.finditer(line.out, seen)]
            seen = max(seen, *(found.end() for found in _STAMP.finditer(line.out, seen)), 0)
    assert len(lags) > 5
    assert sorted(lags)[len(lags) // 2] < 50_000 / rate


@pytest.mark.slow
def test_with_tmux_between_the_picture_goes_on(tmp_path: Path) -> None:
    """It answers by itself and leaves pictures out by itself."""
    command = ["tmux", "-f", "/dev/null", "-S", str(tmp_path / "socket"), "new-session", " ".join(_ENDLESS)]
    with Relay(command, {"TMUX": ""}, _RATE) as line:
        line.until(lambda: len(set(_STAMP.findall(line.out))) > 3)
        line.most_waiting = 0
        num = len(set(_STAMP.findall(line.out)))
        line.until(lambda: len(set(_STAMP.findall(line.out))) > num + 10)
        assert line.most_waiting < 4 * _RATE
        line.type(b"q")
        assert line.end() == 0
