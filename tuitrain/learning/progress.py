"""What a person has seen of the walk: `learning.json` in the home folder, private, whole or not at all.

A station counts as seen once its answer was uncovered or one of its presets was started from it. A damaged file is
told, counts as nothing seen and is never written over; a missing one is nothing seen, in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tuitrain.errors import RunFolderError
from tuitrain.learning.walk import Station
from tuitrain.rundir.places import home_folder
from tuitrain.rundir.private import cannot, make_private_folder, read_whole, reason, replace_whole

_MAX_BYTES = 1 << 16


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a person has come."""

    seen: tuple[str, ...] = ()
    """Ids of stations; those of another version are kept."""
    last: str = ""
    """Id of the station that was open last; empty before the first."""


def progress_path() -> Path:
    """Where it is remembered."""
    return home_folder() / "learning.json"


def read_progress() -> tuple[Progress, str]:
    """How far a person has come, and what is wrong with the file; nothing seen where it is damaged or not there."""
    path = progress_path()
    try:
        return msgspec.json.decode(read_whole(path, _MAX_BYTES), type=Progress), ""
    except (FileNotFoundError, NotADirectoryError):
        return Progress(), ""
    except OSError as error:
        return Progress(), f"{path}: cannot be read: {reason(error)}."
    except (ValueError, RecursionError) as error:
        return Progress(), f"{path}: is damaged: {error}."


def write_progress(progress: Progress) -> Progress:
    """Remember it, together with what another screen has remembered meanwhile; returns what now stands there.

    Raises:
        RunFolderError: what stands there cannot be read, or the new one not written; the old content stands.
    """
    path = progress_path()
    try:
        make_private_folder(path.parent)
    except OSError as error:
        raise cannot("made", path.parent, error) from error
    before, problem = read_progress()
    if problem:
        raise RunFolderError(problem, hint=f"moving {path} away; the walk starts anew then.")
    both = Progress(seen=tuple(dict.fromkeys((*before.seen, *progress.seen))), last=progress.last or before.last)
    data = msgspec.json.encode(both) + b"\n"
    if len(data) > _MAX_BYTES:
        raise RunFolderError(f"{path}: would have {len(data)} bytes.", hint="deleting it; the walk starts anew then.")
    replace_whole(path, data)
    return both


def next_station(walk: Sequence[Station], progress: Progress) -> Station:
    """Where to go on: at the last open station while it is unseen, else at the first unseen one after it.

    From the end it goes on at the beginning; with all seen it is the first station.
    """
    places = {station.id: place for place, station in enumerate(walk)}
    start = places.get(progress.last, 0)
    ordered = [*walk[start:], *walk[:start]]
    return next((station for station in ordered if station.id not in progress.seen), walk[0])


def num_seen(walk: Sequence[Station], progress: Progress) -> int:
    """How many stations of this walk were seen."""
    return len({station.id for station in walk} & set(progress.seen))
