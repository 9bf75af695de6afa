"""Find, read, extend, override and check a preset; every mistake is reported at once.

The presets live in `presets/` at the top of a checkout, and as `tuitrain/presets` inside a wheel:
`presets_folder` looks in these two places, in the order wheel, checkout.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tuitrain.errors import DataError, PresetError, UnknownNameError, nearest
from tuitrain.preset.advice import as_typed
from tuitrain.preset.checking import table_problems
from tuitrain.preset.combining import Problem
from tuitrain.preset.dataset import with_fitting_batch
from tuitrain.preset.schema import Preset
from tuitrain.preset.toml_text import MOST_BYTES, parse_toml, read_toml

_PACKAGE = Path(__file__).resolve().parent.parent
_NAMED_SECTIONS = ("optimizer", "schedule")
_EXCLUSIVE = {"train": ("epochs", "steps"), "eval": ("every_steps", "every_epochs", "every_seconds")}
_MOST_GENERATIONS = 20
"""Presets that extend each other, from the first to the last."""
_MOST_TOLD = 50
"""Mistakes of one file that are told one by one."""
_MOST_SHOWN = 100
"""Signs of a value that is wrong."""
_BARE_POINT = re.compile(r"^\s*([-+]?)\.(\d+(?:[eE][-+]?\d+)?)\s*$")
"""People write .5; TOML wants 0.5."""
_STAND_INS: dict[str, dict[str, Any]] = {"moment": {"at_step": 0, "do": "pause"}, "rival": {"name": "sgd"}}
"""Lists of tables, with a member that is right."""
_PARSERS = {
    "string_pattern_mismatch": "is not auto, cpu, mps, xpu, cuda or cuda:N",
    "float_type": "is not a number",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "bool_type": "is not true or false",
    "string_type": "is not a text",
    "list_type": "is not a list",
    "finite_number": "is not a finite number",
    "model_type": "is not a table",
    "dict_type": "is not a table",
}


def presets_folder() -> Path:
    """Where the shipped presets are."""
    shipped = _PACKAGE / "presets"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "presets"


def list_presets() -> list[Preset]:
    """All shipped presets, by name. A broken one is an error: they are ours.

    Raises:
        PresetError: a shipped preset has mistakes.
    """
    return [load_preset(path.stem) for path in sorted(presets_folder().glob("*.toml"), key=lambda path: path.stem)]


def load_preset(name_or_file: str, overrides: Sequence[str] = ()) -> Preset:
    """Read a shipped preset by name, or any file that ends in .toml, and apply `key=value` overrides.

    Raises:
        PresetError: not found, or any mistakes, all of them.
    """
    path = _find(name_or_file)
    data, problems = _read_extended(path)
    data.setdefault("name", path.stem)
    _anchor(data, path.parent)
    changed, override_problems = _apply_overrides(data, overrides)
    _anchor(data, Path.cwd())
    problems += override_problems
    if path.parent == presets_folder():
        return _checked(data, _shown(path), changed, problems)
    return _checked(data, _shown(path), changed, problems, own_keys=_keys(_read(path)))


def preset_from_data(data: Mapping[str, Any], place: str) -> Preset:
    """A preset from what `Preset.to_data` gave, e.g. out of run.json.

    Raises:
        PresetError: it has mistakes.
    """
    data = _of_bounded_size(data, place)
    problems = _without_command(data, place)
    return _checked(data, place, frozenset(), problems)


def preset_with(data: Mapping[str, Any], overrides: Sequence[str], place: str) -> Preset:
    """A preset from what `Preset.to_data` gave, with `key=value` overrides as on the command line.

    Raises:
        PresetError: it has mistakes.
    """
    changing = _of_bounded_size(data, place)
    changed, problems = _apply_overrides(changing, overrides)
    _anchor(changing, Path.cwd())
    return _checked(changing, place, changed, problems)


def _of_bounded_size(data: Mapping[str, Any], place: str) -> dict[str, Any]:
    """A copy of what a record holds, which may be a stranger's as a file may."""
    try:
        num_bytes = len(json.dumps(data, default=str))
    except RecursionError:
        raise PresetError([f"{place}: the preset is nested too deep."]) from None
    if num_bytes > MOST_BYTES:
        raise PresetError([f"{place}: the preset is larger than {MOST_BYTES:,} bytes."])
    return dict(data)


def _anchor(data: dict[str, Any], folder: Path) -> None:
    """Make the path to one's own data absolute: in a file it is beside it, on the command line where one stands."""
    task = data.get("task")
    if isinstance(task, dict) and isinstance(task.get("path"), str) and task["path"]:
        try:
            path = str((folder / Path(task["path"]).expanduser()).resolve())
        except (RuntimeError, ValueError, OSError):  # ~nobody, or a zero byte: said when it is looked into
            return
        data["task"] = {**task, "path": path}


def _find(name_or_file: str) -> Path:
    if name_or_file.endswith(".toml") or "/" in name_or_file:
        path = Path(name_or_file)
        if not _is_file(path):
            raise PresetError([f"{name_or_file}: there is no such file. Try: a path to a .toml file."])
        return path
    path = presets_folder() / f"{name_or_file}.toml"
    if not _is_file(path):
        known = sorted(found.stem for found in presets_folder().glob("*.toml"))
        close = nearest(name_or_file, known)
        hint = f'Did you mean "{close}"?' if close else f"Try one of {', '.join(known)}, or a path to a .toml file."
        raise PresetError([f'No preset named "{name_or_file}". {hint}'])
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for any file
        return False


def _read_extended(path: Path, below: tuple[Path, ...] = ()) -> tuple[dict[str, Any], list[str]]:
    """A preset over those that it extends, the nearest first."""
    data = _read(path)
    problems = _without_command(data, _shown(path))
    parent_name = data.pop("extends", None)
    if parent_name is None:
        return data, problems
    if not isinstance(parent_name, str):
        return data, [*problems, f"{_shown(path)}: extends is not the name of a preset."]
    beside = path.parent / f"{parent_name}.toml"
    parent_path = beside if _is_file(beside) else _find(parent_name)
    if parent_path in (*below, path):
        return data, [
            *problems,
            f'{_shown(path)}: extends = "{parent_name}" comes back to itself. Try: extend another one.',
        ]
    if len(below) == _MOST_GENERATIONS:
        return data, [*problems, f"{_shown(path)}: extends more than {_MOST_GENERATIONS} presets in a row."]
    parent, parent_problems = _read_extended(parent_path, (*below, path))
    return _merged(parent, data), [*parent_problems, *problems]


def _without_command(data: dict[str, Any], place: str) -> list[str]:
    """Take a command to run out of a file's data and say where it belongs: files come from strangers."""
    notify = data.get("notify")
    if not isinstance(notify, dict) or "command" not in notify:
        return []
    data["notify"] = {key: value for key, value in notify.items() if key != "command"}
    what = f"{place}: notify.command is not taken from a file that may be a stranger's."
    return [f"{what} Try: [notify] in your own config.toml, or notify.command=… on the command line."]


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except ValueError as error:
        raise PresetError([f"{_shown(path)}: {error}"]) from None
    except OSError as error:
        raise PresetError([f"{_shown(path)}: cannot be read: {error.strerror}"]) from None


def _merged(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    """The child's keys over the parent's.

    A section that names another entry starts afresh, and of keys that exclude each other the child's stands.
    """
    result = dict(parent)
    for key, value in child.items():
        old = result.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            is_other = key in _NAMED_SECTIONS and "name" in value and value["name"] != old.get("name")
            rivals = _EXCLUSIVE.get(key, ()) if any(name in value for name in _EXCLUSIVE.get(key, ())) else ()
            kept = {} if is_other else {name: item for name, item in old.items() if name not in rivals}
            result[key] = {**kept, **value}
        else:
            result[key] = value
    return result


def _apply_overrides(data: dict[str, Any], overrides: Sequence[str]) -> tuple[frozenset[str], list[str]]:
    """Write overrides into `data`; returns the keys changed and what was wrong."""
    problems: list[str] = []
    by_section: dict[str, Any] = {}
    changed: set[str] = set()
    for text in overrides:
        key, separator, value = text.partition("=")
        parts = key.strip().split(".")
        if not separator or not all(parts) or len(parts) > 2:
            problems.append(f'command line: "{text}" is not of the form section.key=value. Try: optimizer.lr=0.01')
            continue
        changed.add(key.strip())
        if len(parts) == 1:
            by_section[parts[0]] = parse_value(value)
        elif isinstance(section := by_section.setdefault(parts[0], {}), dict):
            section[parts[1]] = parse_value(value)
    merged = _merged(data, by_section)
    data.clear()
    data.update(merged)
    return frozenset(changed), problems


def parse_value(text: str) -> Any:
    """A value as TOML writes it; a bare word is a text, and so is what is nested too deep."""
    for written in (text, _BARE_POINT.sub(r"\g<1>0.\2", text)):
        try:
            return parse_toml(f"value = {written}")["value"]
        except ValueError:
            continue
    return text


def _checked(
    data: dict[str, Any],
    place: str,
    changed: frozenset[str],
    problems: list[str],
    own_keys: frozenset[str] | None = None,
) -> Preset:
    """Check all of it.

    Args:
        data: what was read, with what was typed over it.
        place: where it was read.
        changed: the keys that were typed on the command line.
        problems: what is already known to be wrong.
        own_keys: those of a file that the person can edit; None where there is no such file, so that all advice is to
            be typed.
    """

    def told(key: str, text: str) -> str:
        is_typed = key in changed or own_keys is None
        return f"{'command line' if key in changed else place}: {as_typed(text, key) if is_typed else text}"

    is_size_given = "train.batch_size" in changed | (own_keys or frozenset())
    try:
        preset = Preset.model_validate(data)
    except ValidationError as error:
        details = distinct(error.errors())
        problems += [told(_key_of(detail), in_words(detail)) for detail in details[:_MOST_TOLD]]
        if len(details) > _MOST_TOLD:
            raise PresetError([*problems, f"{place}: and {len(details) - _MOST_TOLD:,} further mistakes."]) from None
        problems += [told(key, text) for key, text in _problems_of_the_rest(data, details, is_size_given=is_size_given)]
        raise PresetError(problems) from None
    preset = _with_fitting_batch(preset, is_size_given=is_size_given)
    problems += [told(key, text) for key, text in table_problems(preset)]
    if problems:
        raise PresetError(problems)
    return preset


def _keys(data: Mapping[str, Any]) -> frozenset[str]:
    """The keys of all sections as they are written on the command line."""
    sections = {section: values for section, values in data.items() if isinstance(values, dict)}
    return frozenset(f"{section}.{key}" for section, values in sections.items() for key in values)


def _with_fitting_batch(preset: Preset, *, is_size_given: bool) -> Preset:
    with contextlib.suppress(DataError, UnknownNameError):  # told by the tables
        return preset if is_size_given else with_fitting_batch(preset)
    return preset


def _problems_of_the_rest(
    data: dict[str, Any], details: Iterable[ErrorDetails], *, is_size_given: bool
) -> list[Problem]:
    """What the tables say of everything that is not already wrong, so that all mistakes come at once."""
    rest = copy.deepcopy(data)
    wrong: list[str] = []
    for detail in details:
        wrong.append(_key_of(detail).removesuffix(".name"))  # without a name its section means nothing
        _take_out(rest, detail["loc"])
    if not isinstance(rest.get("task"), dict):
        wrong.append("task")
    # Stand-ins for what must be there; of them the tables say only that they know no such name.
    rest = {"name": "", "title": "", **rest, "task": {"dataset": "", "model": "", **rest.get("task", {})}}
    try:
        found = table_problems(_with_fitting_batch(Preset.model_validate(rest), is_size_given=is_size_given))
    except ValidationError:
        return []
    return [(key, text) for key, text in found if not any(key == bad or key.startswith(f"{bad}.") for bad in wrong)]


def _take_out(data: dict[str, Any], location: tuple[int | str, ...]) -> None:
    """Remove what a detail points at; of a list of moments or rivals the others keep their numbers."""
    section, *inner = location
    members, stand_in = data.get(str(section)), _STAND_INS.get(str(section))
    if stand_in is not None and inner and isinstance(inner[0], int) and isinstance(members, list):
        members[inner[0]] = dict(stand_in)
    elif inner and isinstance(data.get(str(section)), dict):
        data[str(section)].pop(str(inner[0]), None)
    else:
        data.pop(str(section), None)


def distinct(details: Iterable[ErrorDetails]) -> list[ErrorDetails]:
    """One error a key: a union reports one for each of its members."""
    seen: dict[str, ErrorDetails] = {}
    for detail in details:
        seen.setdefault(_key_of(detail), detail)
    return list(seen.values())


def _key_of(detail: ErrorDetails) -> str:
    """The key as a person writes it: pydantic appends the member of a union, which is no key."""
    parts = detail["loc"]
    if parts and parts[0] in _STAND_INS and len(parts) > 1 and isinstance(parts[1], int):
        return ".".join([f"{parts[0]} {parts[1] + 1}", *map(str, parts[2:3])])
    return ".".join(str(part) for part in parts[:2])


def in_words(detail: ErrorDetails, root: type[BaseModel] = Preset, kind: str = "preset") -> str:
    """What is wrong with one key, and what to try; `root` is what was to be read, a `kind` of file."""
    key = _key_of(detail)
    if detail["type"] == "extra_forbidden":
        known = _fields_beside(detail["loc"], root)
        close = nearest(str(detail["loc"][-1]), known)
        hint = f'Did you mean "{close}"?' if close else f"Known keys: {', '.join(known)}."
        return f"{key} is not a key of a {kind}. {hint}"
    if detail["type"] == "missing":
        return f"{key} is missing."
    value = detail["input"]
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    shown = shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}…"
    problem = _PARSERS.get(detail["type"], re.sub(r"^\w+ should", "should", detail["msg"]))
    return f"{key} = {shown} {problem}.{_try(key)}"


def _fields_beside(location: tuple[int | str, ...], root: type[BaseModel]) -> tuple[str, ...]:
    model = root
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return tuple(model.model_fields)


def _try(key: str) -> str:
    section, _, name = key.partition(".")
    examples = {
        "optimizer.lr": "3e-4",
        "train.batch_size": "64",
        "train.epochs": "10",
        "train.device": '"auto"',
        "average.ema_decay": "0.995",
    }
    if key in examples:
        return f" Try: {name} = {examples[key]}"
    annotation = Preset.model_fields[section].annotation if section in Preset.model_fields else None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and name in annotation.model_fields:
        default = annotation.model_fields[name].get_default()
        if isinstance(default, bool | int | float | str) and default != "":
            return f" Try: {name} = {json.dumps(default)}"  # as TOML writes it, too
    return ""


def _shown(path: Path) -> str:
    """A path short enough to read: relative to the presets, else to where the person is."""
    folder = presets_folder()
    if path.parent == folder:
        return f"presets/{path.name}"
    return str(path)
