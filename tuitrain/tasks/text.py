"""English text that is on every machine: the help texts of Python, `pydoc_data.topics`, as numbers of characters.

They differ a little between versions of Python, and so do the losses on them. Numpy, no torch.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tuitrain.errors import DataError
from tuitrain.tasks.folding import Fold
from tuitrain.tasks.tables import DatasetSpec

ALPHABET = "\n" + "".join(map(chr, range(32, 127)))
"""The new line and printable ASCII: 96 characters, whatever the text holds."""

_TRAIN_SHARE = 0.9
_LEAST_CHARACTERS = 50_000
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "--", "…": "...", "\t": "    "})


@functools.lru_cache(maxsize=1)
def english() -> NDArray[np.uint8]:
    """The text as places in `ALPHABET`; what that has not is left out.

    Raises:
        DataError: this Python has no such text, or next to none.
    """
    try:
        topics = importlib.import_module("pydoc_data.topics").topics
    except (ImportError, AttributeError) as error:
        raise DataError(f"this Python has no help texts: {error}.", hint="the package python3-doc, or csv.") from error
    if not isinstance(topics, Mapping):
        raise DataError("the help texts of this Python are no dictionary.", hint="another Python.")
    text = "".join(str(topics[name]) for name in sorted(topics)).translate(_PLAIN)
    places = np.full(128, 255, dtype=np.uint8)
    places[[ord(character) for character in ALPHABET]] = np.arange(len(ALPHABET), dtype=np.uint8)
    found = places[np.frombuffer(text.encode("ascii", "ignore"), dtype=np.uint8)]
    found = np.asarray(found[found != 255], dtype=np.uint8)
    if len(found) < _LEAST_CHARACTERS:
        raise DataError(f"the help texts of this Python have only {len(found)} characters.", hint="another Python.")
    return found


def english_sides(fold: Fold | None = None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The first nine tenths, to train on, and the rest; or all but one block, and that block.

    What lies before and behind a block is joined: the seam is one more place where a topic ends, of many.

    Raises:
        DataError: as `english`.
    """
    text = english()
    if fold is not None:
        begin, end = fold.block(len(text))
        return np.concatenate([text[:begin], text[end:]]), text[begin:end]
    first = int(_TRAIN_SHARE * len(text))
    return text[:first], text[first:]


def text_spec(spec: DatasetSpec, context: int, fold: Fold | None = None) -> DatasetSpec:
    """The spec of a text in windows of `context` characters: one at every place to train on, side by side to validate.

    Raises:
        DataError: as `english`.
    """
    train, validation = english_sides(fold)
    return replace(
        spec, input_shape=(context,), num_outputs=len(ALPHABET), num_train=len(train) - context,
        num_validation=(len(validation) - 1) // context,
    )  # fmt: skip


def as_text(places: NDArray[np.integer] | list[int]) -> str:
    """Characters for their places in `ALPHABET`."""
    return "".join(ALPHABET[place] for place in places)
