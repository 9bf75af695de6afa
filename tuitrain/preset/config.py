"""One's own config: `config.toml` in the home of tuitrain. It alone may name a program that is run.

As with ssh, a file that somebody else could have written is not believed.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from tuitrain.errors import PresetError
from tuitrain.preset.checking import notify_problems
from tuitrain.preset.reading import distinct, in_words
from tuitrain.preset.schema import NotifySection, Section
from tuitrain.preset.toml_text import read_open_toml

_OTHERS_MAY_WRITE = 0o022


class Config(Section):
    """The whole file; what is left out is as if it were not there."""

    notify: NotifySection = NotifySection()


def read_config(path: Path) -> Config:
    """Read one's own config; an empty one where there is no file.

    Raises:
        PresetError: it cannot be read, has mistakes, or names a command and somebody else can write to it.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            data = read_open_toml(file)
    except (FileNotFoundError, NotADirectoryError):
        return Config()
    except ValueError as error:
        raise PresetError([f"{path}: {error}"]) from None
    except OSError as error:
        raise PresetError([f"{path}: cannot be read: {error.strerror}"]) from None
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        details = distinct(error.errors())
        raise PresetError([f"{path}: {in_words(detail, Config, 'config')}" for detail in details]) from None
    problems = [f"{path}: {text}" for _, text in notify_problems(config.notify)]
    if config.notify.command is not None:
        # Asked of the open file, so that nobody can put another one in its place in between.
        if found.st_uid not in {os.geteuid(), 0}:
            problems.append(f"{path}: names a command, and is not your file. Try: a config.toml of your own.")
        elif found.st_mode & _OTHERS_MAY_WRITE:
            problems.append(f"{path}: names a command, and others may write to it. Try: chmod 600 {path}")
    if problems:
        raise PresetError(problems)
    return config
