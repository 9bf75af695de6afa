"""Start a run: its folder, and a trainer process that outlives this one."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from tuitrain.errors import RunFolderError, RunOverError, UsageError
from tuitrain.preset import Preset
from tuitrain.protocol.carrier import RunInfo
from tuitrain.protocol.commands import OWN_ENDS, Decision
from tuitrain.protocol.events import RunEnded
from tuitrain.protocol.version import PROTOCOL_VERSION
from tuitrain.rundir.follower import last_events_backwards
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import (
    RunFolder,
    discard,
    new_run_folder,
    read_info,
    runs_folder,
    show,
    shown_path,
    write_info,
)
from tuitrain.rundir.private import advice, open_private, reason
from tuitrain.rundir.process import Process, this_host
from tuitrain.rundir.status import check_not_elsewhere
from tuitrain.session.children import module_command, module_environment
from tuitrain.session.own_config import NOTIFY_VARIABLE, NotifyWish, handed_over, notify_wish
from tuitrain.session.transferring import find_weights, keep_weights
from tuitrain.training.checkpoint_file import checkpoint_paths, damage_of, named


@dataclass(frozen=True)
class Started:
    """A trainer process on its way."""

    folder: RunFolder
    process: subprocess.Popen[bytes]


def create_run(
    preset: Preset, *, parent: str = "", branched_at: int = 0, inherited: tuple[Decision, ...] = (),
    overrides: tuple[Decision, ...] = (), rerun_of: str = "", origin: RunFolder | None = None,
    comparison: str = "", furnish: Callable[[RunFolder], None] = lambda _: None,
    announce: Callable[[Path], None] = lambda _: None,
) -> RunFolder:  # fmt: skip
    """Make the folder of a new run and say in `run.json` who it is.

    It is in no list before it is whole, and nothing of it is left where that fails.

    Args:
        preset: checked.
        parent: id of the run that it is a branch of; the rest has a meaning only then.
        branched_at: step where it leaves that run.
        inherited: what was decided there before.
        overrides: what it does otherwise at that step.
        rerun_of: id of the run that is trained again.
        origin: the run that is branched or trained again; it keeps the weights that it began with.
        comparison: name of the comparison that it is a member of, a slash, key of the member.
        furnish: puts further files into it.
        announce: told where it will be, before it is there.

    Raises:
        PresetError: the weights that it shall begin with are not there or do not fit; nothing was made.
        RunFolderError: it cannot be made or written.
    """
    found = find_weights(preset, origin)
    if found is not None:
        preset = found.preset
    now = time.time()
    draft = new_run_folder(runs_folder(), preset.name, datetime.fromtimestamp(now))
    try:
        if found is not None:
            keep_weights(found, draft)
        write_info(
            draft,
            RunInfo(
                weights=None if found is None else found.weights,
                id=draft.id,
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
            ),
        )
        furnish(draft)
        announce(shown_path(draft))
        return show(draft)
    except BaseException:
        discard(draft)
        raise


def start_new(folder: RunFolder, notify: NotifyWish | None, *, has_screen: bool, is_resumed: bool = False) -> Started:
    """Start the trainer of a run in which nothing has happened yet; where that fails the run is removed again.

    It holds the lock of its folder from before it exists, so no reader ever sees it as dead while it starts.

    Raises:
        TuitrainError: it cannot be started.
    """
    try:
        with RunLock.acquire(folder) as lock, _starting(folder):
            return spawn(folder, lock, notify, has_screen=has_screen, is_resumed=is_resumed)
    except BaseException:
        discard(folder)
        raise


def start_detached(preset: Preset, *, has_screen: bool, rerun_of: str = "", origin: RunFolder | None = None) -> Started:
    """Start a trainer in its own session: no terminal, no stdin, its output in `output.log`.

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
    return start_new(create_run(preset, rerun_of=rerun_of, origin=origin), notify, has_screen=has_screen)


def resume_detached(folder: RunFolder, *, has_screen: bool, here: bool = False) -> Started:
    """Go on with a run that is no longer at work, in its own folder, from its newest intact checkpoint.

    Args:
        folder: the run.
        has_screen: whether a person watches.
        here: whether a person knows that its trainer is gone, where that cannot be seen from here.

    Raises:
        RunBusyError: its trainer is alive, or may be.
        RunOverError: it has ended as its preset wanted.
        UsageError: it has no intact checkpoint, or one's own config has mistakes.
        RunFolderError: the folder cannot be read or written, or its trainer cannot be started.
    """
    notify = notify_wish(None)
    folder.check_own()
    check_not_elsewhere(folder, here=here)
    with RunLock.acquire(folder) as lock:
        check_not_over(folder)
        renew(folder)
        with _starting(folder):
            return spawn(folder, lock, notify, has_screen=has_screen, is_resumed=True)


def check_not_over(folder: RunFolder) -> None:
    """Make sure that a run has something left to do: it would end again where it ended.

    Raises:
        RunOverError: it has not; says how to train past its end.
        RunFolderError: it cannot be read.
    """
    ended = last_word(folder)
    if ended is None:
        return
    branch = f"tuitrain branch {folder.id} --at end"
    if ended.reason == "finished":
        raise RunOverError(
            f"{folder.id} finished at step {ended.step}: nothing is left to train.",
            hint=f"{branch} train.steps={2 * ended.step}, which trains past its end.",
        )
    if ended.reason == "stopped" and ended.message.startswith(OWN_ENDS):
        is_early = ended.message.startswith(OWN_ENDS[0])
        raise RunOverError(
            f"{folder.id} ended at step {ended.step}: {ended.message}.",
            hint=f"{branch} regularize.early_stopping=0, which trains past it."
            if is_early
            else "the preset without --one-batch, which is a run of its own.",
        )


def last_word(folder: RunFolder) -> RunEnded | None:
    """How a run has ended; None where it goes on, or was lost.

    Raises:
        RunFolderError: it cannot be read.
    """
    event = next(last_events_backwards(folder.events_path), None)
    return event if isinstance(event, RunEnded) else None


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


def is_resumable(folder: RunFolder) -> bool:
    """Whether there is something to go on from."""
    try:
        check_resumable(folder)
    except UsageError:
        return False
    return True


def check_resumable(folder: RunFolder) -> None:
    """Make sure that there is something to go on from: a checkpoint that is as it was written.

    Raises:
        UsageError: it has none.
    """
    hint = f"tuitrain rerun {folder.id}, which trains it again."
    damaged: list[str] = []
    for path in checkpoint_paths(folder.checkpoints_path):
        problem = damage_of(path)
        if not problem:
            return
        damaged.append(f"{path.name}: {problem}")
    if damaged:
        raise UsageError(f"{folder.id} has no intact checkpoint to go on from: {named(damaged)}.", hint=hint)
    raise UsageError(f"{folder.id} has no checkpoint to go on from.", hint=hint)


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


@contextlib.contextmanager
def _starting(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunFolderError(
            f"{folder.id}: its trainer cannot be started: {reason(error)}.", hint=advice(error, folder.path)
        ) from error


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
