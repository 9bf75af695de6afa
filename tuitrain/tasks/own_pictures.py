"""Pictures of one's own: a folder with a subfolder of pictures for each class, in one part or in two."""

from __future__ import annotations

import functools
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from tuitrain.tasks.own_parts import OwnData, Target, counted, shortened, shown

_FORMATS = ("BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP")  # others may start programs
_VALIDATION = ("validation", "val", "valid", "test")
_NOT_LOOKED_AT = ("thumbs.db", "desktop.ini")
_GRAY = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B")
_WIDE = ("I", "F")
_ORIENTATION = 0x0112
MOST_NUMBERS = 2**31
"""Values of all pictures together: 8 GiB as they are trained on."""

_Result = TypeVar("_Result")

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its remarks on damage go to the terminal


@dataclass(frozen=True, kw_only=True)
class PictureIndex:
    """Where the pictures are, and what they will be."""

    paths: tuple[Path, ...]
    target: Target
    shape: tuple[int, int, int]
    """Channels, height and width of each, after what is done to them."""


@dataclass(frozen=True)
class _Header:
    """What the first bytes of a picture tell."""

    mode: str
    size: tuple[int, int]  # width, height, as it is looked at


class _NoPictureError(Exception):
    """A file that Pillow cannot read."""


def index_pictures(options: OwnData, problems: list[str]) -> PictureIndex | None:
    """Find all pictures and read their headers; everything that is wrong goes to `problems`."""
    sides = _sides(options.path)
    files = [_by_class(folder) for folder in sides]
    for folder, classes in zip(sides, files, strict=True):
        problems += _folder_problems(folder, classes)
    samples = [(path, name) for classes in files for name, paths in classes.items() for path in paths]
    headers: list[_Header] = []
    broken: dict[str, str] = {}
    for path, _ in samples:
        try:
            headers.append(_guarded(path, _header))
        except _NoPictureError as error:
            broken[str(path.relative_to(options.path))] = str(error)
    if broken:
        problems.append(
            f"{counted(len(broken), 'file')} cannot be read as a picture: {_with_reason(broken)}. Try removing them."
        )
    if not headers:
        return None
    shape = _shape(headers, options.image_size, problems)
    names = sorted({name for _, name in samples})
    numbers = {name: number for number, name in enumerate(names)}
    codes = np.array([numbers[name] for _, name in samples], dtype=np.int64)
    num_given = sum(map(len, files[0].values())) if len(files) == 2 else None
    return PictureIndex(
        paths=tuple(path for path, _ in samples),
        target=Target(codes, tuple(names), num_given, is_test_given=sides[-1].name.lower() == "test"),
        shape=shape,
    )


def read_pictures(index: PictureIndex, order: NDArray[np.intp], folder: Path, problems: list[str]) -> NDArray[np.uint8]:
    """Some of the pictures, (len(order), channels, height, width); those that are damaged go to `problems`."""
    channels, height, width = index.shape
    pictures = np.zeros((len(order), channels, height, width), dtype=np.uint8)
    damaged: dict[str, str] = {}
    for place, position in enumerate(order.tolist()):
        path = index.paths[position]
        try:
            pictures[place] = _guarded(path, lambda image: _pixels(image, index.shape))
        except _NoPictureError as error:
            damaged[str(path.relative_to(folder))] = str(error)
    if damaged:
        problems.append(
            f"{counted(len(damaged), 'picture')} cannot be decoded: {_with_reason(damaged)}. Try removing them."
        )
    return pictures


def _guarded(path: Path, read: Callable[[Image.Image], _Result]) -> _Result:
    """What `read` makes of a picture, without Pillow's warnings about its insides."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_formats()) as image:
                return read(image)
    except UnidentifiedImageError as error:
        raise _NoPictureError("no picture") from error
    except Exception as error:  # damage shows in whatever a decoder trips over
        raise _NoPictureError(str(error) or type(error).__name__) from error


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those that this Pillow was built with."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _with_reason(errors: dict[str, str]) -> str:
    """The first few files, in order, and what is wrong with the first."""
    first, *others = sorted(errors)
    return f"{shown([first, *others])} ({'the first: ' if others else ''}{shortened(errors[first])})"


def _header(image: Image.Image) -> _Header:
    width, height = image.size
    is_turned = image.format in ("JPEG", "MPO") and image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    return _Header(image.mode, (height, width) if is_turned else (width, height))


def _pixels(image: Image.Image, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """(channels, height, width); what is see-through lies on white."""
    channels, height, width = shape
    upright: Image.Image = image
    if image.format in ("JPEG", "MPO"):
        # A photo that is to become much smaller is decoded small, still at least twice as large as it will be.
        image.draft(None, (2 * max(height, width), 2 * max(height, width)))
        upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    elif upright.has_transparency_data:
        solid = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", solid.size, "white"), solid)
    upright = upright.convert("L" if channels == 1 else "RGB")
    if upright.size != (width, height):
        upright = upright.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(upright, dtype=np.uint8)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _sides(folder: Path) -> tuple[Path, ...]:
    """The folder itself, or those of training and validation in it; a class may be called train, too."""
    children = list(_subfolders(folder))
    parts = {child.name.lower(): child for child in children if any(True for _ in _subfolders(child))}
    held_out = next((parts[name] for name in _VALIDATION if name in parts), None)
    if "train" in parts and held_out is not None:
        return parts["train"], held_out
    return (parts["train"],) if len(children) == 1 and "train" in parts else (folder,)


def _subfolders(folder: Path) -> Iterator[Path]:
    return (child for child in sorted(folder.iterdir()) if child.is_dir() and not child.name.startswith("."))


def _by_class(folder: Path) -> dict[str, list[Path]]:
    """The files below each subfolder."""
    return {child.name: sorted(_files(child)) for child in _subfolders(folder)}


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if not name.startswith(".") and name.lower() not in _NOT_LOOKED_AT:
                yield Path(parent, name)


def _folder_problems(folder: Path, classes: dict[str, list[Path]]) -> Iterator[str]:
    if not classes:
        yield f"{folder.name} has no subfolders. Try one for each class, with its pictures in it."
    empty = [name for name, paths in classes.items() if not paths]
    if empty:
        yield f"{counted(len(empty), 'class folder')} without a picture: {shown(empty)}. Try removing the folder."


def _shape(headers: list[_Header], image_size: int | None, problems: list[str]) -> tuple[int, int, int]:
    wide = sum(header.mode in _WIDE for header in headers)
    if wide:
        problems.append(
            f"{counted(wide, 'picture')} of 32 bits a pixel, whose range is not known. Try saving with 8 bits."
        )
    channels = 1 if all(header.mode in _GRAY for header in headers) else 3
    sizes = sorted({header.size for header in headers})
    if image_size is None and len(sizes) > 1:
        listed = ", ".join(f"{width}×{height}" for width, height in sizes[:3])
        more = f" and {len(sizes) - 3} more" if len(sizes) > 3 else ""
        problems.append(
            f"The pictures have {len(sizes)} sizes: {listed}{more}. Try image_size = 64, which makes them alike."
        )
    width, height = headers[0].size if image_size is None else (image_size, image_size)
    if len(headers) * channels * height * width > MOST_NUMBERS:
        gigabytes = 4 * len(headers) * channels * height * width / 1e9
        problems.append(f"{len(headers)} pictures of {width}×{height} take {gigabytes:.0f} GB. Try image_size = 64.")
    return channels, height, width
