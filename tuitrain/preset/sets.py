"""Comparison sets: presets, with overrides, that answer one question when they are seen side by side.

They live in `presets/sets/`. Each run of a set has the same seed and so the same order of the data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, StrictStr, ValidationError

from tuitrain.errors import PresetError, UnknownNameError
from tuitrain.preset.reading import distinct, in_words, load_preset, presets_folder
from tuitrain.preset.schema import Preset, Section
from tuitrain.preset.toml_text import read_toml


class SetRun(Section):
    """[[run]]: one arm of the comparison."""

    label: StrictStr
    """How it is called beside the others; each once."""
    preset: StrictStr
    overrides: tuple[StrictStr, ...] = ()
    """As on the command line: "optimizer.lr=0.01"."""


class ComparisonSet(Section):
    """A whole set."""

    name: StrictStr
    title: StrictStr
    about: StrictStr
    """What is compared, and what is the same in all of them."""
    look_for: StrictStr
    """What one should see, with numbers."""
    metric: StrictStr = "eval/loss"
    """By which they are compared."""
    run: Annotated[tuple[SetRun, ...], Field(min_length=2)]

    def presets(self) -> dict[str, Preset]:
        """Label → its preset, checked.

        Raises:
            PresetError: mistakes of any of them, all at once.
        """
        found: dict[str, Preset] = {}
        problems: list[str] = []
        labels = [run.label for run in self.run]
        for index, run in enumerate(self.run):
            if run.label in labels[:index]:
                problems.append(f'sets/{self.name}.toml: the label "{run.label}" is there twice. Try: one each.')
            try:
                found[run.label] = load_preset(run.preset, run.overrides)
            except PresetError as error:
                problems += [f"sets/{self.name}.toml: {run.label}: {problem}" for problem in error.problems]
        if problems:
            raise PresetError(problems)
        return found


def list_sets() -> list[ComparisonSet]:
    """All shipped sets, by name. A broken one is an error: they are ours."""
    return [_read(path) for path in sorted(_folder().glob("*.toml"), key=lambda path: path.stem)]


def load_set(name: str) -> ComparisonSet:
    """A shipped set.

    Raises:
        UnknownNameError: there is none of that name; names the nearest one.
        PresetError: it has mistakes, all of them.
    """
    path = _folder() / f"{name}.toml"
    if not path.is_file():
        raise UnknownNameError("comparison set", name, sorted(found.stem for found in _folder().glob("*.toml")))
    return _read(path)


def _folder() -> Path:
    return presets_folder() / "sets"


def _read(path: Path) -> ComparisonSet:
    place = f"presets/sets/{path.name}"
    try:
        return ComparisonSet.model_validate({"name": path.stem, **read_toml(path)})
    except ValidationError as error:
        details = distinct(error.errors())
        raise PresetError(
            [f"{place}: {in_words(detail, ComparisonSet, 'comparison set')}" for detail in details]
        ) from None
    except ValueError as error:
        raise PresetError([f"{place}: {error}"]) from None
