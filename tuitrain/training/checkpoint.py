"""A checkpoint: weights, optimizer and plan in one versioned file, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from tuitrain.errors import RunFolderError
from tuitrain.protocol.codec import encode
from tuitrain.protocol.events import CheckpointSaved
from tuitrain.protocol.plan import LearningRatePlan
from tuitrain.techniques.build.lookahead import Lookahead
from tuitrain.techniques.build.optimizers import OptimizerSet

CHECKPOINT_VERSION = 1


def save_checkpoint(
    folder: Path,
    step: int,
    model_state: Mapping[str, torch.Tensor],
    optimizer: OptimizerSet,
    plan: LearningRatePlan,
    *,
    lookahead: Lookahead | None = None,
    tag: str = "",
    cause: str = "",
) -> CheckpointSaved:
    """Write `step-NNNNNNNN.pt`, or `step-NNNNNNNN-TAG.pt`, into `folder`, readable by the owner alone.

    It is written to a temporary name, synced, and renamed.

    Raises:
        RunFolderError: the disk refuses; nothing half-written is left.
    """
    began = time.monotonic()
    content = io.BytesIO()
    torch.save(
        {
            "version": CHECKPOINT_VERSION,
            "step": step,
            "model": dict(model_state),
            "optimizer": optimizer.state_dict(),
            "plan": encode(plan).decode(),
            "lookahead": {} if lookahead is None else lookahead.state_dict(),
        },
        content,
    )
    data = content.getvalue()
    name = f"step-{step:08d}-{tag}" if tag else f"step-{step:08d}"
    path = folder / f"{name}.pt"
    temporary = folder / f".{name}.{os.getpid()}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise RunFolderError(f"{path}: cannot be written: {error.strerror}", hint="free some space.") from error
    return CheckpointSaved(
        step=step,
        path=f"{folder.name}/{path.name}",
        num_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        save_seconds=time.monotonic() - began,
        cause=cause,
    )


def load_checkpoint(path: Path) -> dict[str, object]:
    """Read what `save_checkpoint` wrote; nothing in it can run code.

    Raises:
        RunFolderError: it is damaged, or of a version that we do not know.
    """
    try:
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise RunFolderError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise RunFolderError(f"{path}: is not a checkpoint.")
    if content.get("version") != CHECKPOINT_VERSION:
        raise RunFolderError(
            f"{path}: version {content.get('version')} is not {CHECKPOINT_VERSION}.", hint="a newer tuitrain."
        )
    return content
