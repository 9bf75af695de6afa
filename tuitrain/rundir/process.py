"""Which process on which machine, so that one that is gone is never mistaken for another, nor for one that lives.

A process is told by its host, the boot of that host, its pid namespace (two containers have their own pid 1), its pid
and when it was made. Where one of the first three is another's, nothing can be said of it from here.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Literal

import msgspec

from tuitrain.protocol.carrier import RunInfo

_SAME_PROCESS_SECONDS = 2.0
_LOCAL_FILE_SYSTEMS = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "tmpfs", "overlay", "apfs", "hfs", "vfat"}
)
Whereabouts = Literal["alive", "gone", "elsewhere"]


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process, as `RunInfo` has the one of a trainer."""

    host: str
    boot_id: str = ""
    pid_namespace: str = ""
    pid: int = 0
    pid_created: float = 0.0

    @classmethod
    def of(cls, pid: int) -> Process:
        """A process that we can see."""
        return cls(
            host=this_host(), boot_id=current_boot_id(), pid_namespace=current_pid_namespace(), pid=pid,
            pid_created=process_created(pid) or 0.0,
        )  # fmt: skip


def whereabouts(process: Process | RunInfo, place: Path) -> Whereabouts:
    """What became of a process; "elsewhere" is where that cannot be seen from here.

    Args:
        process: who signed something.
        place: where that lies: another boot of a host of our name is an earlier one where the disk is our own, and may
            be another machine where it is shared.
    """
    if process.host not in {"", this_host()} or _differ(process.pid_namespace, current_pid_namespace()):
        return "elsewhere"
    if _differ(process.boot_id, current_boot_id()):
        return "gone" if _is_local(place) else "elsewhere"
    created = process_created(process.pid)
    if created is None:
        return "gone"
    is_same = not process.pid_created or abs(created - process.pid_created) <= _SAME_PROCESS_SECONDS
    return "alive" if is_same else "gone"


def this_host() -> str:
    """The name of this machine, as `RunInfo.host` has it."""
    return socket.gethostname()


def current_boot_id() -> str:
    """Identifies this boot of this machine; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def current_pid_namespace() -> str:
    """Identifies the pids that we see, as a container has its own; empty where the system does not tell."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def process_created(pid: int) -> float | None:
    """When a process was made, by a clock that is not set; None where it is gone or a zombie.

    On Linux in seconds since the boot: the time of day is worked out anew from the clock as it is now, so a clock that
    jumped would make a living trainer another one. Elsewhere in seconds since 1970, as the kernel noted them.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        ticks = _ticks_at_start(pid)
        return float(process.create_time()) if ticks is None else ticks / os.sysconf("SC_CLK_TCK")
    except (psutil.NoSuchProcess, ValueError, OverflowError):  # what a stranger wrote may be no pid at all
        return None


def _ticks_at_start(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return int(stat.rpartition(")")[2].split()[19])  # field 22: a name in brackets may hold anything
    except (OSError, ValueError, IndexError):
        return None


def _differ(one: str, other: str) -> bool:
    """Whether both are known and not the same."""
    return bool(one and other) and one != other


def _is_local(place: Path) -> bool:
    """Whether a folder surely lies on a disk that no other machine sees."""
    import psutil

    found = ""
    with contextlib.suppress(OSError):
        mounted = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
        real = place.resolve()
        found = next((mounted[each] for each in (real, *real.parents) if each in mounted), "")
    return found in _LOCAL_FILE_SYSTEMS
