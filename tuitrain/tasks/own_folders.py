"""Which folders of a person's are classes, which are sides of a split, and which files are in them; no file is opened.

What is hidden or of the system is left out at every depth. Links are followed, each folder once a class. Where it
cannot be told whether a folder is a class or a side, the person is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tuitrain.tasks.own_parts import shown

_TRAIN = ("train", "training")
_VALIDATION = ("validation", "val", "valid", "test", "testing")
"""The first of them that is there is validated on."""
_OF_SYSTEMS = frozenset({
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "#recycle", "#snapshot", "$recycle.bin",
    "recycler", "lost+found", "system volume information", "icon\r", "__pycache__",
})  # fmt: skip


class Sides(NamedTuple):
    """Where the class folders are."""

    folders: tuple[Path, ...]
    """One folder with all classes, or those of training and validation."""
    is_test_given: bool = False
    notes: tuple[str, ...] = ()


def find_sides(folder: Path, problems: list[str]) -> Sides | None:
    """The folder itself, or those of training and validation in it; None where only the person can tell.

    A class may be called train, too: a side holds class folders and no file of its own.
    """
    entries = [entry for entry in sorted(folder.iterdir()) if not is_left_out(entry.name)]
    children = [entry for entry in entries if entry.is_dir()]
    files = [entry for entry in entries if not entry.is_dir()]
    notes: tuple[str, ...] = ()
    if files:
        notes = (f"left out beside the folders: {shown([file.name for file in files])}",)
    named = {child.name.lower(): child for child in children if child.name.lower() in _TRAIN + _VALIDATION}
    sides = {name: child for name, child in named.items() if _holds_folders_alone(child)}
    train = next((sides[name] for name in _TRAIN if name in sides), None)
    held_out = [sides[name] for name in _VALIDATION if name in sides]
    if len(named) == len(children) and sides.keys() != named.keys() and any(name in named for name in _TRAIN):
        flat = [named[name].name for name in named if name not in sides]
        problems.append(
            f"{folder.name} is divided into {shown([child.name for child in children], 5)}, and {shown(flat, 5)} "
            f"{'holds' if len(flat) == 1 else 'hold'} pictures that are in no class folder. Try a folder for each "
            "class in it."
        )
        return None
    if not sides:
        return Sides((folder,), notes=notes)
    others = [child.name for child in children if child not in sides.values()]
    if others or (train is None and len(children) > 1):
        side = train or held_out[0]
        problems.append(
            f"{side.name} holds class folders, and beside it "
            + (f"there is {shown(others, 5)}, which may be a class or a side" if others else "there is no train")
            + f'. Try path = "{side}", or moving the others away.'
        )
        return None
    if train is None:
        return Sides((folder,), notes=notes)
    if not held_out:
        return Sides((train,), notes=notes)
    spare = [side.name for side in sides.values() if side not in (train, held_out[0])]
    told = (f"{held_out[0].name} is validated on", *([f"left out: {shown(spare)}"] if spare else []))
    return Sides((train, held_out[0]), held_out[0].name.lower().startswith("test"), (*told, *notes))


def files_by_class(folder: Path, left_out: list[Path]) -> dict[str, list[Path]]:
    """The files below each class folder, at any depth; folders that are hidden, or links upwards, go to `left_out`."""
    found = {}
    for child in sorted(folder.iterdir()):
        if child.is_dir() and (is_left_out(child.name) or _leads_up(child, folder)):
            left_out.append(child)
        elif child.is_dir():
            found[child.name] = sorted(_files(child, left_out))
    return found


def _leads_up(folder: Path, origin: Path) -> bool:
    """Whether a link leads to where it was found, or above it: what is there is of other classes, too."""
    real, place = Path(os.path.realpath(folder)), Path(os.path.realpath(origin))
    return real == place or real in place.parents


def is_left_out(name: str) -> bool:
    """Whether a file or folder is hidden, or of an operating system or a file server."""
    return name.startswith(".") or name.lower() in _OF_SYSTEMS


def _files(folder: Path, left_out: list[Path]) -> Iterator[Path]:
    seen: set[str] = set()
    for parent, below, names in os.walk(folder, followlinks=True, onerror=_refused):
        real = os.path.realpath(parent)
        if real in seen:  # two links to one folder
            below.clear()
            continue
        seen.add(real)
        out = [name for name in below if is_left_out(name) or _leads_up(Path(parent, name), Path(parent))]
        left_out += [Path(parent, name) for name in out]
        below[:] = sorted(set(below) - set(out))
        yield from (Path(parent, name) for name in names if not is_left_out(name))


def _refused(error: OSError) -> None:
    raise error  # a folder that may not be read is not to be missed


def _holds_folders_alone(folder: Path) -> bool:
    kinds = [entry.is_dir() for entry in folder.iterdir() if not is_left_out(entry.name)]
    return bool(kinds) and all(kinds)
