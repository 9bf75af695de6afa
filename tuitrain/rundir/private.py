"""Files that only their owner can read, whole or not at all, and errors that say what to do.

A run folder can be told what to do by whoever can write to it: the modes hold under any umask.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path

from tuitrain.errors import RunFolderError

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def open_private(path: Path, flags: int) -> int:
    """Open a regular file, not through a link; one that this creates has mode 0600 whatever the umask.

    Raises:
        OSError: as `os.open`; or it is no regular file.
    """
    descriptor = _open_regular(path, flags)
    if flags & os.O_CREAT:
        # A umask can only have taken bits away. The file of somebody else is not ours to change.
        with contextlib.suppress(PermissionError):
            os.fchmod(descriptor, FILE_MODE)
    return descriptor


def open_to_read(path: Path) -> int:
    """Open a regular file, without following a link and without waiting for the other end of a pipe.

    Raises:
        OSError: as `os.open`; or it is no regular file.
    """
    return _open_regular(path, os.O_RDONLY)


def _open_regular(path: Path, flags: int) -> int:
    # Non-blocking, or the open itself would wait for the other end of a pipe.
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, FILE_MODE)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def make_private_folder(path: Path) -> None:
    """Make a folder of mode 0700, and its missing parents likewise; an existing one is left as it is.

    Raises:
        OSError: as `os.mkdir`.
    """
    if path.is_dir():
        return
    make_private_folder(path.parent)
    try:
        path.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        path.chmod(FOLDER_MODE)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte.

    Raises:
        OSError: as `os.write`; an unknown part may have been written.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[write_some(descriptor, rest) :]


def write_some(descriptor: int, data: bytes | memoryview) -> int:
    """As `os.write`, but that nothing was written is an error: who writes until all is would go on for ever.

    Raises:
        OSError: as `os.write`.
    """
    num_written = os.write(descriptor, data)
    if data and not num_written:
        raise OSError(errno.EIO, "the disk takes nothing")
    return num_written


def read_at(descriptor: int, num_bytes: int, start: int) -> bytes:
    """So many bytes from a place of a file, fewer only where it ends: a short read is no end.

    Raises:
        OSError: as `os.pread`.
    """
    found = os.pread(descriptor, num_bytes, start)
    if not found or len(found) == num_bytes:
        return found  # nearly always, and without a copy
    parts = [found]
    while found and (num_read := sum(map(len, parts))) < num_bytes:
        found = os.pread(descriptor, num_bytes - num_read, start + num_read)
        parts.append(found)
    return b"".join(parts)


def read_exactly(descriptor: int, num_bytes: int, start: int) -> bytes:
    """So many bytes from a place of a file that has them.

    Raises:
        OSError: as `os.pread`; or the file ends before.
    """
    found = read_at(descriptor, num_bytes, start)
    if len(found) < num_bytes:
        raise OSError(errno.EIO, f"it ends after {start + len(found)} bytes, and had {start + num_bytes}")
    return found


def replace_whole(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 so that every reader sees all of the old or all of the new content.

    Raises:
        RunFolderError: it could not be written, and the old content stands; or the new one stands, and the disk does
            not promise to keep it.
    """
    # The dot keeps the unfinished file out of sight of those who list the folder.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise cannot("written", path, error) from error
    _sync_folder(path.parent)


def read_whole(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file of at most `max_bytes`; anything larger is not read at all.

    Raises:
        OSError: it is not there, cannot be read, is too large or is no regular file.
    """
    descriptor = open_to_read(path)
    try:
        num_bytes = os.fstat(descriptor).st_size
        if num_bytes > max_bytes:
            raise OSError(errno.EFBIG, f"its {num_bytes} bytes are more than the {max_bytes} that it may have")
        return read_exactly(descriptor, num_bytes, 0)
    finally:
        os.close(descriptor)


def read_end(path: Path, num_bytes: int) -> bytes:
    """The last bytes of a regular file, all of one that has no more.

    Raises:
        OSError: it is not there, cannot be read or is no regular file.
    """
    descriptor = open_to_read(path)
    try:
        return read_at(descriptor, num_bytes, max(0, os.fstat(descriptor).st_size - num_bytes))
    finally:
        os.close(descriptor)


def cannot(done: str, path: Path, error: OSError) -> RunFolderError:
    """The error that says that `path` cannot be `done` ("written", "read", …), and what to try."""
    return RunFolderError(f"{path}: cannot be {done}: {reason(error)}.", hint=advice(error, path))


def reason(error: OSError) -> str:
    """What the system said, in words."""
    if error.errno == errno.ELOOP:
        return "it is a link, and what lies in a run folder is not followed elsewhere"
    return error.strerror or str(error) or type(error).__name__


def advice(error: OSError, path: Path) -> str:
    """What to try after an error of the system at `path`."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"freeing space on the disk that holds {path.parent}."
        case errno.EFBIG:
            return "a higher limit on the size of files (ulimit -f)."
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "a folder that you can write to, by setting TUITRAIN_HOME."
        case errno.ENOENT | errno.ENOTDIR:
            return f"whether {path.parent} was moved or deleted; `tuitrain runs` lists what is there."
        case errno.EIO | errno.ESTALE:
            return f"whether the disk or file server that holds {path.parent} is well."
        case _:
            return ""


def _sync_folder(path: Path) -> None:
    """Make a rename survive a power cut, where the file system can.

    Raises:
        RunFolderError: it can, and the disk refuses.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return  # we may write there, and not look
    except OSError as error:
        raise cannot("opened", path, error) from error
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ENOTSUP, errno.EBADF}:
            return  # this file system's folders cannot be synced
        raise RunFolderError(
            f"{path}: what was written in it just now may be lost in a power cut: {reason(error)}.",
            hint=advice(error, path / "."),
        ) from error
    finally:
        os.close(descriptor)
