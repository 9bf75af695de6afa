"""Start the scheduler of a comparison in a process of its own, which outlives this one."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable

from tuitrain.comparing.folder import STOP_ALL, ComparisonFolder, Journal
from tuitrain.errors import RunBusyError
from tuitrain.protocol.comparing import Member, MemberAdded
from tuitrain.rundir.lock import RunLock, is_held
from tuitrain.rundir.private import open_private
from tuitrain.session.children import module_command, module_environment


def start_scheduler(
    folder: ComparisonFolder, retries: Iterable[str] = (), further: Iterable[Member] = ()
) -> subprocess.Popen[bytes]:
    """Start, or start again, what launches the members: no terminal, no stdin, its output in `output.log`.

    Args:
        folder: with its plan.
        retries: of "failed" and "stopped", which members are tried again.
        further: members that are to be added first.

    Raises:
        RunBusyError: a scheduler is at work on it.
        RunFolderError: the folder cannot be written.
    """
    busy = RunBusyError(
        f"{folder.path}: a scheduler is at work on it.", hint=f"watching it: tuitrain compare --resume {folder.name}"
    )
    with RunLock.at(folder.lock_path, busy) as lock:
        _add(folder, further)
        folder.grant(STOP_ALL)  # it was meant for a scheduler that is gone
        output = open_private(folder.output_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            process = subprocess.Popen(
                [
                    *module_command("tuitrain.comparing.worker"), str(folder.path),
                    "--lock-descriptor", str(lock.fileno()),
                    *(f"--retry={state}" for state in retries),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
                env=module_environment({"PYTHONUNBUFFERED": "1"}),
            )  # fmt: skip
        finally:
            os.close(output)
        lock.hand_over(process.pid)
    return process


def _add(folder: ComparisonFolder, members: Iterable[Member]) -> None:
    """Journalled here, under the lock: should nothing follow, they wait as the others do."""
    journal = Journal(folder)
    try:
        for member in members:
            journal.write(MemberAdded(time=time.time(), member=member))
    finally:
        journal.close()


def is_scheduled(folder: ComparisonFolder) -> bool:
    """Whether a scheduler is at work on it."""
    return is_held(folder.lock_path)
