"""What each of the runs that are at work at once may use: its share of the cores, and a GPU of its own where there are.

A run has slot 0, 1, …; the next one that takes the slot gets the same device.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_ANY_GPU = frozenset({"auto", "cuda"})
"""Values of `train.device` that take whatever GPU there is; one by its number would not be found among the visible."""


def slot_environment(
    slot: int, num_parallel: int, *, device: str = "auto", num_cores: int | None = None, gpus: list[str] | None = None
) -> dict[str, str]:
    """Variables of the process in a slot.

    Args:
        slot: from 0.
        num_parallel: so many slots there are.
        device: `train.device` of the run; only where it takes any GPU is one given.
        num_cores: to be shared; None means those that this process may use.
        gpus: to be dealt round the slots; None means those that this process sees.

    Returns:
        OMP_NUM_THREADS and MKL_NUM_THREADS, by which torch sets its threads unless the preset does; and
        CUDA_VISIBLE_DEVICES where there is something to deal.
    """
    cores = usable_cores() if num_cores is None else num_cores
    threads = str(max(1, cores // max(1, num_parallel)))
    environment = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    if device in _ANY_GPU:
        visible = visible_gpus() if gpus is None else gpus
        if visible:
            environment[_VISIBLE] = visible[slot % len(visible)]
    return environment


def default_parallel() -> int:
    """How many runs at once suit this machine: one a GPU; without any, half as many as there are cores."""
    return len(visible_gpus()) or max(1, usable_cores() // 2)


def visible_gpus(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them: numbers, or UUIDs.

    What that variable says counts, up to the first name that CUDA would not take; else all that the driver knows of.
    A GPU that is cut into MIG slices counts as its slices.
    """
    said = environ.get(_VISIBLE)
    if said is None:
        return _gpus_of_driver()
    names: list[str] = []
    for name in (part.strip() for part in said.split(",")):
        if not (name.isdecimal() or name.startswith(("GPU-", "MIG-"))):
            break  # as CUDA does: "0,-1,1" shows the first alone
        names.append(name)
    return names


def usable_cores(cgroups: Path = Path("/sys/fs/cgroup"), of_process: Path = Path("/proc/self/cgroup")) -> int:
    """Cores that this process may use: those it is bound to, and no more than its control group grants."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        cores = os.cpu_count() or 1
    return max(1, min([cores, *(int(share) for share in _granted_cores(cgroups, of_process))]))


def _granted_cores(cgroups: Path, of_process: Path) -> list[float]:
    """By the limits of this control group and those around it (version 2: "max 100000", or "150000 100000")."""
    try:
        own = of_process.read_text(encoding="ascii").rpartition("::")[2].strip().lstrip("/")
    except (OSError, ValueError):
        own = ""
    granted: list[float] = []
    place = cgroups / own
    for folder in (place, *place.parents):
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
            granted += [] if quota == "max" else [int(quota) / int(period)]
        if folder == cgroups:
            break
    return granted


def _gpus_of_driver() -> list[str]:
    with contextlib.suppress(Exception):  # whatever is wrong with the driver: there is nothing to deal
        import pynvml

        pynvml.nvmlInit()
        try:
            handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
            slices = [_slices(handle) for handle in handles]
            if not any(slices):
                return [str(index) for index in range(len(handles))]
            whole = [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
            return [name for names, uuid in zip(slices, whole, strict=True) for name in names or [uuid]]
        finally:
            pynvml.nvmlShutdown()
    return []


def _slices(handle: object) -> list[str]:
    """UUIDs of the MIG slices of a GPU; empty where it is not cut."""
    import pynvml

    found: list[str] = []
    with contextlib.suppress(pynvml.NVMLError):
        if pynvml.nvmlDeviceGetMigMode(handle)[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
            return []
        for index in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            with contextlib.suppress(pynvml.NVMLError):
                found.append(str(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))))
    return found
