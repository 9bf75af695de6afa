"""The architecture: who may import whom, what each process loads, how large a file may grow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tuitrain"
MOST_LINES = 400
SMALL_FILES = {"tuitrain/ui/app.py": 150, "tuitrain/training/trainer.py": 150}


def test_import_contracts_hold() -> None:
    """import-linter finds no import against the direction of the data."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_swallows_the_program() -> None:
    """No file of the package or its tests is longer than 400 lines, the two that tend to grow not than 150."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for folder in (PACKAGE, ROOT / "tests")
        for path in folder.rglob("*.py")
    }
    too_long = {name: length for name, length in lengths.items() if length > SMALL_FILES.get(name, MOST_LINES)}
    assert not too_long


def test_only_the_agreed_things_lie_at_the_top() -> None:
    """The top level holds what the design card names, and nothing else."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in done.stdout.splitlines()}
    agreed = {"pyproject.toml", "tuitrain", "tests", "presets", "README.md", "LICENSE"}
    assert {name for name in top if not name.startswith(".")} <= agreed


def test_one_module_imports_plotext() -> None:
    """plotext has one owner, who sanitises what goes in."""
    users = [path.name for path in PACKAGE.rglob("*.py") if "import plotext" in path.read_text(encoding="utf-8")]
    assert users == ["plotting.py"]


LOADED = """
import sys
{code}
loaded = [name for name in {forbidden!r} if name in sys.modules]
assert not loaded, loaded
"""


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import tuitrain", ["torch", "textual", "plotext", "pydantic", "numpy"]),
        (("from typer.testing import CliRunner; import tuitrain.cli as c; "
         "assert CliRunner().invoke(c.app, ['--help']).exit_code == 0"), ["torch", "textual", "plotext"]),
        (("from typer.testing import CliRunner; import tuitrain.cli as c; "
         "assert CliRunner().invoke(c.app, ['presets']).exit_code == 0"), ["torch", "textual", "plotext"]),
        (("from typer.testing import CliRunner; import tuitrain.cli as c; "
         "assert CliRunner().invoke(c.app, ['runs']).exit_code == 0"), ["torch", "textual", "plotext"]),
        ("import tuitrain.launch, tuitrain.ui.app, tuitrain.ui.source", ["torch", "PIL", "tuitrain.comparing"]),
        ("import tuitrain.session.start, tuitrain.session.asking, tuitrain.session.printer, tuitrain.session.headless",
         ["torch", "textual", "rich", "plotext"]),
        ("import tuitrain.session.worker, tuitrain.training.setup, tuitrain.techniques.build.optimizers",
         ["textual", "rich", "plotext"]),
        ("import tuitrain.board.board", ["torch", "textual", "pydantic", "psutil"]),
        (("import tuitrain.comparing.worker, tuitrain.comparing.search, tuitrain.comparing.engines, "
          "tuitrain.comparing.headless, tuitrain.comparing.outcome, tuitrain.comparing.report.writing"),
         ["torch", "textual", "rich", "plotext", "optuna", "ray", "submitit"]),
        ("import tuitrain.ui.screens.compare, tuitrain.ui.screens.search", ["torch", "optuna", "PIL"]),
        (("from typer.testing import CliRunner; import tuitrain.cli as c; "
          "assert CliRunner().invoke(c.app, ['compare']).exit_code == 0"), ["torch", "textual", "plotext"]),
    ],
    ids=["package", "help", "presets", "runs", "dashboard", "launcher", "worker", "board", "scheduler", "comparing",
         "comparisons"],
)  # fmt: skip
def test_a_process_loads_only_what_it_needs(code: str, forbidden: list[str], tmp_path: Path) -> None:
    """The dashboard runs without torch, training without a terminal, the quick commands without both.

    None of them loads what reads tables: only a run with a table does.
    """
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(code=code, forbidden=[*forbidden, "pyarrow"])],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "TUITRAIN_HOME": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr


def test_the_board_is_a_pure_fold() -> None:
    """No clock, no thread, no socket, no operating system in the board."""
    for path in (PACKAGE / "board").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for module in ("time", "threading", "socket", "os", "pathlib"):
            assert f"\nimport {module}\n" not in text
            assert f"\nfrom {module} import" not in text
