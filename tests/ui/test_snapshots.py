"""The whole picture, as plain text, at a fixed place of a recording: few, and read by a person when they change.

`TUITRAIN_SNAPSHOTS=write python -m pytest tests/ui/test_snapshots.py` writes them again.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

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
        drawn = ""
        # A picture stands once two looks, further apart than two frames, agree.
        while drawn != (drawn := text_of(app)) or source.board.num_words == 0:
            await asyncio.sleep(0.5)
    approve(drawn, request.node.callspec.id)


def approve(drawn: str, name: str) -> None:
    """Compare with what is stored by a name, or store it."""
    stored = SNAPSHOTS / f"{name}.txt"
    drawn = "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"
    if os.environ.get("TUITRAIN_SNAPSHOTS") == "write":
        SNAPSHOTS.mkdir(exist_ok=True)
        stored.write_text(drawn, encoding="utf-8")
    assert drawn == stored.read_text(encoding="utf-8")
