"""Width in cells, and signs that a terminal does not have: in every table and on every screen."""

from __future__ import annotations

import codecs
import io
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ui.comparisons import comparison
from tests.ui.test_compare_figure import VIEW
from tuitrain import cli_care, signs
from tuitrain.cells import beginning, ending, left, num_cells, right
from tuitrain.cli_again import _table
from tuitrain.comparing.outcome import outcome_lines
from tuitrain.rundir.summary import RunSummary
from tuitrain.session.arms import Arm, Standing
from tuitrain.ui import text
from tuitrain.ui.compare_rows import Rows
from tuitrain.ui.compare_table import compare_table
from tuitrain.ui.screens.comparisons import Entry, comparison_line

WIDE = "猫と犬の分類実験"
_LETTERS = st.text(st.sampled_from("aé猫犬🐈e\u0301—"), max_size=12)


def columns_of(lines: list[str], word: str) -> set[int]:
    """The cells at which a word begins."""
    return {num_cells(line[: line.index(word)]) for line in lines if word in line}


@given(_LETTERS, st.integers(1, 14))
def test_text_is_padded_and_cut_to_cells(words: str, width: int) -> None:
    """Whatever it is written in, and a cut text is no wider than it may be."""
    for padded in (left(words, width), right(words, width)):
        assert num_cells(padded) == max(width, num_cells(words))
    for cut in (beginning(words, width), ending(words, width), text.cut(words, width)):
        assert num_cells(cut) <= width
        assert cut == words or "…" in cut


def test_tables_of_the_shell_are_straight(capsys: pytest.CaptureFixture[str]) -> None:
    """`tuitrain runs`, the arms of a branch, and what a comparison prints at its end."""
    found = [RunSummary(id=f"run-{name}", path="", name=name, preset="linreg") for name in (WIDE, "plain", "🐈")]
    cli_care._print_table(found, {})
    assert len(columns_of(capsys.readouterr().out.splitlines(), "linreg")) == 1
    arms = [Standing(Arm(name, []), 0.5, 0.1, 0.1, {}) for name in (WIDE, "plain")]
    assert len(columns_of(_table(arms), "0.5")) == 1
    lines = outcome_lines(comparison((WIDE, "plain"), 2, lambda arm, seed: ("finished", 1000)), "eval/loss")
    assert len(columns_of([line for line in lines if " finished " in line], "finished")) == 1
    assert len(columns_of([line for line in lines if " ± " in line][1:], " ±")) == 1


def test_tables_of_the_screens_are_straight() -> None:
    """Of a comparison, and the list of comparisons."""
    found = comparison((WIDE, "plain", "🐈"), 2, lambda arm, seed: ("finished", 1000))
    table = compare_table(Rows().arms(found, VIEW), VIEW, {}, 120, 9, 0)
    assert len(columns_of([line.plain for line in table.lines], "finished")) == 1
    assert len({line.cell_length for line in table.lines[2:]}) == 1
    entries = [comparison_line(Entry(name, "1/2", 0.0), 20, 60).plain for name in (WIDE, "plain")]
    assert len(columns_of(entries, "1/2")) == 1


@pytest.mark.parametrize("sign", [*signs._ALIKE, *"⠁⣿é猫🐈\u0301", "\u2800"])
def test_what_stands_for_a_sign_is_as_wide(sign: str) -> None:
    """So that no column moves."""
    assert signs.alike(sign).isascii()
    assert num_cells(signs.alike(sign)) == num_cells(sign)


@pytest.mark.parametrize(
    ("encoding", "term", "lacks"),
    [
        ("utf-8", "xterm-256color", ""), ("UTF-8", "tmux-256color", ""), ("utf-8", "linux", "braille"),
        ("utf-8", "vt220", "Unicode"), ("utf-8", "vt100", "Unicode"), ("latin-1", "xterm", "Unicode"),
        ("ascii", "linux", "Unicode"), ("utf-8", "vte-direct", ""),
    ],
)  # fmt: skip
def test_what_a_terminal_lacks(encoding: str, term: str, lacks: str) -> None:
    """By its locale and by its kind."""
    assert signs.lacking(encoding, term) == lacks


def test_the_console_of_linux_keeps_the_signs_of_its_font() -> None:
    """And gets others for braille."""
    assert signs.fitted("│×─ ⠅⡇→●", "braille") == "│×─ :*>O"
    assert signs.fitted("│×─ ⠅⡇→●", "") == "│×─ ⠅⡇→●"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_no_command_dies_of_an_encoding(encoding: str) -> None:
    """Its help and errors neither; of signs the nearest is printed."""
    script = "import sys; from tuitrain.cli import main; sys.argv[1:] = {!r}; main()"
    for arguments, words in ((["explain", "adam"], "0 <= beta1 < 1"), (["export", "größe—", "--to", "x"], "Try")):
        done = subprocess.run(
            [sys.executable, "-c", script.format(arguments)], capture_output=True, check=False,
            env={**os.environ, "PYTHONIOENCODING": encoding, "TUITRAIN_HOME": os.devnull + "/none"},
        )  # fmt: skip
        assert words in (done.stdout + done.stderr).decode(encoding)
        assert b"Traceback" not in done.stderr


def test_an_argument_is_read_as_utf8_whatever_the_locale() -> None:
    """As LC_ALL=C gives it to Python: bytes that are no ASCII come as surrogates."""
    words = 'task.ignore=["größe"]'
    assert signs.typed(words) == words
    assert signs.typed(words.encode().decode("utf-8", "surrogateescape")) == words
    assert signs.typed(words.encode().decode("ascii", "surrogateescape")) == words


def test_a_stream_that_lacks_signs_is_written_all_the_same() -> None:
    """Also where the first sign of many is missing."""
    codecs.register_error("alike", signs._replaced)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="alike")
    stream.write("╭─ η → ≤ 猫 … é\n")
    stream.flush()
    assert stream.buffer.getvalue() == b"+- n -> <= ?? ... e\n"
