"""What `--on` says, turned into an executor."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from tuitrain.comparing.executor import Executor
from tuitrain.errors import UnknownNameError, UsageError

ENGINES = ("local", "ray", "ray://HOST:PORT", "slurm", "slurm:partition=NAME,time=MINUTES")
_PACKAGES = {"ray": ("ray", "ray"), "slurm": ("submitit", "slurm")}
"""Engine → the package that it needs, and the extra that brings it."""


def open_executor(text: str, engine_folder: Path, num_parallel: int) -> Executor:
    """The executor that a person names.

    Args:
        text: one of `ENGINES`.
        engine_folder: for what the engine needs to keep; it need not exist.
        num_parallel: so many runs are at once.

    Raises:
        UnknownNameError: there is no such engine, or no such option of it.
        UsageError: its package is not installed, or it cannot be used here.
        TuitrainError: it cannot be reached.
    """
    check_engine(text)
    if text == "local":
        from tuitrain.comparing.local import LocalExecutor

        return LocalExecutor()
    if text.startswith("ray"):
        from tuitrain.comparing.ray_executor import RayExecutor

        return RayExecutor("" if text == "ray" else text, num_parallel=num_parallel)
    from tuitrain.comparing.slurm import SlurmExecutor, parse_options

    return SlurmExecutor(engine_folder, options=parse_options(text.partition(":")[2]))


def check_engine(text: str) -> None:
    """Say early what is wrong with a name, without reaching for the engine.

    Raises:
        UnknownNameError: there is no such engine, or no such option of it.
        UsageError: its package is not installed, or it cannot be used here.
    """
    name, separator, rest = text.partition(":")
    is_known = text in {"local", "ray", "slurm"} or (name == "slurm" and rest)
    if not is_known and not (name == "ray" and separator and rest.startswith("//") and len(rest) > 2):
        raise UnknownNameError("engine", text, ENGINES)
    if name in _PACKAGES and not is_installed(name):
        package, extra = _PACKAGES[name]
        raise UsageError(f"--on {text}: {package} is not installed.", hint=f'pip install "tuitrain[{extra}]"')
    if name == "slurm":
        from tuitrain.comparing.slurm import parse_options

        parse_options(rest)
        if shutil.which("sbatch") is None:
            raise UsageError("--on slurm: there is no sbatch here.", hint="a login node of the cluster, or --on local.")


def is_installed(engine: str) -> bool:
    """Whether the package of an engine is there; it is not imported."""
    return engine not in _PACKAGES or find_spec(_PACKAGES[engine][0]) is not None
