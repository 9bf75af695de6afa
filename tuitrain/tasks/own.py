"""Data of one's own without code: a table, arrays, or a folder of pictures. Numpy, and Pillow for pictures; no torch.

How to wire it in:

* `preset`: give `TaskSection` the keys path, target, ignore, image_size, validation_share and the like; where
  `dataset` is one of `OWN_KINDS`, make `path` absolute (relative to the preset's file, or to the current folder for a
  path from the command line) and call `inspect_own(OwnData(…, seed=task.data_seed))`. The spec it gives takes the place
  of `DATASETS[task.dataset]` in every check; an `OwnDataError` has one sentence for each mistake in `problems`.
* `tasks.build.data`: where `spec.source == "own"`, `load_own(options)` gives arrays that go through the preprocessing
  like any others. Images come as (n, channels, height, width), tables as (n, features); `class_names` says what class
  0, 1, … is called.

* `pyproject.toml`: name pillow among the dependencies; so far it comes with torchvision.

The check reads a table or an archive as a whole (seconds for a million lines of 10 columns), but only the headers of
pictures: that one is cut off inside is found by `load_own`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuitrain.tasks.input_columns import InputColumn
from tuitrain.tasks.own_npz import read_npz
from tuitrain.tasks.own_parts import (
    OWN_KINDS,
    OwnData,
    OwnDataError,
    Plan,
    counted,
    option_problems,
    plan_samples,
)
from tuitrain.tasks.synthetic import Arrays
from tuitrain.tasks.tables import DatasetSpec

__all__ = ["OWN_KINDS", "OwnArrays", "OwnData", "OwnDataError", "inspect_own", "load_own"]


class OwnArrays(NamedTuple):
    """Data before preprocessing, and their spec."""

    arrays: Arrays
    spec: DatasetSpec
    columns: tuple[InputColumn, ...] = ()
    """Of a table: how its columns became the inputs, in their order."""
    target_name: str = ""
    """Name of the column that is learned."""
    notes: tuple[str, ...] = ()
    """What was left out, filled in or guessed, one clause each."""

    def with_notes(self, notes: tuple[str, ...]) -> OwnArrays:
        """The same with more to say, first."""
        return self._replace(notes=(*notes, *self.notes))

    @property
    def class_names(self) -> tuple[str, ...]:
        """What class 0, 1, … is called; empty for a regression."""
        return self.spec.class_names


def inspect_own(options: OwnData) -> DatasetSpec:
    """Check the data and say what they are; pictures are not decoded.

    Raises:
        OwnDataError: with everything that is wrong.
    """
    return _prepared(options, is_check=True).spec


def load_own(options: OwnData) -> OwnArrays:
    """Read the data: the same samples in the same order for the same options, each side shuffled.

    Raises:
        OwnDataError: with everything that is wrong.
    """
    return _prepared(options, is_check=False)


def _prepared(options: OwnData, *, is_check: bool) -> OwnArrays:
    """The data with their spec; pictures stay empty in a check."""
    problems = [*option_problems(options)]
    if problems:  # what is wrong with the data shall be told as well
        options = replace(options, validation_share=0.2, seed=0, image_size=None)
    result = None
    if not _path_problems(options, problems):
        try:
            if options.kind == "csv":
                result = _from_csv(options, problems)
            elif options.kind == "npz":
                result = _from_npz(options, problems)
            else:
                result = _from_pictures(options, problems, is_check=is_check)
        except OSError as error:
            problems.append(f"Cannot be read: {error}. Try checking who may read it.")
    if problems or result is None:
        raise OwnDataError(options.path, problems)
    return result


def _path_problems(options: OwnData, problems: list[str]) -> bool:
    """Whether the path leads nowhere."""
    path, wants_folder = options.path, options.kind == "imagefolder"
    wanted = "a folder with a subfolder for each class" if wants_folder else f"the path of a .{options.kind} file"
    try:
        is_folder, is_file, is_there = path.is_dir(), path.is_file(), path.exists()
        if wants_folder and is_folder:
            next(path.iterdir(), None)
        elif is_file:
            with path.open("rb") as file:
                file.read(1)
    except (OSError, ValueError) as error:
        problems.append(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}. Try {wanted}.")
        return True
    if not is_there:
        problems.append(f"{path} does not exist. Try {wanted}.")
    elif wants_folder and not is_folder:
        problems.append(f"{path} is not a folder. Try {wanted}.")
    elif not wants_folder and is_folder:
        problems.append(f'{path} is a folder, not a file. Try {wanted}, or dataset = "imagefolder".')
    elif not wants_folder and not is_file:
        problems.append(f"{path} is not a file. Try {wanted}.")
    else:
        return False
    return True


def _from_csv(options: OwnData, problems: list[str]) -> OwnArrays | None:
    from tuitrain.tasks.own_csv import read_csv  # pyarrow, only for those who have a table

    table = read_csv(options, problems)
    plan = plan_samples(table.target, options, problems) if table is not None else None
    if problems or table is None or plan is None:
        return None
    x, columns = table.inputs(plan.train, options, problems)
    about = f"{counted(x.shape[1], 'feature')}, {plan.outputs_in_words} of {table.target_name}"
    data = _assembled(options, plan, x[plan.train], x[plan.validation], about, problems)
    return data.with_notes(table.notes)._replace(columns=columns, target_name=table.target_name)


def _from_npz(options: OwnData, problems: list[str]) -> OwnArrays | None:
    archive = read_npz(options, problems)
    plan = plan_samples(archive.target, options, problems) if archive is not None else None
    if problems or archive is None or plan is None:
        return None
    first = archive.x[0]
    about = f"{'×'.join(map(str, first.shape[1:]))} numbers a sample, {plan.outputs_in_words}"
    train_x, validation_x = (_chosen(archive.x, side) for side in (plan.train, plan.validation))
    return _assembled(options, plan, train_x, validation_x, about, problems).with_notes(archive.notes)


def _chosen(sides: tuple[NDArray[np.generic], ...], order: NDArray[np.intp]) -> NDArray[np.generic]:
    """Samples by their places among those of all sides below each other."""
    first, last = sides[0], sides[-1]
    if len(sides) == 1 or bool((order < len(first)).all()):
        return first[order]
    if bool((order >= len(first)).all()):
        return last[order - len(first)]
    return np.concatenate([first, last])[order]


def _from_pictures(options: OwnData, problems: list[str], *, is_check: bool) -> OwnArrays | None:
    try:
        from tuitrain.tasks.own_pictures import index_pictures, read_pictures  # only for those who have pictures
    except ImportError as error:
        problems.append(f"Pillow cannot be imported ({error}). Try pip install pillow.")
        return None
    index = index_pictures(options, problems)
    plan = plan_samples(index.target, options, problems) if index is not None else None
    if problems or index is None or plan is None:
        return None
    about = f"pictures of {index.shape[2]}×{index.shape[1]}, {plan.outputs_in_words}"
    if is_check:
        nothing = np.zeros((0, *index.shape), dtype=np.uint8)
        return _assembled(options, plan, nothing, nothing, about, problems).with_notes(index.notes)
    train_x, validation_x = (
        read_pictures(index, side, options.path, problems) for side in (plan.train, plan.validation)
    )
    return _assembled(options, plan, train_x, validation_x, about, problems).with_notes(index.notes)


def _assembled(
    options: OwnData,
    plan: Plan,
    train_x: NDArray[np.generic],
    validation_x: NDArray[np.generic],
    about: str,
    problems: list[str],
) -> OwnArrays:
    if train_x.size and train_x.min() == train_x.max():
        problems.append("All inputs are the same number, which teaches nothing. Try other data.")
    spec = DatasetSpec(
        name=options.kind,
        summary=f"{options.path.name}: {counted(len(plan.train) + len(plan.validation), 'sample')}, {about}",
        kind=plan.kind,
        input_shape=tuple(train_x.shape[1:]),
        num_outputs=plan.num_outputs,
        num_train=len(plan.train),
        num_validation=len(plan.validation),
        source="own",
        smallest_class=plan.smallest_class,
        is_image=train_x.ndim == 4,
        class_names=plan.class_names,
    )
    return OwnArrays(Arrays(train_x, plan.train_y, validation_x, plan.validation_y), spec, notes=plan.notes)
