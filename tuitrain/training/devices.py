"""Which device, and how many threads."""

from __future__ import annotations

import torch

from tuitrain.errors import UsageError

_SMALL_MODEL_PARAMETERS = 2_000_000


def choose_device(wanted: str) -> torch.device:
    """The device a preset names; "auto" takes the accelerator if there is one.

    Raises:
        UsageError: it is not there.
    """
    available: torch.device | None = torch.accelerator.current_accelerator(check_available=True)
    if wanted == "cpu" or (wanted == "auto" and available is None):
        return torch.device("cpu")
    device = torch.device(wanted) if wanted != "auto" or available is None else available
    count = torch.accelerator.device_count() if available is not None and available.type == device.type else 0
    if count == 0:
        present = "cpu" if available is None else f"cpu, {available.type}"
        raise UsageError(f'train.device = "{wanted}" is not on this machine.', hint=f"one of: auto, {present}.")
    index: int | None = device.index  # torch's stubs leave None out
    if index is not None and index >= count:
        raise UsageError(
            f'train.device = "{wanted}": there are only {count}.', hint=f'train.device="{device.type}:{count - 1}".'
        )
    return torch.device(device.type, device.index or 0) if device.type == "cuda" else device


def choose_threads(wanted: int, num_parameters: int, device: torch.device) -> int:
    """Threads of torch on the CPU: 1 for small models there, which two threads slow down on a busy machine."""
    if wanted:
        return wanted
    is_small = device.type == "cpu" and num_parameters < _SMALL_MODEL_PARAMETERS
    return 1 if is_small else torch.get_num_threads()
