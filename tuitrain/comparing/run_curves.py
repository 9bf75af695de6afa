"""Reads the curves of one run: of each batch of steps only the metrics that are wanted, so that many runs are quick."""

from __future__ import annotations

import time

import msgspec
import numpy as np

from tuitrain.board.curves import Curves
from tuitrain.board.series import Floats
from tuitrain.errors import TuitrainError
from tuitrain.protocol.codec import DecodeError, check_possible, check_seal, decode_event
from tuitrain.protocol.events import RunEnded
from tuitrain.protocol.printable import printable
from tuitrain.rundir.follower import Follower, torn_line
from tuitrain.rundir.places import RunFolder

_BLOCK_BYTES = 512 << 10
"""About 10 ms of work: whoever draws in another thread waits no longer."""
_PATIENCE_SECONDS = 5.0
"""So long a disk may refuse before what was read until then is all there is."""
_STEPS = b'"event":"StepsFinished"'
_HEAD_BYTES = 64


class _Column(msgspec.Struct):
    metric: str
    first_step: int
    values: msgspec.Raw
    """Read only where it is wanted: most of the bytes of a run are these."""
    stride: int = 1


class _Steps(msgspec.Struct):
    step: int
    columns: tuple[_Column, ...]
    seconds: float = 0.0


_steps_decoder = msgspec.json.Decoder(_Steps)
_values_decoder = msgspec.json.Decoder(list[float])
_lax_decoder = msgspec.json.Decoder(list[float], strict=False)


class RunCurves:
    """Follows a run into `curves`. Every call may touch the disk.

    Args:
        folder: the run.
        wanted: metrics that are measured at steps and are to be kept, e.g. "batch/loss"; evaluations always are.
    """

    def __init__(self, folder: RunFolder, wanted: frozenset[str]) -> None:
        self.folder = folder
        self.wanted = wanted
        self.curves = Curves()
        self.offered: set[str] = set()
        """Metrics that the run measures at steps, wanted or not."""
        self.num_damaged = 0
        self.problem = ""
        """Why the newest look found nothing; empty where it could look."""
        self._failing_since = 0.0
        self._lines = Follower(folder.events_path)
        self._num_restarts = 0

    def poll(self) -> bool:
        """Take in the next block; whether there was anything."""
        try:
            lines = self._lines.read(_BLOCK_BYTES)
        except (OSError, TuitrainError) as error:
            self._failing_since = self._failing_since or time.monotonic()
            self.problem = str(error)
            return False
        self.problem, self._failing_since = "", 0.0
        if self._lines.num_restarts != self._num_restarts:
            self._num_restarts = self._lines.num_restarts
            self.curves = Curves()
        for _, line in lines:
            self._take(line)
        return bool(lines)

    @property
    def num_unread_bytes(self) -> int:
        """What is in the file and was not read; nothing where it could not be for a while: see `problem`."""
        has_failed = self._failing_since and time.monotonic() - self._failing_since > _PATIENCE_SECONDS
        try:
            size = 0 if has_failed else self.folder.events_path.stat().st_size
        except OSError:
            return 0
        return max(0, size - self._lines.searched)

    def torn_words(self) -> str:
        """What follows the last line that was read, in words; to be asked where the run is over. Empty for nothing."""
        try:
            torn = self._lines.num_unfinished_bytes()
        except TuitrainError:
            return ""  # it is its `problem`
        return torn_line(torn) if torn else ""

    @property
    def has_ended(self) -> bool:
        """Whether the newest word was the last one."""
        return isinstance(self.curves.ended, RunEnded)

    def _take(self, line: bytes) -> None:
        try:
            if _STEPS in line[:_HEAD_BYTES]:
                self._take_steps(line)
            else:
                self.curves.add(decode_event(line))
        except (DecodeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.num_damaged += 1

    def _take_steps(self, line: bytes) -> None:
        check_seal(line)
        steps = _steps_decoder.decode(line)
        check_possible(steps.step, steps.seconds)
        self.curves.add_steps(steps.step, steps.seconds)
        for column in steps.columns:
            self.offered.add(printable(column.metric))
            check_possible(column.first_step)
            check_possible(column.stride)
            if column.metric in self.wanted:
                values = _values(column.values)
                self.curves.add_values(column.metric, column.first_step, column.stride, values)


def _values(raw: msgspec.Raw) -> Floats:
    try:
        found = _values_decoder.decode(raw)
    except msgspec.ValidationError:
        found = _lax_decoder.decode(raw)  # a value that is not finite stands there as a word
    return np.array(found, dtype=float)
