"""From a scalar on a device to a number in the recorder, without making the training thread wait.

On the CPU a scalar is read at once. On an accelerator it is kept in a preallocated buffer there, copied to pinned
memory without blocking, and read when the copy's event has passed: one copy for many steps, no sync a step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tuitrain.training.nonfinite import Kind
from tuitrain.training.recorder import Recorder
from tuitrain.training.run import LOSS

_CAPACITY = 512
_FLUSH_SECONDS = 0.05


class Staging:
    """Scalars on their way to the recorder.

    Args:
        recorder: takes them.
        device: of the tensors.
        watchers: metric → told each value with its step, in order, as soon as it is known.
    """

    def __init__(
        self, recorder: Recorder, device: torch.device, watchers: Mapping[str, Callable[[int, float], None]]
    ) -> None:
        self._recorder = recorder
        self._watchers = watchers
        self._is_direct = device.type == "cpu"
        self._labels: list[tuple[str, int]] = []
        self._in_flight: tuple[list[tuple[str, int]], Tensor, torch.Event] | None = None
        self._last_flush = 0.0
        self._nonfinite_loss: float | None = None
        self._device = device
        if not self._is_direct:
            self._buffer = torch.zeros(_CAPACITY, device=device)

    def record(self, metric: str, step: int, value: Tensor | float) -> None:
        """Record a scalar of a step."""
        if self._is_direct or isinstance(value, float):
            self._pass_on(metric, step, value if isinstance(value, float) else value.item())
            return
        if len(self._labels) == _CAPACITY:
            self.flush(wait=True)
        self._buffer[len(self._labels)].copy_(value.detach())
        self._labels.append((metric, step))

    def take_nonfinite(self) -> tuple[Kind, float] | None:
        """A non-finite loss that has arrived from an accelerator since the last call."""
        value, self._nonfinite_loss = self._nonfinite_loss, None
        return None if value is None else ("nonfinite_loss", value)

    def poll(self) -> None:
        """Start a copy when it is time, and take in one that has arrived. Never waits."""
        if self._is_direct:
            return
        if self._in_flight is not None:
            if self._in_flight[2].query():
                self._take_in()
            return
        if self._labels and time.monotonic() - self._last_flush > _FLUSH_SECONDS:
            self._begin_copy()

    def flush(self, *, wait: bool = True) -> None:
        """Bring everything over, waiting for the device; for pauses, evaluations and the end."""
        if self._is_direct:
            return
        while self._in_flight is not None or self._labels:
            if self._in_flight is None:
                self._begin_copy()
            if self._in_flight is not None:
                if wait:
                    self._in_flight[2].synchronize()
                self._take_in()

    def _begin_copy(self) -> None:
        count = len(self._labels)
        host = torch.empty(count, pin_memory=self._device.type == "cuda")
        # The copy is queued behind the steps it belongs to; the next values must not overwrite it, hence the clone.
        host.copy_(self._buffer[:count].clone(), non_blocking=True)
        event = torch.Event(self._device.type)
        event.record()
        self._in_flight = (self._labels, host, event)
        self._labels = []
        self._last_flush = time.monotonic()

    def _take_in(self) -> None:
        if self._in_flight is None:
            return
        labels, host, _ = self._in_flight
        self._in_flight = None
        for (metric, step), value in zip(labels, host.tolist(), strict=True):
            self._pass_on(metric, step, value)
            if metric == LOSS and not math.isfinite(value):
                self._nonfinite_loss = value

    def _pass_on(self, metric: str, step: int, value: float) -> None:
        self._recorder.append(metric, step, value)
        if metric in self._watchers:
            self._watchers[metric](step, value)
