"""What people write on a run: a name, a note, tags. `labels.json` in its folder; its trainer never touches it.

The folder keeps its id. Whoever changes labels locks the folder for an instant, so that of two who write at once
neither undoes what the other wrote. A damaged file is told, shown as empty, and never written over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from tuitrain.errors import RunFolderError, UsageError
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.private import cannot, read_whole, reason, replace_whole

MAX_NAME_LENGTH = 60
MAX_NOTE_LENGTH = 2000
MAX_TAG_LENGTH = 32
MAX_TAGS = 16
_MAX_BYTES = 1 << 16


class Labels(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is written on one run."""

    name: str = ""
    """Shown in place of the preset's; `find_run` knows it."""
    note: str = ""
    """May have several lines."""
    tags: tuple[str, ...] = ()
    """In the order in which they were given, each once."""

    @property
    def is_empty(self) -> bool:
        """Whether nobody has written anything."""
        return self == Labels()


def labels_path(folder: RunFolder) -> Path:
    """Where the labels of a run are."""
    return folder.path / "labels.json"


def read_labels(folder: RunFolder) -> tuple[Labels, str]:
    """The labels of a run, and what is wrong with their file; empty labels where it is damaged or not there."""
    path = labels_path(folder)
    try:
        labels = msgspec.json.decode(read_whole(path, _MAX_BYTES), type=Labels)
        # What somebody else wrote could hold codes that rewrite a terminal.
        if _checked(labels) != labels:
            raise ValueError("its words have spaces around them, or a tag stands there twice")
    except (FileNotFoundError, NotADirectoryError):
        return Labels(), ""
    except OSError as error:
        return Labels(), f"{path}: cannot be read: {reason(error)}."
    except UsageError as error:
        return Labels(), f"{path}: is damaged: {error.message}"
    except (ValueError, RecursionError) as error:
        return Labels(), f"{path}: is damaged: {error}."
    return labels, ""


def change_labels(folder: RunFolder, change: Callable[[Labels], Labels]) -> Labels:
    """Read, change and write the labels of a run; returns what now stands there.

    Args:
        folder: the run.
        change: gives the new labels from those that stand there.

    Raises:
        UsageError: they cannot be such.
        RunFolderError: those that stand there cannot be read, or the new ones not written; the old ones stand.
    """
    with _alone(folder):
        before, problem = read_labels(folder)
        if problem:
            path = labels_path(folder)
            raise RunFolderError(problem, hint=f"mending it, or moving {path} away, which takes all labels off.")
        labels = _checked(change(before))
        replace_whole(labels_path(folder), msgspec.json.encode(labels) + b"\n")
    return labels


def renamed(folder: RunFolder, name: str) -> Labels:
    """Give a run a name; an empty one takes it away. Raises as `change_labels`."""
    return change_labels(folder, lambda labels: msgspec.structs.replace(labels, name=name))


def noted(folder: RunFolder, note: str) -> Labels:
    """Write a note on a run; an empty one takes it away. Raises as `change_labels`."""
    return change_labels(folder, lambda labels: msgspec.structs.replace(labels, note=note))


def tagged(folder: RunFolder, tags: Iterable[str]) -> Labels:
    """Add tags to a run. Raises as `change_labels`."""
    given = tuple(tags)
    return change_labels(folder, lambda labels: msgspec.structs.replace(labels, tags=(*labels.tags, *given)))


def untagged(folder: RunFolder, tags: Iterable[str]) -> Labels:
    """Take tags off a run; one that it does not have is an error. Raises as `change_labels`."""
    unwanted = tuple(tags)

    def change(labels: Labels) -> Labels:
        for tag in unwanted:
            if tag not in labels.tags:
                hint = f"one of {', '.join(labels.tags)}." if labels.tags else ""
                raise UsageError(f'{folder.id} has no tag "{tag}".', hint=hint)
        return msgspec.structs.replace(labels, tags=tuple(tag for tag in labels.tags if tag not in unwanted))

    return change_labels(folder, change)


def retagged(folder: RunFolder, tags: Iterable[str]) -> Labels:
    """Give a run these tags and no others. Raises as `change_labels`."""
    wanted = tuple(tags)
    return change_labels(folder, lambda labels: msgspec.structs.replace(labels, tags=wanted))


def _checked(labels: Labels) -> Labels:
    return Labels(
        name=_checked_name(labels.name.strip()),
        note=_checked_note(labels.note.strip()),
        tags=_checked_tags(labels.tags),
    )


def _checked_name(name: str) -> str:
    problem = ""
    if len(name) > MAX_NAME_LENGTH:
        problem = f"has {len(name)} characters, more than {MAX_NAME_LENGTH}"
    elif not name.isprintable():
        problem = "has characters that cannot be shown"
    elif "/" in name:
        problem = "has a slash, as paths do"
    elif name.startswith(("-", ".", "~")):
        problem = f'begins with "{name[0]}", as options and paths do'
    elif name.lower() == "last":
        problem = "means the newest run already"
    if problem:
        raise UsageError(f"The name {name!r} {problem}.", hint="a few plain words.")
    return name


def _checked_note(note: str) -> str:
    if len(note) > MAX_NOTE_LENGTH:
        raise UsageError(f"The note has {len(note)} characters, more than {MAX_NOTE_LENGTH}.", hint="a shorter one.")
    if not all(line.replace("\t", " ").isprintable() for line in note.split("\n")):
        raise UsageError("The note has characters that cannot be shown.", hint="plain text.")
    return note


def _checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(tags))
    for tag in found:
        is_fine = bool(tag) and tag.isprintable() and not tag.startswith(("-", "#"))
        if not is_fine or len(tag) > MAX_TAG_LENGTH or any(sign in tag for sign in " ,/"):
            raise UsageError(
                f"{tag!r} cannot be a tag.",
                hint=f"a word of at most {MAX_TAG_LENGTH} characters without spaces, commas and slashes.",
            )
    if len(found) > MAX_TAGS:
        raise UsageError(f"{len(found)} tags are more than the {MAX_TAGS} that a run may have.", hint="fewer.")
    return found


@contextlib.contextmanager
def _alone(folder: RunFolder) -> Iterator[None]:
    """Keep others from changing labels meanwhile. The folder itself is locked: its file is a new one each time."""
    try:
        descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise cannot("opened", folder.path, error) from error
    try:
        with contextlib.suppress(OSError):  # where a file system knows no locks, the last one to write wins
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
