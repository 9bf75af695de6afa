"""Arrays of one's own, as `numpy.savez` writes them: x and y, or one pair for each side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuitrain.tasks.own_parts import OwnData, Target, counted, nonfinite_as_float32, shown

_TRAIN = (("train_x", "train_y"), ("x_train", "y_train"))
_VALIDATION = tuple(
    pair
    for side in ("validation", "val", "valid", "test")
    for pair in ((f"{side}_x", f"{side}_y"), (f"x_{side}", f"y_{side}"))
)
_NUMBERS = "buif"  # kinds of dtype: bool, unsigned, signed, float
_TEXTS = "US"
_CHANNELS = (1, 3, 4)


class ArchiveX(NamedTuple):
    """Inputs and targets of an archive without mistakes."""

    x: tuple[NDArray[np.generic], ...]  # one array for all samples, or one for each side; (n, *input_shape)
    target: Target


class _DamagedError(Exception):
    """The archive, or an array in it, cannot be read."""


def read_npz(options: OwnData, problems: list[str]) -> ArchiveX | None:
    """The arrays of both sides, pictures with channels first; everything that is wrong goes to `problems`."""
    try:
        with options.path.open("rb") as file, _opened(file) as archive:
            names = tuple(archive.files)
            pairs = _pairs(names)
            arrays = {name: _array(archive, name) for pair in pairs for name in pair}
    except _DamagedError as error:
        problems.append(str(error))
        return None
    if not pairs:
        there = f"There are {shown(names, 10)}" if names else "The archive is empty"
        problems.append(
            f"No arrays x and y. {there}. Try np.savez(path, x=…, y=…), or train_x, train_y, validation_x and "
            "validation_y."
        )
        return None
    return _read(pairs, arrays, problems)


def _opened(file: BinaryIO) -> np.lib.npyio.NpzFile:
    try:
        archive = np.load(file, allow_pickle=False)
    except Exception as error:  # damage shows in a dozen exceptions of zipfile, zlib, ast and numpy
        raise _DamagedError(f"Damaged, or no .npz file ({_reason(error)}). Try np.savez to write it again.") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise _DamagedError("One single array (.npy), not an archive. Try np.savez(path, x=…, y=…).")
    return archive


def _array(archive: np.lib.npyio.NpzFile, name: str) -> NDArray[np.generic] | str:
    """An array, or what is wrong with it."""
    try:
        return _extracted(archive, name)
    except _DamagedError as error:
        if "allow_pickle" not in str(error):
            return f"Array {name} is damaged ({error}). Try np.savez to write the file again."
        return (
            f"Array {name} holds Python objects, which are not loaded because they may run code. Try "
            f"{name}.astype(np.float32), or astype(str) for names."
        )


def _extracted(archive: np.lib.npyio.NpzFile, name: str) -> NDArray[np.generic]:
    try:
        array = archive[name]
    except Exception as error:
        raise _DamagedError(_reason(error)) from error
    if not isinstance(array, np.ndarray):
        raise _DamagedError("not written by numpy")
    return array


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:100] or type(error).__name__


def _pairs(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """The names of one pair for all samples, or of one for each side; X_train is x_train."""
    known = {name.lower(): name for name in names}

    def first(pairs: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
        return [(known[x], known[y]) for x, y in pairs if x in known and y in known][:1]

    train, validation, whole = first(_TRAIN), first(_VALIDATION), first((("x", "y"),))
    return train + validation if train and validation else whole or train


def _read(
    pairs: list[tuple[str, str]],
    arrays: dict[str, NDArray[np.generic] | str],
    problems: list[str],
) -> ArchiveX | None:
    before = len(problems)
    inputs, targets = [], []
    for x_name, y_name in pairs:
        x, y = arrays[x_name], arrays[y_name]
        problems += [array for array in (x, y) if isinstance(array, str)]
        if isinstance(x, np.ndarray):
            problems += _x_problems(x_name, x)
        if isinstance(y, np.ndarray):
            problems += _y_problems(y_name, y)
        if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
            inputs.append(x)
            targets.append(y)
            if x.ndim and y.ndim and len(x) != len(y):
                problems.append(
                    f"{x_name} has {counted(len(x), 'sample')} and {y_name} has {len(y)}. Try one target for each."
                )
    if len(problems) > before:
        return None
    samples = tuple(_as_samples(x) for x in inputs)
    columns = [y.reshape(len(y), -1) for y in targets]
    if len(pairs) == 2:
        problems += _side_problems(pairs, samples, tuple(columns))
    if len(problems) > before:
        return None
    target = _target(columns, len(columns[0]) if len(pairs) == 2 else None)
    return ArchiveX(samples, target._replace(is_test_given="test" in pairs[-1][0].lower()))


def _side_problems(
    pairs: list[tuple[str, str]],
    samples: tuple[NDArray[np.generic], ...],
    columns: tuple[NDArray[np.generic], ...],
) -> Iterator[str]:
    """Where training and validation do not match."""
    for number, sides in enumerate((samples, columns)):
        one, other = pairs[0][number], pairs[1][number]
        if sides[0].shape[1:] != sides[1].shape[1:]:
            yield (
                f"A sample of {one} has shape {sides[0].shape[1:]}, one of {other} {sides[1].shape[1:]}. Try the same "
                "for both."
            )
    if len({side.dtype.kind in _TEXTS for side in columns}) == 2:
        yield f"One of {pairs[0][1]} and {pairs[1][1]} holds names, the other numbers. Try the same for both."


def _x_problems(name: str, x: NDArray[np.generic]) -> Iterator[str]:
    if x.dtype.kind not in _NUMBERS:
        yield f"{name} holds {x.dtype.name} values, not numbers. Try {name}.astype(np.float32)."
    elif not 1 <= x.ndim <= 4:
        yield (
            f"{name} has shape {x.shape}. Try (samples, features), or (samples, channels, height, width) for pictures."
        )
    elif x.size == 0:
        yield f"{name} has shape {x.shape}, which holds nothing. Try an array with samples."
    else:
        yield from _finite_problems(name, x)


def _y_problems(name: str, y: NDArray[np.generic]) -> Iterator[str]:
    if y.dtype.kind not in _NUMBERS + _TEXTS:
        yield f"{name} holds {y.dtype.name} values, neither numbers nor names. Try {name}.astype(np.int64)."
    elif not 1 <= y.ndim <= 2:
        yield f"{name} has shape {y.shape}. Try (samples,) for classes, or (samples, targets)."
    elif y.size == 0:
        yield f"{name} has shape {y.shape}, which holds nothing. Try a target for each sample."
    elif y.dtype.kind in _TEXTS and y.size != len(y):
        yield f"{name} has {y.shape[1]} names a sample. Try one."
    elif y.dtype.kind in _NUMBERS:
        yield from _finite_problems(name, y)


def _finite_problems(name: str, values: NDArray[np.generic]) -> Iterator[str]:
    if values.dtype.kind != "f":
        return
    wrong = nonfinite_as_float32(values)
    if wrong.any():
        sample = int(np.flatnonzero(wrong.reshape(len(values), -1).any(axis=1))[0])
        yield (
            f"{name} has {counted(int(wrong.sum()), 'value')} NaN, infinite or above 3.4e38, the first in sample "
            f"{sample} (from 0). Try np.isfinite({name}) to find them, and leave those samples out."
        )


def _as_samples(x: NDArray[np.generic]) -> NDArray[np.generic]:
    """(n, features), or (n, channels, height, width) with the channels found where they are few."""
    if x.dtype.kind == "b":
        x = x.astype(np.uint8)
    elif x.dtype.kind == "f":
        x = x.astype(np.float32)
    if x.ndim == 1:
        return x[:, None]
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[1] not in _CHANNELS and x.shape[3] in _CHANNELS:
        return x.transpose(0, 3, 1, 2)
    return x


def _target(columns: list[NDArray[np.generic]], num_given: int | None) -> Target:
    """All targets below each other, (n,) where there is one a sample."""
    values = np.concatenate(columns)
    if values.dtype.kind in _TEXTS:
        cells = values.ravel().tolist()
        texts = [cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell for cell in cells]
        names = sorted(set(texts))
        codes = {text: code for code, text in enumerate(names)}
        return Target(np.array([codes[text] for text in texts], dtype=np.int64), tuple(names), num_given)
    if values.shape[1] == 1:
        values = values[:, 0]
    return Target(values.astype(np.float64), None, num_given)
