"""Where the program cannot work, and what nobody foresaw: a sentence with a way out, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.comparing.asking import said
from tuitrain import cli, guard
from tuitrain.errors import UsageError

TUITRAIN = f"{sys.executable} -m tuitrain"


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("{} explain > /dev/full", 1, "The output cannot be written: No space left on device."),
        ("{} --help > /dev/full", 1, "The output cannot be written: No space left on device."),
        ("{} explain >&-", 0, ""),
        ("{} explain 2>&- <&- | head -1 > /dev/null; exit ${{PIPESTATUS[1]}}", 0, ""),
        ("mkdir gone; cd gone; rmdir ../gone; {} runs", 2, "The folder that you are in was deleted. Try: cd"),
        ("PYTHONOPTIMIZE=2 {} ask last help > /dev/null", 0, "the help of commands"),
    ],
)
def test_a_shell_gets_a_sentence(line: str, code: int, told: str, tmp_path: Path) -> None:
    """A full or closed stdout, a deleted folder, Python without docstrings."""
    done = subprocess.run(
        ["bash", "-c", line.format(TUITRAIN)], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60
    )
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1


def test_without_docstrings_no_command_has_the_help_of_another_class() -> None:
    """msgspec's own sentence about structs is no help."""
    code = "from tuitrain.protocol.describe import COMMANDS, command_help; print([*map(command_help, COMMANDS)])"
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True, check=True)
    assert "class" not in done.stdout


@pytest.mark.parametrize(
    ("home", "told"),
    [
        ("{}/file", "is no folder, and the runs would be in it. Try: TUITRAIN_HOME="),
        ("{}/file/below", "is no folder, and the runs would be in"),
        ("{}/dangling", "is a link that leads nowhere"),
        ("{}/dangling/below", "is a link that leads nowhere"),
        ("~there-is-nobody/x", "there is no such user"),
    ],
)
def test_a_home_that_is_none_is_told(
    home: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not "No runs yet", by any command that needs it; what needs none works."""
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    monkeypatch.setenv("TUITRAIN_HOME", home.format(tmp_path))
    for words in (("runs",), ("run", "lr-good", "--headless"), ("compare", "--list")):
        refused = said(capsys, *words)
        assert (refused.code, told in refused.stderr) == (2, True), refused
    assert said(capsys, "explain", "adam").code == 0


def test_what_nobody_foresaw_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit code 1; the traceback is in a file that the sentence names."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def broken(_: list[str]) -> None:
        raise ValueError("a colour\x1b[31m")

    monkeypatch.setattr(cli, "app", broken)
    told = said(capsys, "runs")
    assert told.code == 1
    assert len(told.stderr.splitlines()) == 1
    assert "a mistake of its own: ValueError: a colour·[31m. Try: a report with" in told.stderr
    (written,) = tmp_path.glob("tuitrain-traceback-*.txt")
    assert str(written) in told.stderr
    assert "in broken" in written.read_text()


def test_without_any_home_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a person without HOME, whom the system does not know either, it would be a folder named "~"."""
    monkeypatch.delenv("TUITRAIN_HOME")
    monkeypatch.setattr(guard, "home_folder", lambda: Path("~/.local/share/tuitrain"))
    with pytest.raises(UsageError, match="HOME is not set"):
        guard.check_home()
