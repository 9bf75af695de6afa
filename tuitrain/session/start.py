"""Start a run: its folder, and a trainer process that outlives this one."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from tuitrain.errors import UsageError
from tuitrain.preset import Preset
from tuitrain.protocol.carrier import RunInfo
from tuitrain.protocol.commands import Decision
from tuitrain.protocol.version import PROTOCOL_VERSION
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, new_run_folder, read_info, runs_folder, write_info
from tuitrain.rundir.private import open_private
from tuitrain.rundir.process import Process, this_host
from tuitrain.rundir.status import check_not_elsewhere
from tuitrain.session.children import module_command, module_environment
from tuitrain.session.own_config import NOTIFY_VARIABLE, NotifyWish, handed_over, notify_wish
from tuitrain.session.transferring import find_weights, keep_weights


@dataclass(frozen=True)
class Started:
    """A trainer process on its way."""

    folder: RunFolder
    process: subprocess.Popen[bytes]


def create_run(
    preset: Preset, *, parent: str = "", branched_at: int = 0, inherited: tuple[Decision, ...] = (),
    overrides: tuple[Decision, ...] = (), rerun_of: str = "", origin: RunFolder | None = None,
    comparison: str = "", announce: Callable[[Path], None] = lambda _: None,
) -> RunFolder:  # fmt: skip
    """Make the folder of a new run and say in `run.json` who it is.

    Args:
        preset: checked.
        parent: id of the run that it is a branch of; the rest has a meaning only then.
        branched_at: step where it leaves that run.
        inherited: what was decided there before.
        overrides: what it does otherwise at that step.
        rerun_of: id of the run that is trained again.
        origin: the run that is branched or trained again; it keeps the weights that it began with.
        comparison: name of the comparison that it is a member of, a slash, key of the member.
        announce: told of its path before it is made.

    Raises:
        PresetError: the weights that it shall begin with are not there or do not fit; nothing was made.
        RunFolderError: it cannot be made or written.
    """
    found = find_weights(preset, origin)
    if found is not None:
        preset = found.preset
    now = time.time()
    folder = new_run_folder(runs_folder(), preset.name, datetime.fromtimestamp(now), announce)
    info = RunInfo(
        weights=None if found is None else found.weights,
        id=folder.id,
        preset_name=preset.name,
        title=preset.title,
        created=now,
        session=secrets.token_hex(8),
        host=this_host(),
        seed=preset.train.seed,
        versions=_versions(),
        git_revision=_git_revision(),
        preset=preset.to_data(),
        parent=parent,
        branched_at=branched_at,
        inherited=inherited,
        overrides=overrides,
        rerun_of=rerun_of,
        comparison=comparison,
        protocol_version=PROTOCOL_VERSION,
    )
    with discarded_if_refused(folder):
        if found is not None:
            keep_weights(found, folder)
        write_info(folder, info)
    return folder


def start_detached(preset: Preset, *, has_screen: bool, rerun_of: str = "", origin: RunFolder | None = None) -> Started:
    """Start a trainer in its own session: no terminal, no stdin, its output in `output.log`.

    It holds the lock of its folder from before it exists, so no reader ever sees it as dead while it starts.

    Args:
        preset: checked.
        has_screen: whether a person watches; decides what happens at a NaN where the preset leaves it open.
        rerun_of: id of the run that is trained again.
        origin: its folder.

    Raises:
        PresetError: one's own config has mistakes, or weights to begin with are not there; nothing was started.
        RunFolderError: the folder cannot be made or written.
    """
    notify = notify_wish(preset)
    folder = create_run(preset, rerun_of=rerun_of, origin=origin)
    with discarded_if_refused(folder), RunLock.acquire(folder) as lock:
        return spawn(folder, lock, notify, has_screen=has_screen, is_resumed=False)


@contextlib.contextmanager
def discarded_if_refused(folder: RunFolder) -> Iterator[None]:
    """Remove the folder of a run that was made just now, where it cannot be started."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise


def resume_detached(folder: RunFolder, *, has_screen: bool, here: bool = False) -> Started:
    """Go on with a run that is no longer at work, in its own folder, from its newest intact checkpoint.

    Args:
        folder: the run.
        has_screen: whether a person watches.
        here: whether a person knows that its trainer is gone, where that cannot be seen from here.

    Raises:
        RunBusyError: its trainer is alive, or may be.
        UsageError: it has no checkpoint, or one's own config has mistakes.
        RunFolderError: the folder cannot be read or written.
    """
    notify = notify_wish(None)
    check_not_elsewhere(folder, here=here)
    with RunLock.acquire(folder) as lock:
        renew(folder)
        return spawn(folder, lock, notify, has_screen=has_screen, is_resumed=True)


def renew(folder: RunFolder) -> None:
    """Make a folder ready for another session of its run, here; for whoever holds its lock.

    Raises:
        UsageError: it has no checkpoint.
        RunFolderError: it cannot be read or written.
    """
    check_resumable(folder)
    fresh = msgspec.structs.replace(
        read_info(folder), **msgspec.structs.asdict(Process.of(0)), session=secrets.token_hex(8), versions=_versions()
    )
    write_info(folder, fresh)


def check_resumable(folder: RunFolder) -> None:
    """Make sure that there is something to go on from.

    Raises:
        UsageError: it has no checkpoint.
    """
    if not any(folder.checkpoints_path.glob("step-*.pt")):
        raise UsageError(f"{folder.id} has no checkpoint to go on from.", hint="a new run.")


def spawn(
    folder: RunFolder, lock: RunLock | None, notify: NotifyWish | None, *, has_screen: bool, is_resumed: bool,
    environment: Mapping[str, str] | None = None, ends_with_parent: bool = False,
) -> Started:  # fmt: skip
    """Start the trainer process of a folder that is ready for it.

    Args:
        folder: with its `run.json`.
        lock: of the folder; the process inherits it. With None it takes the lock itself.
        notify: the program that is told, if any.
        has_screen: whether a person watches.
        is_resumed: whether it goes on from the newest checkpoint that is there.
        environment: variables of the process besides those of this one.
        ends_with_parent: whether it stops where this process dies.

    Raises:
        OSError: the process cannot be started.
    """
    output = open_private(folder.output_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        process = subprocess.Popen(
            [
                *module_command("tuitrain.session.worker"), str(folder.path),
                *([] if lock is None else ["--lock-descriptor", str(lock.fileno())]),
                "--on-nonfinite", "pause" if has_screen else "stop",
                *(["--resume"] if is_resumed else []),
                *(["--ends-with-parent"] if ends_with_parent else []),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=() if lock is None else (lock.fileno(),),
            env=module_environment(
                {**(environment or {}), "PYTHONUNBUFFERED": "1", NOTIFY_VARIABLE: handed_over(notify)}
            ),
        )  # fmt: skip
    finally:
        os.close(output)
    if lock is not None:
        lock.hand_over(process.pid)
    return Started(folder, process)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in ("tuitrain", "torch", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _git_revision() -> str:
    """Of the folder one stands in, where that is a checkout."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=2.0, check=False, cwd=Path.cwd()
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
