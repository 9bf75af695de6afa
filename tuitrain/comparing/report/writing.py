"""Writes a report to a file, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tuitrain.comparing.report.contents import Contents
from tuitrain.comparing.report.markdown import markdown
from tuitrain.comparing.report.page import page
from tuitrain.comparing.report.raster import png
from tuitrain.comparing.report.sheet import sheet
from tuitrain.comparing.report.vector import svg
from tuitrain.errors import RunFolderError, UsageError

FORMS: dict[str, Callable[[Contents], bytes]] = {
    ".html": lambda contents: page(contents).encode(),
    ".md": lambda contents: markdown(contents).encode(),
    ".svg": lambda contents: svg(sheet(contents)).encode(),
    ".png": lambda contents: png(sheet(contents)),
}
"""Suffix of the file → how it is made."""


def check_report_path(path: Path) -> None:
    """Refuse a file that a report cannot be written to, before hours are spent on what it is to tell.

    Raises:
        UsageError: the suffix is not one of four, the folder is not there, or it cannot be written to.
    """
    if path.suffix.lower() not in FORMS:
        what = f"{path.suffix} is no form of a report" if path.suffix else "it has no suffix"
        raise UsageError(f"{path}: {what}.", hint=f"a name that ends in {_listed()}.")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder.", hint=f"{path / 'report'}{path.suffix}.")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}.", hint=f"mkdir -p {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"{path}: the folder cannot be written to.", hint="another folder.")


def write_report(contents: Contents, path: Path) -> None:
    """Write a report in the form that the suffix names; another file of that name is replaced.

    Raises:
        UsageError: as `check_report_path`.
        RunFolderError: it could not be written; what was there stands.
    """
    check_report_path(path)
    data = FORMS[path.suffix.lower()](contents)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise RunFolderError(f"{path}: cannot be written: {error.strerror}.", hint="another folder.") from error


def _listed() -> str:
    *names, last = FORMS
    return f"{', '.join(names)} or {last}"
