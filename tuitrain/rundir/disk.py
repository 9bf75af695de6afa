"""How much space runs take on the disk, and how much is left. Links are not followed."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

_BLOCK_BYTES = 512


def bytes_on_disk(path: Path) -> int:
    """What a file, or a folder with everything in it, takes; what vanishes meanwhile, or cannot be read, counts 0."""
    seen: set[tuple[int, int]] = set()
    total = 0
    waiting = [path]
    while waiting:
        current = waiting.pop()
        try:
            found = current.lstat()
            if (found.st_dev, found.st_ino) in seen:
                continue  # a second name of a file takes no second space
            seen.add((found.st_dev, found.st_ino))
            total += found.st_blocks * _BLOCK_BYTES
            if stat.S_ISDIR(found.st_mode):
                with os.scandir(current) as entries:
                    waiting += [Path(entry.path) for entry in entries]
        except OSError:
            continue
    return total


def free_bytes(path: Path) -> int:
    """What is free on the disk that holds `path`, or where `path` would be; 0 where it cannot be told."""
    for place in (path, *path.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return 0


def in_words(num_bytes: int) -> str:
    """312 B, 4.1 kB, 12 MB, 2.1 GB."""
    size = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 9.95 else f"{size:.1f} {unit}"
        size /= 1000.0
    return f"{size:.1f} TB"
