"""Where the training thread leaves what it measured: preallocated blocks, read by the pump without a wait.

The training thread only ever appends; the pump only ever takes. A block is one unbroken stretch of one stride.
"""

from __future__ import annotations

import math
import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

from tuitrain.protocol.events import Column

_BLOCK_VALUES = 4096
_BYTES_PER_VALUE = 4
_LARGEST = float(np.finfo(np.float32).max)


class _Block:
    __slots__ = ("count", "first_step", "stride", "taken", "times_back", "values")

    def __init__(self, first_step: int, times_back: int) -> None:
        self.first_step = first_step
        self.times_back = times_back
        self.stride = 1
        self.values: NDArray[np.float32] = np.empty(_BLOCK_VALUES, dtype=np.float32)
        self.count = 0
        self.taken = 0


class Recorder:
    """Values of all per-step metrics on their way to the pump.

    Args:
        limit_bytes: what may wait unread, as when the disk hangs; above it old values are thinned, never lost silently.
    """

    def __init__(self, limit_bytes: int = 64 * 1024 * 1024) -> None:
        self._blocks: dict[str, deque[_Block]] = {}
        self._num_left_out: dict[str, int] = {}
        self._limit_blocks = max(2, limit_bytes // (_BLOCK_VALUES * _BYTES_PER_VALUE))
        self._times_back = 0
        self._lock = threading.Lock()

    def go_back(self) -> None:
        """The steps that follow begin again at an earlier one."""
        self._times_back += 1

    def append(self, metric: str, step: int, value: float) -> None:
        """Record a value of the step just finished; steps of a metric rise unless the run goes back. Never blocks."""
        blocks = self._blocks.get(metric)
        block = blocks[-1] if blocks else None
        if block is not None and block.times_back != self._times_back:
            block = None
        if block is not None and block.count == 1:
            block.stride = step - block.first_step
        if block is None or block.count == _BLOCK_VALUES or step != block.first_step + block.count * block.stride:
            block = self._new_block(metric, step)
        if abs(value) > _LARGEST:  # of a float64 model that diverges; numpy would warn
            value = math.copysign(math.inf, value)
        block.values[block.count] = value
        block.count += 1  # last: the pump sees a value only once it is written

    def take(self, up_to_step: int | None = None, times_back: int | None = None) -> list[Column]:
        """What was recorded and is not yet taken.

        Args:
            up_to_step: the last step that is wanted; None means all.
            times_back: what was recorded after the run went back oftener is left; None leaves nothing.
        """
        columns: list[Column] = []
        with self._lock:
            for metric, blocks in list(self._blocks.items()):
                for block in list(blocks):
                    if times_back is not None and block.times_back > times_back:
                        break
                    column = _take_from(block, metric, up_to_step)
                    if column is not None:
                        columns.append(column)
                    if block.taken == _BLOCK_VALUES or (block.taken == block.count and block is not blocks[-1]):
                        blocks.popleft()
        return columns

    def take_left_out(self) -> dict[str, int]:
        """Values thinned out since the last call, by metric."""
        with self._lock:
            left_out, self._num_left_out = self._num_left_out, {}
        return left_out

    def _new_block(self, metric: str, step: int) -> _Block:
        block = _Block(step, self._times_back)
        with self._lock:
            blocks = self._blocks.setdefault(metric, deque())
            blocks.append(block)
            if sum(len(waiting) for waiting in self._blocks.values()) > self._limit_blocks:
                self._thin(metric, blocks)
        return block

    def _thin(self, metric: str, blocks: deque[_Block]) -> None:
        """Merge the two oldest neighbours of one stride into a block of twice the stride."""
        for older, newer in zip(list(blocks)[:-2], list(blocks)[1:-1], strict=False):
            is_joined = newer.first_step == older.first_step + older.count * older.stride
            is_joined = is_joined and newer.times_back == older.times_back
            if older.stride != newer.stride or not is_joined or older.taken or newer.taken or older.count % 2:
                continue
            both = np.concatenate([older.values[: older.count], newer.values[: newer.count]])[::2]
            self._num_left_out[metric] = self._num_left_out.get(metric, 0) + older.count + newer.count - len(both)
            older.values[: len(both)] = both
            older.count, older.stride = len(both), older.stride * 2
            blocks.remove(newer)
            return
        oldest = blocks.popleft()
        self._num_left_out[metric] = self._num_left_out.get(metric, 0) + oldest.count - oldest.taken


def _take_from(block: _Block, metric: str, up_to_step: int | None) -> Column | None:
    end = block.count
    if up_to_step is not None:
        end = min(end, (up_to_step - block.first_step) // block.stride + 1)
    if end <= block.taken:
        return None
    column = Column(
        metric=metric,
        first_step=block.first_step + block.taken * block.stride,
        stride=block.stride if end - block.taken > 1 else 1,
        values=shortest(block.values[block.taken : end]),
    )
    block.taken = end
    return column


def shortest(values: NDArray[np.float32]) -> list[float]:
    """float32 values as the floats with the fewest digits that read back as the same float32."""
    return [float(str(value)) for value in values]
