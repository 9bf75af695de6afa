"""What the process and its device tell about themselves. Nothing is invented where they are silent.

Loads without torch, so that the pump can run while torch is still being imported.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    import torch


class Reading(NamedTuple):
    """Memory and utilisation now; None where the device does not tell."""

    process_memory_bytes: int
    device_memory_bytes: int | None
    device_utilization: float | None
    """0 to 1."""


class Telemetry:
    """Reads memory and utilisation; a reading costs well under a millisecond and never synchronises the device."""

    def __init__(self) -> None:
        self._device: torch.device | None = None
        self._process = psutil.Process(os.getpid())
        self._nvml_handle: object | None = None

    def watch_device(self, device: torch.device) -> None:
        """From now on read this device too."""
        self._nvml_handle = _nvml_handle(device)
        self._device = device

    def read(self) -> Reading:
        """Memory and utilisation now."""
        return Reading(self._process.memory_info().rss, self._device_memory(), self._utilization())

    def _device_memory(self) -> int | None:
        if self._device is None or self._device.type not in {"cuda", "mps"}:
            return None
        import torch

        if self._device.type == "cuda":
            return torch.cuda.memory_reserved(self._device)
        return torch.mps.current_allocated_memory()

    def _utilization(self) -> float | None:
        if self._nvml_handle is None:
            return None
        import pynvml

        try:
            return float(pynvml.nvmlDeviceGetUtilizationRates(self._nvml_handle).gpu) / 100.0
        except pynvml.NVMLError:
            return None


def _nvml_handle(device: torch.device) -> object | None:
    """The driver's handle of a CUDA device, matched by UUID because CUDA_VISIBLE_DEVICES renumbers."""
    if device.type != "cuda":
        return None
    with contextlib.suppress(Exception):  # any trouble with the driver only means that nothing is shown
        import pynvml
        import torch

        pynvml.nvmlInit()
        uuid = str(torch.cuda.get_device_properties(device).uuid)
        handle: object = pynvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")
        return handle
    return None
