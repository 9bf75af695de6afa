"""What a file of a table holds: text, however it is packed and encoded, or a table that pyarrow knows as it is."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from tuitrain.tasks.own_parts import counted

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_BYTES = 2**31 - 2**20
"""Unpacked: what columns of text of pyarrow can address."""
_BYTES_AT_ONCE = 2**24
_AS_CSV = "saving the table as CSV in UTF-8"
_REFUSED = {
    b"\xd0\xcf\x11\xe0": ("An Excel workbook (.xls)", _AS_CSV),
    b"\x28\xb5\x2f\xfd": ("Packed by Zstandard", "unpacking it with zstd -d"),
    b"\x89HDF": ("An HDF5 file", _AS_CSV),
    b"\x93NUMPY": ("An array of numpy (.npy)", 'np.savez(path, x=…, y=…), and dataset = "npz"'),
    b"SQLite": ("An SQLite database", _AS_CSV),
    b"%PDF": ("A PDF document", _AS_CSV),
}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # begins as the next one does
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)


class UnreadableError(Exception):
    """A file that is no table, or a damaged one: what is wrong, with what to try."""


def read_file(path: Path, notes: list[str]) -> str | pa.Table:
    """The text of a table, or a table with types of its own; what was found out about it goes to `notes`.

    Raises:
        OSError: the file cannot be read.
        UnreadableError: no table, too large, or damaged.
    """
    with path.open("rb") as file:
        raw = _unpacked(file, notes)
    if raw[:4] == b"PAR1" or raw[:6] == b"ARROW1":
        return _arrow_table(raw, notes)
    for beginning, (what, way_out) in _REFUSED.items():
        if raw.startswith(beginning):
            raise UnreadableError(f"{what}, which is not read. Try {way_out}.")
    return _decoded(raw, notes)


def _unpacked(file: BinaryIO, notes: list[str]) -> bytes:
    beginning = file.read(6)
    file.seek(0)
    if beginning[:4] == b"PK\x03\x04":
        return _unzipped(file, notes)
    for mark, name, opened in ((b"\x1f\x8b", "gzip", gzip.open), (b"BZh", "bzip2", bz2.open),
                               (b"\xfd7zXZ\0", "xz", lzma.open)):  # fmt: skip
        if beginning.startswith(mark):
            notes.append(f"packed by {name}")
            return _bounded(opened(file), name)
    return _bounded(file, "")


def _unzipped(file: BinaryIO, notes: list[str]) -> bytes:
    """The one file of a zip archive; Excel and others write their own files as such archives."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError) as error:
        raise UnreadableError(
            f"Packed by zip, as Excel's .xlsx is, and damaged ({error}). Try {_AS_CSV}, or another copy."
        ) from error
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
    if "[Content_Types].xml" in names:
        raise UnreadableError(f"An Excel workbook (.xlsx), which is not read. Try {_AS_CSV}.")
    if "mimetype" in names:
        raise UnreadableError(f"An OpenDocument file (.ods), which is not read. Try {_AS_CSV}.")
    if names and all(name.endswith(".npy") for name in names):
        raise UnreadableError('An archive of numpy arrays. Try dataset = "npz".')
    if len(names) != 1:
        raise UnreadableError(f"A zip archive of {counted(len(names), 'file')}. Try unpacking it, and one of them.")
    notes.append("packed by zip")
    try:
        with archive.open(names[0]) as member:
            return _bounded(member, "zip")
    except (NotImplementedError, RuntimeError) as error:  # a method that is not known, or a password
        raise UnreadableError(f"Packed by zip, and cannot be unpacked: {error}. Try unpacking it.") from error


def _bounded(file: IO[bytes] | io.BufferedIOBase, packed_by: str) -> bytes:
    """All of a file, unless it is too much."""
    whole = bytearray()
    try:
        while part := file.read(_BYTES_AT_ONCE):
            whole += part
            if len(whole) > _MOST_BYTES:
                raise UnreadableError("More than 2 GB of table. Try a part of it, or npz.")
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError) as error:
        if not packed_by or getattr(error, "errno", None):
            raise
        raise UnreadableError(f"Packed by {packed_by}, and damaged: {error}. Try another copy.") from error
    return bytes(whole)


def _arrow_table(raw: bytes, notes: list[str]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        if raw[:4] == b"PAR1":
            notes.append("Parquet")
            return parquet.read_table(io.BytesIO(raw))
        notes.append("Arrow")
        return pa.ipc.open_file(raw).read_all()
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [""])[0][:100]
        raise UnreadableError(f"{notes[-1]}, and damaged: {reason}. Try another copy.") from error


def _decoded(raw: bytes, notes: list[str]) -> str:
    """UTF-8, UTF-16 or UTF-32 by their marks, UTF-16 also by its zero bytes; what is none of them is Windows-1252."""
    encoding, name = next(((encoding, name) for mark, encoding, name in _MARKS if raw.startswith(mark)), ("utf-8", ""))
    if not name:
        even, odd = raw[:2000:2], raw[1:2000:2]
        if odd.count(0) > len(odd) / 2 or even.count(0) > len(even) / 2:
            encoding, name = "utf-16-le" if odd.count(0) > even.count(0) else "utf-16-be", "UTF-16"
    if name in {"UTF-16", "UTF-32"}:
        notes.append(name)
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        if name in {"UTF-16", "UTF-32"}:
            raise UnreadableError(f"{name}, and damaged at byte {error.start}. Try {_AS_CSV}.") from error
        line = raw.count(b"\n", 0, error.start) + 1
        where = f"Byte 0x{raw[error.start]:02x} in line {line}"
    if any(ord(letter) > 127 and not 0xDC80 <= ord(letter) <= 0xDCFF
           for letter in set(raw.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))):  # fmt: skip
        raise UnreadableError(f"{where} is no text in UTF-8, though other lines are. Try {_AS_CSV}.")
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError:
        raise UnreadableError(f"{where} is no text in UTF-8. Try {_AS_CSV}.") from None
    notes.append("Windows-1252")
    return text
