"""System calls that fail, once or a few times in a row: called in a child process, which is not of use afterwards."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READS, WRITES = ("pread", "read"), ("write",)
BY_DESCRIPTOR = (*READS, *WRITES, "fsync")
BY_PATH = ("open", "mkdir", "replace", "rename", "unlink", "scandir")


@dataclass(frozen=True)
class Fault:
    """What happens at a call."""

    call: str
    number: int
    """Of the first call that is hit, from 1; of those with a path or a descriptor below the place."""
    error: int
    """Of the system; 0 is a short read or write."""
    length: int = 1
    """How many calls in a row."""

    def __str__(self) -> str:
        how = errno.errorcode[self.error] if self.error else "short"
        return f"{how} at {self.call} {self.number}" + (f" and {self.length - 1} more" if self.length > 1 else "")


class Injection:
    """Counts the calls that touch what is below a place, and makes some of them fail.

    Args:
        place: a folder.
        fault: None only counts.
        note: a file outside of it, into which what was hit is written.
    """

    def __init__(self, place: Path, fault: Fault | None, note: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._place = str(place)
        self._fault = fault
        self._note = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._write = os.write

    def patch(self) -> None:
        """From now on, in this process."""
        for name in (*BY_PATH, *BY_DESCRIPTOR):
            setattr(os, name, self._failing(name, getattr(os, name)))
        os.fdopen = _unbuffered  # type: ignore[assignment]

    def _failing(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(what: Any = ".", *rest: Any, **options: Any) -> Any:
            path = _path_of(what) if name in BY_DESCRIPTOR or isinstance(what, int) else os.fspath(what)
            if not str(path).startswith(self._place) or not self._is_hit(name, str(path)):
                return real(what, *rest, **options)
            assert self._fault is not None
            if self._fault.error:
                raise OSError(self._fault.error, os.strerror(self._fault.error))
            if name in WRITES:
                return real(what, memoryview(rest[0])[: max(1, len(rest[0]) // 2)])
            return real(what, max(1, rest[0] // 2), *rest[1:])

        return call

    def _is_hit(self, name: str, path: str) -> bool:
        with self._lock:
            self.counts[name] += 1
            fault, number = self._fault, self.counts[name]
            if fault is None or fault.call != name or not 0 <= number - fault.number < fault.length:
                return False
        self._write(self._note, f"{name} {path}\n".encode(errors="replace"))
        return True


def _path_of(descriptor: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return ""


class _Raw(io.RawIOBase):
    """An open file whose reads and writes are calls of `os`, which C would make by itself."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = os.read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        return os.write(self._descriptor, bytes(data))

    def close(self) -> None:
        if not self.closed:
            super().close()
            with contextlib.suppress(OSError):
                os.close(self._descriptor)


def _unbuffered(descriptor: int, mode: str = "r", *_: object, **__: object) -> Any:
    if "b" in mode:
        return io.BufferedReader(_Raw(descriptor)) if "r" in mode else io.BufferedWriter(_Raw(descriptor))
    return open(descriptor, mode, buffering=1)
