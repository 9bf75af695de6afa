"""All runs at a glance, and one of them by name. A broken folder is shown with its problem, never fatal."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from tuitrain.errors import RunFolderError, RunNotFoundError, nearest
from tuitrain.rundir.labels import read_labels
from tuitrain.rundir.places import RunFolder, read_info, runs_folder
from tuitrain.rundir.private import cannot
from tuitrain.rundir.summary import RunSummary, summarize

_MAX_NAMED = 5


def list_runs(runs: Path | None = None) -> list[RunSummary]:
    """Every run of a folder of runs (by default ours), the newest first.

    Raises:
        RunFolderError: it is there and cannot be listed.
    """
    summaries = [summarize(folder) for folder in _folders(runs)]
    return sorted(summaries, key=lambda summary: (summary.created, summary.id), reverse=True)


def find_run(text: str, runs: Path | None = None) -> RunFolder:
    """The run that is meant by an id, a name, a unique beginning, end or part of an id, a path, or "last".

    Raises:
        RunNotFoundError: none is meant, or more than one.
    """
    if "/" in text or text in {".", "..", "~"}:
        return _at_path(Path(text).expanduser().absolute())
    if text == "last":
        return _newest_first(runs)[0]
    folders = {folder.id: folder for folder in _folders(runs)}
    if text in folders:
        return folders[text]
    names = {identity: read_labels(folder)[0].name for identity, folder in folders.items()}
    named = [identity for identity, name in names.items() if name and name == text.strip()]
    if len(named) > 1:
        raise RunNotFoundError(f'"{text}" is the name of {len(named)} runs: {_some(named)}.', hint="an id.")
    for matches in (
        named,
        [name for name in folders if name.startswith(text)],
        [name for name in folders if name.endswith(f"-{text}")],
        [name for name in folders if text in name],
    ):
        if len(matches) == 1:
            return folders[matches[0]]
        if matches:
            raise RunNotFoundError(f'"{text}" is ambiguous: {_some(matches)}.', hint="more letters of the id.")
    raise RunNotFoundError(f'No run named "{text}" in {_place(runs)}.', hint=_what_instead(text, folders, names))


def newest_live_or_newest(runs: Path | None = None) -> RunFolder:
    """The newest run whose trainer is at work, else the newest.

    Raises:
        RunNotFoundError: there are no runs.
    """
    folders = _newest_first(runs)
    return next((folder for folder in folders if summarize(folder).is_live), folders[0])


def _folders(runs: Path | None) -> list[RunFolder]:
    try:
        with os.scandir(runs or runs_folder()) as entries:
            return [
                RunFolder(Path(entry.path)) for entry in entries if entry.is_dir() and not entry.name.startswith(".")
            ]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise cannot("listed", runs or runs_folder(), error) from error


def _newest_first(runs: Path | None) -> list[RunFolder]:
    folders = sorted(_folders(runs), key=lambda folder: (_created(folder), folder.id), reverse=True)
    if not folders:
        raise RunNotFoundError(f"There are no runs in {_place(runs)}.", hint="`tuitrain run`, which starts one.")
    return folders


def _created(folder: RunFolder) -> float:
    try:
        return read_info(folder).created
    except RunFolderError:
        return 0.0  # A broken folder is not what "last" means, however new it is.


def _at_path(path: Path) -> RunFolder:
    folder = RunFolder(path)
    if not (folder.info_path.is_file() or folder.events_path.is_file()):
        raise RunNotFoundError(f"{path}: is no run folder.", hint="a folder that holds run.json and events.jsonl.")
    return folder


def _what_instead(text: str, ids: Iterable[str], given: Mapping[str, str]) -> str:
    names = sorted(ids, reverse=True)
    if not names:
        return "`tuitrain run`, which starts one."
    # Most people remember the name of the preset, not the date before it.
    by_preset = {name.split("-", 2)[-1].rpartition("-")[0]: name for name in reversed(names)}
    close = difflib.get_close_matches(text, names, n=3, cutoff=0.6)
    # Or the name that they gave it themselves.
    by_preset |= {name: identity for identity, name in given.items() if name}
    by_name = nearest(text, by_preset)
    return f"{_some(close or ([by_preset[by_name]] if by_name else names))}."


def _some(names: list[str]) -> str:
    return ", ".join(names[:_MAX_NAMED]) + (", …" if len(names) > _MAX_NAMED else "")


def _place(runs: Path | None) -> Path:
    return runs or runs_folder()
