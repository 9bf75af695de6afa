"""A program on a pseudo-terminal behind a thin line: what it writes waits in a buffer and comes out at a rate.

At the far end is a terminal of the simplest kind: it answers the request for its cursor when that has come so far.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

_BUFFER_BYTES = 2_000_000
_REQUEST = re.compile(rb"\x1b\[6n")


class Relay:
    """Runs a command behind a line.

    Args:
        command: the program and its arguments.
        environment: added to ours.
        bytes_per_second: of the line.
        size: columns and rows of the terminal.
        answers: whether the terminal answers at all.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        bytes_per_second: float = 1e9,
        size: tuple[int, int] = (160, 50),
        answers: bool = True,
    ) -> None:
        self.rate, self.answers = bytes_per_second, answers
        self.out = bytearray()
        """All that came out at the far end."""
        self.num_requests = 0
        self.num_waiting, self.most_waiting = 0, 0
        """Bytes in the line, now and at most."""
        self._far = threading.Event()
        pid, self._fd = pty.fork()
        if pid == 0:
            os.environ.update({"TERM": "xterm-256color", "COLORTERM": "truecolor", **environment})
            os.environ.pop("NO_COLOR", None)
            os.execvp(command[0], list(command))
        self.pid = pid
        self.resize(*size)
        self.before = termios.tcgetattr(self._fd)
        """The modes of the terminal before the program changed them."""
        self._pump = threading.Thread(target=self._carry, daemon=True)
        self._pump.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.hang_up()

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._fd, keys)

    def kill(self, number: int) -> None:
        """Send the program a signal."""
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        """Close the terminal, as its window does."""
        self._far.set()
        self._pump.join(10)
        with contextlib.suppress(OSError):
            os.close(self._fd)

    def modes(self) -> list[object]:
        """Those of the terminal now: canonical, echo and so on."""
        return termios.tcgetattr(self._fd)

    def until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait for something that is seen at the far end."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"it did not come; the last was {bytes(self.out[-600:])!r}"
            time.sleep(0.01)

    def end(self, seconds: float = 60.0) -> int:
        """Wait for the end of the program; its exit code, or minus the signal that killed it."""
        deadline = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                time.sleep(0.1)  # for the last words in the line
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, "it did not end"
            time.sleep(0.02)

    def _carry(self) -> None:
        line = bytearray()
        last, credit = time.monotonic(), 0.0
        while not self._far.is_set():
            ready, _, _ = select.select([self._fd] if len(line) < _BUFFER_BYTES else [], [], [], 0.005)
            if ready:
                try:
                    line += os.read(self._fd, 65536)
                except OSError:  # nobody holds the other side any more
                    time.sleep(0.01)
            now = time.monotonic()
            credit = min(credit + (now - last) * self.rate, max(0.02 * self.rate, 1.0))
            last = now
            part = bytes(line[: int(credit)])
            del line[: len(part)]
            credit -= len(part)
            self._come_out(part)
            self.num_waiting = len(line)
            self.most_waiting = max(self.most_waiting, len(line))

    def _come_out(self, part: bytes) -> None:
        start = max(0, len(self.out) - 3)
        self.out += part
        for _ in _REQUEST.finditer(self.out, start):
            self.num_requests += 1
            if self.answers:
                os.write(self._fd, b"\x1b[1;1R")
