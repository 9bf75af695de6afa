"""What is wrong with --on is said before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuitrain.comparing.engines import check_engine
from tuitrain.errors import UsageError


@pytest.mark.parametrize("text", ["", "kubernetes", "ray:", "ray://", "local:2", "slurm:"])
def test_an_unknown_engine_names_those_there_are(text: str) -> None:
    """All of them, as they are typed."""
    with pytest.raises(UsageError, match="No engine named"):
        check_engine(text)


def test_slurm_needs_its_commands_and_knows_its_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Away from the cluster it is said at once, not by a scheduler that ends."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no sbatch here"):
        check_engine("slurm")
    with pytest.raises(UsageError, match='Try: "time"'):
        check_engine("slurm:tim=3")
    (tmp_path / "sbatch").write_text("#!/bin/sh\n")
    (tmp_path / "sbatch").chmod(0o755)
    check_engine("slurm:time=3")
    check_engine("local")
