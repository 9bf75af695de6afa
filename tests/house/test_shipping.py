"""What a wheel carries, and that presets load from a wheel and from a checkout alike."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tuitrain.preset import list_presets, presets_folder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def unpacked_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout, built without the network and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_a_checkout_uses_the_presets_at_its_top() -> None:
    """An editable install reads the files that people edit."""
    assert presets_folder() == ROOT / "presets"
    assert [preset.name for preset in list_presets()] == sorted(path.stem for path in (ROOT / "presets").glob("*.toml"))


def test_a_wheel_carries_presets_data_styles_and_every_module(unpacked_wheel: Path) -> None:
    """Nothing that git tracks in the package is missing from the wheel, and the presets lie inside it."""
    shipped = {str(path.relative_to(unpacked_wheel)) for path in unpacked_wheel.rglob("*") if path.is_file()}
    done = subprocess.run(["git", "ls-files", "tuitrain"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        assert set(done.stdout.split()) <= shipped
    assert {f"tuitrain/presets/{path.name}" for path in (ROOT / "presets").glob("*.toml")} <= shipped
    assert {"tuitrain/py.typed", "tuitrain/tasks/data/mnist5k.npz", "tuitrain/ui/screens/live.tcss"} <= shipped


def test_presets_load_from_a_wheel(unpacked_wheel: Path) -> None:
    """The same presets, found inside the installed package."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from tuitrain.preset import list_presets, presets_folder;"
        "assert str(presets_folder()).startswith(sys.argv[1]), presets_folder();"
        "print(*[preset.name for preset in list_presets()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(unpacked_wheel)], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [preset.name for preset in list_presets()]


def test_no_package_source_is_ignored_by_git() -> None:
    """A pattern in .gitignore must not swallow a folder of ours, such as techniques/build."""
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "tuitrain").rglob("*.py")]
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode == 128:
        pytest.skip("not a git checkout")
    assert not done.stdout
