"""Full-size datasets through torchvision, quietly and with errors that say what to do."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from urllib.error import URLError

import numpy as np

from tuitrain.errors import DataError
from tuitrain.tasks.synthetic import Arrays
from tuitrain.tasks.tables import DatasetSpec

_CLASSES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10"}


def torchvision_arrays(spec: DatasetSpec, folder: Path) -> Arrays:
    """Both sides of a torchvision dataset, downloaded into `folder` if they are not there.

    Raises:
        DataError: torchvision cannot be imported, or the files are missing and cannot be downloaded.
    """
    try:
        from torchvision import datasets  # 2.8 s to import: only for those who ask for it
    except (ImportError, RuntimeError) as error:
        raise DataError(f"torchvision cannot be imported: {error}", hint="tuitrain doctor.") from error
    loader = getattr(datasets, _CLASSES[spec.name])
    train, validation = (_load(loader, spec, folder, is_train=is_train) for is_train in (True, False))
    return Arrays(train[0], train[1], validation[0], validation[1])


def _load(
    loader: type, spec: DatasetSpec, folder: Path, *, is_train: bool
) -> tuple[np.typing.NDArray[np.generic], np.typing.NDArray[np.generic]]:
    try:
        # A download draws a progress bar, which would fill the log.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                data = loader(str(folder), train=is_train, download=False)
            except RuntimeError:
                folder.mkdir(parents=True, exist_ok=True)
                data = loader(str(folder), train=is_train, download=True)
    except (RuntimeError, URLError, OSError) as error:
        raise DataError(
            f"{spec.name}: the files are not in {folder} and cannot be downloaded ({error}).",
            hint='put torchvision\'s files there, set task.data_folder, or use task.dataset="mnist-5k", '
            "which needs no download.",
        ) from error
    x = np.asarray(data.data)
    if x.ndim == 4:
        x = x.transpose(0, 3, 1, 2)  # CIFAR-10 stores channels last
    return x, np.asarray(data.targets)
