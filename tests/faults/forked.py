"""The worker process by fork instead of by exec: torch is imported once, and a trainer starts in a tenth of a second.

All else is the real thing: `session.start` makes it and hands it the lock, `session.worker.main` runs in it. The
process that forks must never have trained itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from unittest.mock import patch

from tuitrain.session import start, worker


class ForkedProcess:
    """What `session.start` needs of `subprocess.Popen`.

    Args:
        arguments: `python … -m tuitrain.session.worker FOLDER …`.
        stdout: descriptor of output.log.
        pass_fds: the descriptor of the lock.
        prepare: called in the child before it trains.
    """

    def __init__(self, arguments: list[str], stdout: int, pass_fds: tuple[int, ...], prepare: Callable[[], None]):
        self.returncode: int | None = None
        # A forked child closes all locks of its parent, so what is handed over goes by a number they do not know.
        kept = os.dup(pass_fds[0])
        self.pid = os.fork()
        if self.pid == 0:
            _be_the_worker(arguments[arguments.index("-m") + 2 :], stdout, kept, pass_fds[0], prepare)
        os.close(kept)

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it lives."""
        return self._reap(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int:
        """As `poll`, once it is gone."""
        del timeout
        code = self._reap(0)
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it is gone."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """As kill -9."""
        self.send_signal(signal.SIGKILL)

    def _reap(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


@contextlib.contextmanager
def forking(prepare: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Within it `start_detached` and `resume_detached` fork; `prepare` runs in each child before it trains."""

    def popen(arguments: list[str], *, stdout: int, pass_fds: tuple[int, ...], **_: object) -> ForkedProcess:
        return ForkedProcess(arguments, stdout, pass_fds, prepare)

    stand_in = SimpleNamespace(
        Popen=popen, DEVNULL=subprocess.DEVNULL, run=subprocess.run, TimeoutExpired=subprocess.TimeoutExpired
    )
    with patch.object(start, "subprocess", stand_in):
        yield


def _be_the_worker(arguments: list[str], output: int, kept: int, lock: int, prepare: Callable[[], None]) -> None:
    code = 1
    try:
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(kept, lock)
        os.close(kept)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        sys.argv = ["worker", *arguments]
        prepare()
        code = worker.main()
    except BaseException:  # noqa: BLE001
        # Nothing of the parent may run on in its child.
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
