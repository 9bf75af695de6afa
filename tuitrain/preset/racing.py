"""The surface of a preset and who races on it: what is meant, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tuitrain.errors import nearest
from tuitrain.preset.schema import Preset, RivalSection
from tuitrain.protocol.plan import Value
from tuitrain.tasks.surfaces import SURFACES, Point, SurfaceSpec, surface_spec
from tuitrain.tasks.tables import DatasetSpec, ModelSpec
from tuitrain.techniques.hyperparameter import problems_with
from tuitrain.techniques.optimizers import OPTIMIZERS, optimizer_spec, split_betas

SURFACE = "surface"
"""Name of the dataset and of the model."""
MOST_RIVALS = 7
"""As many as there are markers to tell them apart."""
_NOT_AS_RIVAL = {
    "muon": "works on hidden 2-D weights, and a point has none",
    "sam": "takes its gradient elsewhere, which only the run itself does",
}


@dataclass(frozen=True, kw_only=True)
class Rival:
    """An optimizer that races beside the run."""

    label: str
    name: str
    """Of the optimizer."""
    learning_rate: float
    hyperparameters: dict[str, Value]
    """All of them."""


def is_surface(preset: Preset) -> bool:
    """Whether a preset trains a point on a surface."""
    return preset.task.dataset == SURFACE


def surface_of(preset: Preset) -> SurfaceSpec:
    """The surface of a checked preset."""
    return surface_spec(preset.surface.name)


def start_of(preset: Preset) -> Point:
    """Where all begin."""
    return tuple(preset.surface.start) if preset.surface.start is not None else surface_of(preset).start


def rivals_of(preset: Preset) -> list[Rival]:
    """Those of a checked preset, each with a name of its own."""
    labels = {racer_label(preset.optimizer.name, preset.optimizer.further)}
    found: list[Rival] = []
    for section in preset.rival:
        spec = optimizer_spec(section.name)
        given = split_betas(section.further)
        rate = section.lr if section.lr is not None else spec.learning_rate
        plain = section.label or racer_label(section.name, given)
        choices = (plain, f"{plain} {rate:g}", *(f"{plain} #{number}" for number in range(2, MOST_RIVALS + 3)))
        label = next(choice for choice in choices if choice not in labels)
        labels.add(label)
        found.append(Rival(label=label, name=section.name, learning_rate=rate, hyperparameters=spec.resolved(given)))
    return found


def racer_label(optimizer: str, hyperparameters: Mapping[str, Value]) -> str:
    """What an optimizer is called beside its rivals, e.g. "momentum" for SGD with some."""
    if optimizer != "sgd" or not hyperparameters.get("momentum"):
        return optimizer
    return "nesterov" if hyperparameters.get("nesterov") else "momentum"


def racing_problems(preset: Preset, dataset: DatasetSpec | None, model: ModelSpec | None) -> Iterator[tuple[str, str]]:
    """Keys, and what is wrong with them: of [surface], of each [[rival]], and of both with the rest."""
    on_surface = dataset is not None and dataset.name == SURFACE
    if not on_surface and model is not None and model.name == SURFACE:
        yield "task.model", f'task.model = "{SURFACE}" is a point on a surface. Try dataset = "{SURFACE}".'
    if not on_surface:
        if preset.surface.name or preset.surface.start is not None:
            yield "surface.name", f'surface.name is for task.dataset = "{SURFACE}". Leave [surface] out.'
        if preset.rival:
            yield "rival 1", f'rival 1 races on a surface, and this is none. Try task.dataset = "{SURFACE}".'
        return
    if model is not None and model.name != SURFACE:
        yield "task.model", f'task.model = "{model.name}" needs data, and a surface has none. Try "{SURFACE}".'
    if preset.train.batch_size not in ("full", 1):
        yield "train.batch_size", 'train.batch_size has no meaning on a surface. Try "full".'
    if preset.task.freeze:
        yield "task.freeze", "task.freeze has no meaning on a surface: the point is all there is. Leave it out."
    yield from _surface(preset)
    yield from _rivals(preset)


def _surface(preset: Preset) -> Iterator[tuple[str, str]]:
    section = preset.surface
    spec = SURFACES.get(section.name)
    if spec is None:
        close = nearest(section.name, SURFACES)
        hint = f'Did you mean "{close}"?' if close else f"Try one of {', '.join(SURFACES)}."
        shown = f'surface.name = "{section.name}" is not known' if section.name else "surface.name is missing"
        yield "surface.name", f"{shown}. {hint}"
        return
    if section.start is None:
        return
    if len(section.start) != spec.dimension:
        numbers = f"{len(section.start)} numbers, not {spec.dimension}"
        yield "surface.start", f"surface.start = {section.start} has {numbers}. Try {list(spec.start)}."
    elif spec.is_lost(section.start) or not math.isfinite(spec.at(section.start)):
        yield "surface.start", f"surface.start = {section.start} is far outside of the view. Try {list(spec.start)}."


def _rivals(preset: Preset) -> Iterator[tuple[str, str]]:
    if len(preset.rival) > MOST_RIVALS:
        yield f"rival {MOST_RIVALS + 1}", f"rival {MOST_RIVALS + 1} is one too many. Try {MOST_RIVALS} at most."
    for index, section in enumerate(preset.rival, start=1):
        yield from _rival(f"rival {index}", section)


def _rival(key: str, section: RivalSection) -> Iterator[tuple[str, str]]:
    spec = OPTIMIZERS.get(section.name)
    if spec is None:
        close = nearest(section.name, OPTIMIZERS)
        hint = f'Did you mean "{close}"?' if close else f"Try one of {', '.join(OPTIMIZERS)}."
        yield f"{key}.name", f'{key}.name = "{section.name}" is not known. {hint}'
        return
    if section.name in _NOT_AS_RIVAL:
        yield f"{key}.name", f'{key}.name = "{section.name}" {_NOT_AS_RIVAL[section.name]}. Try "adam".'
    given = split_betas(section.further)
    for name, text in problems_with(section.name, spec.hyperparameters, given):
        yield f"{key}.{name}", f"{key}.{name}: {text}" if text[:1].isalpha() else f"{key}.{name} = {text}"
    if section.name == "sgd" and given.get("nesterov") is True and not given.get("momentum"):
        yield f"{key}.nesterov", f"{key}.nesterov = true needs momentum. Try momentum = 0.9."
