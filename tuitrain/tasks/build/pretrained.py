"""Weights that torchvision gives away, quietly and with errors that say what to do."""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor

from tuitrain.errors import DataError

_PATIENCE_SECONDS = 10.0
"""For an answer of the server; a network without a way out would make us wait for minutes."""


def pretrained_weights(model: str, folder: Path) -> tuple[str, dict[str, Tensor]]:
    """The newest weights of a torchvision model, downloaded into `folder` if they are not there.

    Args:
        model: a name that torchvision knows.
        folder: where the files are kept.

    Returns:
        Name of the file, which holds a part of its hash, and the tensors by name.

    Raises:
        DataError: torchvision cannot be imported, or the file is missing and cannot be downloaded, or is damaged.
    """
    try:
        from torchvision.models import get_model_weights  # 2.8 s to import: only for those who ask for it
    except (ImportError, RuntimeError) as error:
        raise DataError(f"torchvision cannot be imported: {error}", hint="tuitrain doctor.") from error
    url = str(get_model_weights(model)["DEFAULT"].url)
    path = folder / url.rpartition("/")[2]
    try:
        # What is told on the way would tear the screen.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), _patience():
            found = torch.hub.load_state_dict_from_url(
                url, model_dir=str(folder), map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
    except (OSError, HTTPException) as error:  # URLError is an OSError
        raise DataError(
            f"{model}: the pretrained weights are not in {folder} and cannot be downloaded ({error}).",
            hint=f"put {url} there, set task.data_folder, or task.pretrained=false, which begins anew.",
        ) from error
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise DataError(f"{path}: cannot be read: {error}", hint="delete it, and download it again.") from error
    return path.name, dict(found)


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Give up on a server that does not answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
