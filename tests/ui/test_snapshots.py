"""The whole picture, as plain text, at a fixed place of a recording: few, and read by a person when they change.

`TUITRAIN_SNAPSHOTS=write python -m pytest tests/ui/test_snapshots.py` writes them again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.app import App

from tests.recordings import ASKED, HAND_MADE, STEERED, WENT_BACK, copied
from tests.ui.watching import text_of, until
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.source import ReplaySource

SNAPSHOTS = Path(__file__).parent / "snapshots"


@pytest.mark.parametrize(
    ("name", "share", "size"),
    [
        (STEERED, 0.97, (120, 40)),
        (STEERED, 0.97, (80, 24)),
        (STEERED, 1.0, (60, 20)),
        (ASKED, 1.0, (120, 40)),
        (HAND_MADE, 1.0, (80, 24)),
        (WENT_BACK, 1.0, (120, 40)),
    ],
    ids=["steered-120x40", "steered-80x24", "steered-60x20", "asked-120x40", "nan-80x24", "back-120x40"],
)
async def test_the_picture_is_as_it_was_approved(
    name: str, share: float, size: tuple[int, int], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The same recording at the same place gives the same characters, line by line."""
    source = ReplaySource(copied(name, tmp_path), speed=1.0)
    source.is_playing = False
    app = TuitrainApp(source)
    async with app.run_test(size=size):
        await until(lambda: source.length > 0.0 and not source._thread.is_alive() and not source._arrived)
        source.seek(source.length * share)
        await approve(app, request.node.callspec.id, lambda: source.board.num_words > 0)


async def approve(app: App[int], name: str, is_ready: Callable[[], bool]) -> None:
    """Wait until the picture is the one that is stored by a name, and see that it stays; or store it.

    A picture that is not the stored one has failed once it stands: ready, and no other for a good while.
    """
    stored = SNAPSHOTS / f"{name}.txt"
    is_writing = os.environ.get("TUITRAIN_SNAPSHOTS") == "write"
    approved = "" if is_writing else stored.read_text(encoding="utf-8")
    drawn, num_same = "", 0
    while num_same < (3 if drawn == approved or is_writing else 20):
        await asyncio.sleep(0.25)  # further apart than two frames
        before, drawn = drawn, _picture(app)
        num_same = num_same + 1 if drawn == before and is_ready() else 0
    if is_writing:
        SNAPSHOTS.mkdir(exist_ok=True)
        stored.write_text(drawn, encoding="utf-8")
        return
    assert drawn == approved


def _picture(app: App[int]) -> str:
    return "\n".join(line.rstrip() for line in text_of(app).splitlines()) + "\n"
