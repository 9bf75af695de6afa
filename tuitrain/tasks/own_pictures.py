"""Pictures of one's own: a folder with a subfolder of pictures for each class, in one part or in two."""

from __future__ import annotations

import functools
import logging
import re
import stat
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from tuitrain.tasks.own_folders import files_by_class, find_sides
from tuitrain.tasks.own_parts import OwnData, Target, counted, shortened, shown

_FORMATS = ("BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP")  # others may start programs
_GRAY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_DEPTHS = {"I;16": "uint16", "I;16L": "uint16", "I;16B": "uint16", "I;16N": "uint16", "I": "int32", "F": "float32"}
"""Modes of more than 8 bits, and what holds their numbers as they are."""
_BITS = {"uint8": "8 bits", "uint16": "16 bits", "int32": "32 bits", "float32": "floating point"}
_WIDE_COLORS = re.compile(r";16[BLN]|'RGB', [0-9]{4,}\)")  # the second: the greatest value of a .ppm
_ORIENTATION = 0x0112
MOST_NUMBERS = 2**31
"""Values of all pictures together: 8 GiB as they are trained on."""

_SPECIAL = {
    stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip

_Result = TypeVar("_Result")

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its remarks on damage go to the terminal


@dataclass(frozen=True, kw_only=True)
class PictureIndex:
    """Where the pictures are, and what they will be."""

    paths: tuple[Path, ...]
    target: Target
    shape: tuple[int, int, int]
    """Channels, height and width of each, after what is done to them."""
    dtype: str = "uint8"
    """What holds a pixel: as wide as in the files."""
    notes: tuple[str, ...] = ()
    """What was left out or is not as it was, one clause each."""


@dataclass(frozen=True)
class _Header:
    """What the first bytes of a picture tell."""

    mode: str
    size: tuple[int, int]  # width, height, as it is looked at
    remarks: tuple[str, ...] = ()
    """What is not taken as it is, without the number of pictures."""

    @property
    def dtype(self) -> str:
        """What holds a pixel."""
        return _DEPTHS.get(self.mode, "uint8")


class _NoPictureError(Exception):
    """A file that Pillow cannot read."""


def index_pictures(options: OwnData, problems: list[str]) -> PictureIndex | None:
    """Find all pictures and read their headers; everything that is wrong goes to `problems`."""
    sides = find_sides(options.path, problems)
    if sides is None:
        return None
    skipped: list[Path] = []
    files = [files_by_class(folder, skipped) for folder in sides.folders]
    for folder, classes in zip(sides.folders, files, strict=True):
        problems += _folder_problems(folder, classes)
    samples = [(path, name) for classes in files for name, paths in classes.items() for path in paths]
    headers: list[_Header] = []
    broken: dict[str, str] = {}
    for path, _ in samples:
        try:
            headers.append(_guarded(path, _header))
        except _NoPictureError as error:
            broken[_below(path, options.path)] = str(error)
    if broken:
        problems.append(
            f"{counted(len(broken), 'file')} cannot be read as a picture: {_with_reason(broken)}. Try removing them."
        )
    if not headers:
        return None
    shape = _shape(headers, options.image_size, problems)
    dtypes = sorted({header.dtype for header in headers})
    if len(dtypes) > 1:
        counts = [f"{sum(header.dtype == name for header in headers)} with {_BITS[name]}" for name in dtypes]
        problems.append(
            f"The pictures have pixels of different depths, whose ranges do not compare: {', '.join(counts)}. "
            "Try saving all of them with the same."
        )
    remarks = Counter(remark for header in headers for remark in header.remarks)
    told = [f"{counted(count, 'picture')} {remark}" for remark, count in remarks.items()]
    if dtypes[-1] != "uint8":
        told.append(f"pixels of {_BITS[dtypes[-1]]} keep their range")
    if skipped:
        told.append(f"folders left out: {shown(sorted({path.name for path in skipped}))}")
    names = sorted({name for _, name in samples})
    numbers = {name: number for number, name in enumerate(names)}
    codes = np.array([numbers[name] for _, name in samples], dtype=np.int64)
    num_given = sum(map(len, files[0].values())) if len(files) == 2 else None
    return PictureIndex(
        paths=tuple(path for path, _ in samples),
        target=Target(codes, tuple(names), num_given, is_test_given=sides.is_test_given),
        shape=shape,
        dtype=dtypes[-1] if options.image_size is None or dtypes[-1] == "uint8" else "float32",
        notes=(*sides.notes, *told),
    )


def read_pictures(
    index: PictureIndex, order: NDArray[np.intp], folder: Path, problems: list[str]
) -> NDArray[np.generic]:
    """Some of the pictures, (len(order), channels, height, width); those that are damaged go to `problems`."""
    channels, height, width = index.shape
    pictures: NDArray[np.generic] = np.zeros((len(order), channels, height, width), dtype=index.dtype)
    damaged: dict[str, str] = {}
    for place, position in enumerate(order.tolist()):
        path = index.paths[position]
        try:
            pictures[place] = _guarded(path, lambda image: _pixels(image, index.shape))
        except _NoPictureError as error:
            damaged[_below(path, folder)] = str(error)
    if damaged:
        problems.append(
            f"{counted(len(damaged), 'picture')} cannot be decoded: {_with_reason(damaged)}. Try removing them."
        )
    return pictures


def _guarded(path: Path, read: Callable[[Image.Image], _Result]) -> _Result:
    """What `read` makes of a picture, without Pillow's warnings about its insides."""
    try:
        if (kind := stat.S_IFMT(path.stat().st_mode)) != stat.S_IFREG:  # opening a pipe waits for its other end
            raise _NoPictureError(_SPECIAL.get(kind, "not a file"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_formats()) as image:
                return read(image)
    except _NoPictureError:
        raise
    except FileNotFoundError as error:
        raise _NoPictureError("a link to nothing" if path.is_symlink() else "gone") from error
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
    return _Header(image.mode, (height, width) if is_turned else (width, height), tuple(_remarks(image)))


def _remarks(image: Image.Image) -> Iterator[str]:
    """What of a picture is not taken as it is."""
    if image.has_transparency_data:
        yield "with transparency, laid on white"
    if image.mode == "CMYK":
        yield "in CMYK, turned into RGB"
    if image.format != "MPO" and getattr(image, "is_animated", False):
        yield "with several frames, of which the first is taken"
    # Pillow has no mode for colors of 16 bits: its decoders drop the lower half of each.
    tiles: list[tuple[object, ...]] = getattr(image, "tile", [])
    if image.mode not in _DEPTHS and any(_WIDE_COLORS.search(str(tile[-1])) for tile in tiles):
        yield "with 16 bits a color, of which the upper 8 are taken"


def _pixels(image: Image.Image, shape: tuple[int, int, int]) -> NDArray[np.generic]:
    """(channels, height, width); what is see-through lies on white."""
    channels, height, width = shape
    upright: Image.Image = image
    if image.format in ("JPEG", "MPO"):
        # A photo that is to become much smaller is decoded small, still at least twice as large as it will be.
        image.draft(None, (2 * max(height, width), 2 * max(height, width)))
        upright = ImageOps.exif_transpose(image)
    if upright.mode in _DEPTHS:
        if upright.size != (width, height):
            upright = Image.fromarray(np.asarray(upright, dtype=np.float32))
            upright = upright.resize((width, height), Image.Resampling.BILINEAR)
        wide = np.asarray(upright)
        if not np.isfinite(wide).all():
            raise _NoPictureError("a pixel that is NaN or infinite")
        return wide[None]
    if upright.has_transparency_data:
        solid = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", solid.size, "white"), solid)
    upright = upright.convert("L" if channels == 1 else "RGB")
    if upright.size != (width, height):
        upright = upright.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(upright, dtype=np.uint8)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _below(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder))


def _folder_problems(folder: Path, classes: dict[str, list[Path]]) -> Iterator[str]:
    if not classes:
        yield f"{folder.name} has no subfolders. Try one for each class, with its pictures in it."
    empty = [name for name, paths in classes.items() if not paths]
    if empty:
        yield f"{counted(len(empty), 'class folder')} without a picture: {shown(empty)}. Try removing the folder."


def _shape(headers: list[_Header], image_size: int | None, problems: list[str]) -> tuple[int, int, int]:
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
