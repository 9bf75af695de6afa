"""The line to the terminal: who waits for an answer, how long, and what a frame costs in bytes."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.strip import Strip

from tests.ui.watching import FakeSource, watched
from tuitrain.ui.lean import lean
from tuitrain.ui.line import Line
from tuitrain.ui.terminal import TerminalApp, TerminalDriver

_CODE = re.compile(r"\x1b\[([0-9;]*)m|\x1b\[(\d+);(\d+)H|(\n)|(.)", re.DOTALL)


class Clock:
    """A clock that stands unless it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_terminal_that_never_answers_is_never_waited_for() -> None:
    """And it is asked once."""
    clock = Clock()
    line = Line(clock)
    requests = 0
    for _ in range(200):
        assert line.is_free
        assert not line.is_full
        requests += line.wrote(30_000)
        clock.now += 0.25
    assert requests == 1


def test_the_next_picture_waits_for_the_answer_to_the_last() -> None:
    """One request at most is open, and what came behind it is asked for again."""
    line = Line(Clock())
    said = [line.wrote(100), line.answered(), line.wrote(30_000), line.is_free]
    assert said == [True, False, True, False]
    said = [line.wrote(5_000), line.is_full]  # the echo of a key does not wait
    assert said == [False, False]
    said = [line.wrote(20_000), line.is_full]  # a key that is held down does
    assert said == [False, True]
    said = [line.answered(), line.is_free]
    assert said == [True, False]
    said = [line.answered(), line.is_free, line.answered()]  # the last answers nobody: Ctrl+F3 looks like that
    assert said == [False, True, False]


def test_a_line_that_stalls_is_given_little_and_one_that_is_dead_is_given_up() -> None:
    """In 20 s of silence a picture now and then; after half a minute the plain rate; an answer restores the pace."""
    clock = Clock()
    line = Line(clock)
    line.wrote(100)
    line.answered()

    def written_in(seconds: float) -> int:
        until, num = clock.now + seconds, 0
        while clock.now < until:
            clock.now += 0.25
            if line.is_free:
                assert not line.wrote(30_000)
                num += 1
        return num

    line.wrote(30_000)
    assert 5 <= written_in(20.0) <= 10
    written_in(15.0)
    assert written_in(10.0) == 40
    assert line.answered()
    assert not line.is_free


def test_a_slow_answer_buys_patience() -> None:
    """A picture that takes 3 s is not taken for a silent terminal."""
    clock = Clock()
    line = Line(clock)
    line.wrote(100)
    line.answered()
    line.wrote(30_000)
    clock.now += 3.0
    line.answered()
    line.wrote(30_000)
    clock.now += 5.0
    assert not line.is_free


@pytest.mark.parametrize("name", ["20260101-0900-mnist-mlp-5eed", "20260101-1100-lab-wave-a5ed"])
async def test_lean_output_shows_the_same_cells_in_half_the_bytes(name: str) -> None:
    """Of a whole live screen, and of a sheet above it."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", legacy_windows=False)
    async with watched(FakeSource(name), (120, 40)) as (screen, pilot):
        live = screen._compositor.render_update(full=True)
        await pilot.press("question_mark")
        sheet = pilot.app.screen._compositor.render_update(full=True, screen_stack=pilot.app._background_screens)
        drawn: list[tuple[Any, float]] = [(live, 0.5), (sheet, 0.65)]
        for update, share in drawn:
            plain = update.render_segments(console)
            assert shown(lean(plain)) == shown(plain)
            assert len(lean(plain)) < share * len(plain)


_COLORS = st.sampled_from([None, "default", "red", "bright_blue", "color(123)", "#010203", "#fffefd"])
_PIECES = st.tuples(
    st.sampled_from(["a", "•⠅", " ", "   ", "x y"]), _COLORS, _COLORS, st.sampled_from(["", "bold", "reverse dim"])
)


@settings(max_examples=40)
@given(st.lists(st.lists(_PIECES, max_size=6), max_size=3), st.sampled_from(list(ColorSystem)))
def test_whatever_is_drawn_lean_output_shows_the_same(lines: list[list[tuple[str, ...]]], colors: ColorSystem) -> None:
    """Any pieces in any styles, as Textual writes them."""
    plain = ""
    for row, pieces in enumerate(lines, 1):
        plain += f"\x1b[{row};1H"
        for text, color, ground, words in pieces:
            style = Style.parse(words) + Style(color=color, bgcolor=ground)
            plain += Strip.render_style(style, text, colors)
    assert shown(lean(plain)) == shown(plain)
    assert len(lean(plain)) <= len(plain)


def test_a_missing_code_is_seen_by_the_comparison() -> None:
    """Or the test above could not fail."""
    plain = "\x1b[1;1H\x1b[1;31;44mab\x1b[0m\x1b[31mc\x1b[0m \x1b[4m \x1b[0m"
    assert shown(lean(plain)) == shown(plain)
    for code in re.findall(r"\x1b\[[0-9;]*m", lean(plain))[:-1]:
        assert shown(lean(plain).replace(code, "", 1)) != shown(plain)


def test_what_we_take_from_textual_is_there() -> None:
    """Its driver has names that are not public: a later version must fail here and not on a screen."""
    assert TerminalApp().get_driver_class() is TerminalDriver
    ours = set(LinuxDriver.__init__.__code__.co_names) | set(Driver.__init__.__code__.co_names)
    assert {"_file", "_size", "_mouse_pixels", "attrs_before", "fileno"} <= ours
    for name in ("_get_terminal_size", "run_input_thread", "suspend_application_mode", "disable_input"):
        assert callable(getattr(LinuxDriver, name))


def shown(text: str) -> dict[tuple[int, int], tuple[str, str, str, str]]:
    """Every cell with its sign, attributes, foreground and background; blanks have no foreground."""
    cells = {}
    row = column = 1
    attributes, foreground, background = "", "", ""
    for codes, to_row, to_column, newline, sign in _CODE.findall(text):
        if to_row:
            row, column = int(to_row), int(to_column)
        elif newline:
            row, column = row + 1, 1
        elif sign:
            seen = foreground if sign != " " or attributes else ""
            cells[row, column] = (sign, attributes, seen, background)
            column += 1
        else:
            parts = re.findall(r"[34]8;2;\d+;\d+;\d+|[34]8;5;\d+|\d+", codes) or ["0"]
            for part in parts:
                if part == "0":
                    attributes, foreground, background = "", "", ""
                elif re.match(r"(3|9\d)", part) and len(part) > 1:
                    foreground = part
                elif re.match(r"(4\d|10\d)", part):
                    background = part
                else:
                    attributes += f";{part}"
    return cells
