"""Guards for everything that looks at a run without being part of it.

Whatever runs inside leaves no trace in the run: random state, module modes, buffers (batch norm) and gradients
are as before, so the stream with and without it is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def random_state_kept(device: torch.device) -> Iterator[None]:
    """Restore torch's random state on the CPU and on `device` afterwards."""
    devices = [device] if device.type not in {"cpu", "meta"} else []
    with torch.random.fork_rng(devices=devices, device_type=device.type if devices else "cuda", enabled=True):
        yield


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside; each module's own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, was_training in modes:
            module.training = was_training


@contextmanager
def buffers_kept(model: nn.Module) -> Iterator[None]:
    """Restore buffers such as the running statistics of batch norm afterwards."""
    kept = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, before in kept:
            buffer.copy_(before)
