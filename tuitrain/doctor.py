"""`tuitrain doctor`: what this machine can do, what would end a run, and what to do about it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from tuitrain.rundir.places import home_folder
from tuitrain.signs import lacking, lacking_here

_PACKAGES = ("tuitrain", "torch", "torchvision", "textual", "plotext", "numpy", "msgspec", "pydantic")
_PROBE = """
import json, sys
found = {}
try:
    import torch
    found["torch"] = str(torch.__version__)
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    found["device"] = "cpu" if accelerator is None else f"{accelerator.type} x{torch.accelerator.device_count()}"
    found["threads"] = torch.get_num_threads()
except Exception as error:
    found["torch_error"] = f"{type(error).__name__}: {error}"
else:
    try:
        import torchvision
        found["torchvision"] = str(torchvision.__version__)
    except Exception as error:
        found["torchvision_error"] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


class Finding(NamedTuple):
    """One line of the report."""

    level: Literal["ok", "note", "problem"]
    what: str
    hint: str = ""


def examine() -> int:
    """Print the report on stdout; 1 where something would keep a run from working."""
    worst = 0
    for finding in _findings():
        mark = {"ok": "ok  ", "note": "note", "problem": "FAIL"}[finding.level]
        sys.stdout.write(f"{mark}  {finding.what}\n")
        if finding.hint:
            sys.stdout.write(f"      Try: {finding.hint}\n")
        sys.stdout.flush()
        worst = max(worst, 1 if finding.level == "problem" else 0)
    return worst


def _findings() -> Iterator[Finding]:
    yield _python()
    yield Finding("ok", "packages: " + ", ".join(f"{name} {_version(name)}" for name in _PACKAGES))
    yield from _torch()
    yield from _terminal()
    yield from _run_folder()
    yield from _what_could_end_a_run()
    yield from _engines()


def _python() -> Finding:
    text = f"python {platform.python_version()} on {platform.platform()}"
    if sys.platform == "win32":
        return Finding("problem", text, "Linux, macOS or WSL: detached runs need POSIX sessions and file locks.")
    return Finding("ok", text)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _torch() -> Iterator[Finding]:
    """In a process of its own: a mismatched pair can take its process down."""
    try:
        done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=120, check=False)
        found = json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        yield Finding("problem", "torch cannot be imported: the process died", "pip install --force-reinstall torch")
        return
    if "torch_error" in found:
        yield Finding("problem", f"torch cannot be imported: {found['torch_error']}", "pip install torch torchvision")
        return
    yield Finding("ok", f"torch {found['torch']}: device {found['device']}, {found['threads']} threads")
    if "torchvision_error" in found:
        yield Finding(
            "note",
            f"torchvision does not match torch: {found['torchvision_error']}",
            "pip install --force-reinstall torch torchvision, which gives a matched pair; embedded data needs none.",
        )
    else:
        yield Finding("ok", f"torchvision {found['torchvision']} matches")


def _terminal() -> Iterator[Finding]:
    if not sys.stdout.isatty():
        yield Finding("note", "stdout is no terminal: runs print lines instead of the dashboard")
        return
    size = shutil.get_terminal_size()
    term, colours = os.environ.get("TERM", ""), os.environ.get("COLORTERM", "")
    text = f"terminal {size.columns}×{size.lines}, TERM={term or '(none)'}, COLORTERM={colours or '(none)'}"
    if term in {"", "dumb"}:
        yield Finding("note", text, "a terminal with TERM=xterm-256color for the dashboard; lines are printed here.")
    elif size.columns < 80 or size.lines < 24:
        yield Finding("note", text, "80×24 or more shows four charts; below that one at a time.")
    elif colours not in {"truecolor", "24bit"}:
        yield Finding("note", text, "COLORTERM=truecolor, if the terminal can: faint points are easier to tell.")
    else:
        yield Finding("ok", text)
    ascii_signs = "frames and curves are drawn in ASCII signs"
    if lacking("utf-8", term) == "braille":
        yield Finding("note", f"TERM={term} has no braille: {ascii_signs}", "a window of a desktop, or ssh from one.")
    elif lacking("utf-8", term):
        yield Finding("note", f"TERM={term} has no Unicode: {ascii_signs}", "TERM=xterm-256color, if it has.")
    elif lacking_here():
        yield Finding("note", f"stdout is not UTF-8: {ascii_signs}", "LC_ALL=C.UTF-8, if the terminal shows UTF-8.")
    if os.environ.get("NO_COLOR"):
        yield Finding("note", "NO_COLOR is set: series are told apart by their markers")


def _run_folder() -> Iterator[Finding]:
    folder = home_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".doctor-{os.getpid()}"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        yield Finding("problem", f"{folder} cannot be written: {error.strerror}", "TUITRAIN_HOME=/another/folder")
        return
    free = shutil.disk_usage(folder).free
    level: Literal["ok", "note"] = "ok" if free > 1e9 else "note"
    yield Finding(level, f"runs go to {folder}: writable, {free / 1e9:.1f} GB free")


def _what_could_end_a_run() -> Iterator[Finding]:
    """What kills processes that were left behind, although they asked for nothing."""
    if _kills_user_processes():
        yield Finding(
            "note",
            "systemd ends your processes when you log out (KillUserProcesses=yes): runs would die with the login",
            "loginctl enable-linger, or systemd-run --user --scope tuitrain run …",
        )
    if os.environ.get("SLURM_JOB_ID"):
        yield Finding("note", "inside a SLURM job: runs end with it", "give the job the time that the run needs.")
    if Path("/.dockerenv").exists() or os.environ.get("KUBERNETES_SERVICE_HOST"):
        yield Finding("note", "inside a container: runs end when it does", "TUITRAIN_HOME on a mounted volume.")


def _engines() -> Iterator[Finding]:
    """Where the runs of a comparison can be besides this machine; nothing is imported."""
    if find_spec("ray") is None:
        yield Finding("note", "Ray is not installed: no --on ray", 'pip install "tuitrain[ray]"')
    else:
        yield Finding("ok", f"ray {_version('ray')}: --on ray, --on ray://HOST:PORT")
    if find_spec("submitit") is None:
        yield Finding("note", "submitit is not installed: no --on slurm", 'pip install "tuitrain[slurm]"')
    elif shutil.which("sbatch") is None:
        yield Finding("note", f"submitit {_version('submitit')}, but no sbatch here: --on slurm is for a login node")
    else:
        yield Finding("ok", f"submitit {_version('submitit')} and sbatch: --on slurm")


def _kills_user_processes() -> bool:
    """By logind's own word: off is the upstream default of most distributions."""
    places = [Path("/etc/systemd/logind.conf"), *Path("/etc/systemd/logind.conf.d").glob("*.conf")]
    setting = ""
    for place in places:
        try:
            lines = place.read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        for line in lines:
            key, _, value = line.partition("=")
            if key.strip() == "KillUserProcesses":
                setting = value.strip().lower()
    lingers = Path("/var/lib/systemd/linger") / os.environ.get("USER", "")
    return setting in {"yes", "true", "1", "on"} and not lingers.is_file()
