"""Arrays of one's own, as `numpy.savez` writes them: inputs and targets, or one pair for each side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray

from tuitrain.tasks.own_parts import OwnData, Target, counted, nonfinite_as_float32, shown

_X = ("x", "data", "images", "inputs", "features", "arr0")
_Y = ("y", "target", "targets", "label", "labels", "arr1")
_TRAIN = ("train", "training")
_VALIDATION = ("validation", "val", "valid", "test", "testing")
"""The first of them that is there is validated on."""
_NUMBERS = "buif"  # kinds of dtype: bool, unsigned, signed, float
_TEXTS = "US"
_CHANNELS = (1, 3, 4)
_MOST_OF_MEMORY = 0.5
"""Of the memory that is free, what arrays may take while they are unpacked and made ready."""
_READY_BYTES = 8
"""Of each number besides what it takes in the file: float32 on the device, and as much on the way there."""

_Pair = tuple[str, str]


class ArchiveX(NamedTuple):
    """Inputs and targets of an archive without mistakes."""

    x: tuple[NDArray[np.generic], ...]  # one array for all samples, or one for each side; (n, *input_shape)
    target: Target
    notes: tuple[str, ...] = ()
    """What was guessed or left out, one clause each."""


class _DamagedError(Exception):
    """The archive, or an array in it, cannot be read."""


def read_npz(options: OwnData, problems: list[str]) -> ArchiveX | None:
    """The arrays of both sides, pictures with channels first; everything that is wrong goes to `problems`."""
    before = len(problems)
    try:
        with options.path.open("rb") as file, _opened(file) as archive:
            names = tuple(archive.files)
            pairs = _pairs(names, options, problems)
            needed = sum(_num_bytes(archive, name) for pair in pairs for name in pair)
            problems += _memory_problems(needed)
            if len(problems) > before:
                return None
            arrays = {name: _array(archive, name) for pair in pairs for name in pair}
    except _DamagedError as error:
        problems.append(str(error))
        return None
    found = _read(pairs, arrays, options, problems)
    return found and found._replace(notes=(*_notes(names, pairs), *found.notes))


def _notes(names: Sequence[str], pairs: Sequence[_Pair]) -> Iterator[str]:
    if len(pairs) == 2:
        yield f"{pairs[1][0]} is validated on"
    if spare := [name for name in names if name not in {name for pair in pairs for name in pair}]:
        yield f"left out: {shown(spare, 6)}"


def _num_bytes(archive: np.lib.npyio.NpzFile, name: str) -> int:
    """Memory that an array is going to take, by what its head declares; 0 where that cannot be read, told later."""
    try:
        with archive.zip.open(f"{name}.npy") as file:  # type: ignore[union-attr]
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = reader(file)
    except Exception:  # noqa: BLE001  # damage shows in a dozen exceptions
        return 0
    return math.prod(shape) * (dtype.itemsize + _READY_BYTES)


def _memory_problems(needed: int) -> Iterator[str]:
    limit = psutil.virtual_memory().available * _MOST_OF_MEMORY
    if needed > limit:
        yield (
            f"The arrays take {needed / 1e9:.1f} GB when they are unpacked and made ready, more than half of the "
            f"{2 * limit / 1e9:.1f} GB of memory that are free. Try fewer samples, or smaller ones."
        )


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


def _pairs(names: tuple[str, ...], options: OwnData, problems: list[str]) -> list[_Pair]:
    """The names of one pair for all samples, or of one for each side; X_train, train_x and trainX are one name."""
    left = [name for name in names if name not in options.ignore]
    target = options.target if isinstance(options.target, str) else None
    if target is not None and target not in left:
        problems.append(f'There is no array "{target}" for the targets. There are {shown(left, 10)}. Try one of them.')
        return []

    def choices(sides: Sequence[str]) -> tuple[list[str], list[str]]:
        xs, ys = ([name for name in left if _means(name, sides, words) and name != target] for words in (_X, _Y))
        return xs, [target] if target is not None and _means(target, sides, _Y) else ys

    train = choices(_TRAIN)
    held_out = next((found for side in _VALIDATION if all(found := choices([side]))), ([], []))
    whole = choices([""])
    if target is not None and not any(target in ys for _, ys in (train, held_out)):
        others = [name for name in left if name != target]
        whole = (whole[0] or (others if len(others) == 1 else []), [target])
        train = held_out = ([], [])
    chosen = [train, held_out] if all(train) and all(held_out) else [whole] if all(whole) else [train]
    if not all(chosen[0]):
        there = f"There are {shown(left, 10)}" if left else "The archive is empty"
        problems.append(
            f"No arrays x and y. {there}. Try np.savez(path, x=…, y=…), or train_x, train_y, validation_x and "
            "validation_y."
        )
        return []
    unnamed = [name for name in left if name.startswith("arr_")]
    if len(unnamed) > 2 and chosen == [whole] and set(whole[0] + whole[1]) == {"arr_0", "arr_1"}:
        problems.append(
            f"{len(unnamed)} arrays have no name, and only the first two were expected: inputs and targets. "
            "Try np.savez(path, x_train=…, y_train=…, x_test=…, y_test=…)."
        )
    problems += [problem for found in chosen for problem in _several(*found)]
    return [(xs[0], ys[0]) for xs, ys in chosen]


def _means(name: str, sides: Sequence[str], words: Sequence[str]) -> bool:
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    return any(plain in {f"{side}{word}", f"{word}{side}"} for side in sides for word in words)


def _several(xs: list[str], ys: list[str]) -> Iterator[str]:
    """Where more than one array may be meant."""
    if len(xs) > 1:
        yield f'The inputs may be {" or ".join(xs)}. Try ignore = ["{xs[1]}"], or ignore = ["{xs[0]}"].'
    if len(ys) > 1:
        yield f'The targets may be {" or ".join(ys)}. Try target = "{ys[0]}", or target = "{ys[1]}".'


def _read(
    pairs: list[_Pair],
    arrays: dict[str, NDArray[np.generic] | str],
    options: OwnData,
    problems: list[str],
) -> ArchiveX | None:
    before = len(problems)
    inputs, targets = [], []
    for x_name, y_name in pairs:
        x, y = arrays[x_name], arrays[y_name]
        problems += [array for array in (x, y) if isinstance(array, str)]
        if isinstance(x, np.ndarray):
            problems += _x_problems(x_name, x, options.layout)
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
    samples = tuple(_as_samples(x, options.layout) for x in inputs)
    columns = [y.reshape(len(y), -1) for y in targets]
    if len(pairs) == 2:
        problems += _side_problems(pairs, samples, tuple(columns))
    if len(problems) > before:
        return None
    target = _target(columns, len(columns[0]) if len(pairs) == 2 else None)
    notes: tuple[str, ...] = ("channels are last",) if _has_last(inputs[0], options.layout) else ()
    if options.target_kind != "regression" and _is_one_hot(target.values):
        target = target._replace(values=target.values.argmax(axis=1).astype(np.float64))
        notes += ("one-hot targets are taken for classes",)
    return ArchiveX(samples, target._replace(is_test_given="test" in pairs[-1][0].lower()), notes)


def _has_last(x: NDArray[np.generic], layout: str) -> bool:
    return x.ndim == 4 and bool(_is_last(x.shape, layout))


def _is_one_hot(values: NDArray[np.generic]) -> bool:
    return values.ndim == 2 and bool(np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all())


def _side_problems(
    pairs: list[_Pair],
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


def _x_problems(name: str, x: NDArray[np.generic], layout: str) -> Iterator[str]:
    if x.dtype.kind not in _NUMBERS:
        yield f"{name} holds {x.dtype.name} values, not numbers. Try {name}.astype(np.float32)."
    elif not 1 <= x.ndim <= 4:
        yield (
            f"{name} has shape {x.shape}. Try (samples, features), or (samples, channels, height, width) for pictures."
        )
    elif x.size == 0:
        yield f"{name} has shape {x.shape}, which holds nothing. Try an array with samples."
    elif x.ndim == 4 and _is_last(x.shape, layout) is None:
        yield (
            f"{name} has shape {x.shape}, of which either the second or the last may be the channels. "
            'Try layout = "channels-first", or layout = "channels-last".'
        )
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


def _as_samples(x: NDArray[np.generic], layout: str) -> NDArray[np.generic]:
    """(n, features), or (n, channels, height, width); in that order in memory, so that none trains otherwise."""
    if x.dtype.kind == "b":
        x = x.astype(np.uint8)
    elif x.dtype.kind == "f" and x.dtype.itemsize > 8:
        x = x.astype(np.float64)
    if x.ndim in {1, 3}:
        x = x[:, None]
    elif x.ndim == 4 and _is_last(x.shape, layout):
        x = x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x)


def _is_last(shape: tuple[int, ...], layout: str) -> bool | None:
    """Whether the channels of pictures are their last dimension; None where both that and the second may be."""
    if layout != "auto":
        return layout == "channels-last"
    _, first, middle, last = shape
    # As many as pictures have, or what is left beside a square.
    may_be_first = first in _CHANNELS or (middle == last and first < middle)
    may_be_last = last in _CHANNELS or (first == middle and last < first)
    return may_be_last if may_be_first != may_be_last else None


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
