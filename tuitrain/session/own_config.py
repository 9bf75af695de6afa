"""What one's own config says of being told: the command to run, and the bell.

The command is never recorded with a run: whoever starts a trainer hands it over in the environment, which only
the owner of a process can read. So neither a stranger's preset nor a stranger's run folder can run anything.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from tuitrain.errors import TuitrainError
from tuitrain.preset import Preset
from tuitrain.preset.config import Config, read_config
from tuitrain.preset.schema import command_words
from tuitrain.rundir.places import RunFolder, home_folder, read_info

NOTIFY_VARIABLE = "TUITRAIN_NOTIFY"
"""Carries a `NotifyWish` from whoever starts a trainer to the trainer."""


class NotifyWish(msgspec.Struct, frozen=True):
    """A program that is told."""

    command: tuple[str, ...]
    on: tuple[str, ...] = ("end", "alarm")
    """Where the preset leaves it open."""


def config_path() -> Path:
    """Where one's own config is, if there is one."""
    return home_folder() / "config.toml"


def notify_wish(preset: Preset | None) -> NotifyWish | None:
    """The program that a run shall tell: from the command line, else from one's own config; None where there is none.

    Args:
        preset: as it was loaded, with what the command line said; None where a recorded run goes on.

    Raises:
        PresetError: one's own config has mistakes.
    """
    config: Config = read_config(config_path())
    command = (command_words(preset.notify) if preset is not None else ()) or command_words(config.notify)
    if not command:
        return None
    return NotifyWish(command) if config.notify.on is None else NotifyWish(command, tuple(config.notify.on))


def handed_over(wish: NotifyWish | None) -> str:
    """A wish as the value of `NOTIFY_VARIABLE`."""
    return "" if wish is None else json.dumps({"command": wish.command, "on": wish.on})


def taken_over(value: str) -> NotifyWish | None:
    """The wish out of the value of `NOTIFY_VARIABLE`; None where that is none."""
    try:
        return msgspec.json.decode(value, type=NotifyWish)
    except ValueError:
        return None


def wants_bell(folder: RunFolder) -> bool:
    """Whether a dashboard rings for this run: as its preset says, else one's own config, else yes."""
    try:
        section = read_info(folder).preset.get("notify")
    except TuitrainError:
        section = None
    if isinstance(section, dict) and isinstance(section.get("bell"), bool):
        return bool(section["bell"])
    try:
        return read_config(config_path()).notify.bell is not False
    except TuitrainError:
        return True  # a mistake there is told when a run is started
