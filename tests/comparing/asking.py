"""The command line in this process: a new one would import torch first."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tuitrain import cli


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    stdout: str
    stderr: str


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> Said:
    """Run `tuitrain` with these words."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["tuitrain", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    found = capsys.readouterr()
    return Said(int(caught.value.code or 0), found.out, found.err)
