"""The live screen of a run on a surface: the picture first, the charts beside it, a start moved by a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.board.race_events import ravine_words
from tests.ui.watching import FakeSource, text_of, until
from tuitrain.board.board import Board
from tuitrain.protocol.commands import MoveTo
from tuitrain.rundir.places import RunFolder
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.widgets.chart import Chart
from tuitrain.ui.widgets.surface import SurfacePanel


class RaceSource(FakeSource):
    """Gives the hand-made race."""

    def __init__(self) -> None:
        self.run = "20261121-1400-ravine-0a0a"
        self.folder = RunFolder(Path("nowhere"))
        self.board = Board()
        self.asked = []
        self.waiting = ravine_words()


def is_drawn(screen: object) -> bool:
    return isinstance(screen, LiveScreen) and screen.query_one(SurfacePanel).view is not None


@pytest.mark.parametrize(("size", "charts"), [((120, 40), 2), ((80, 24), 0), ((60, 20), 0)])
async def test_the_picture_is_what_one_sees_first(size: tuple[int, int], charts: int) -> None:
    """Large, with the racers named; beside it charts where there is room."""
    app = TuitrainApp(RaceSource())
    async with app.run_test(size=size) as pilot:
        await until(lambda: is_drawn(app.screen))
        await until(lambda: "x²/64 + y²" in text_of(app) and "◆momentum" in text_of(app))
        shown = text_of(app)
        assert "●sgd" in shown
        assert len([chart for chart in app.screen.query(Chart) if chart.has_class("-shown")]) == charts
        assert ("to 1e-4" in shown) == (size[0] == 120)
        await pilot.press("tab")
        await until(lambda: app.focused is not None and app.focused.id == "loss")
        await until(lambda: "above the lowest value" in text_of(app))


async def test_the_start_is_moved_by_a_key() -> None:
    """0 offers the present one; what is typed is asked."""
    source = RaceSource()
    app = TuitrainApp(source)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: is_drawn(app.screen))
        await pilot.press("0")
        await until(lambda: "x=-8 y=1.5" in text_of(app))
        await pilot.press(*"x=1", "space", *"y=0.5", "enter")
        await until(lambda: source.asked == [MoveTo(x=1.0, y=0.5)])


async def test_the_picture_alone_and_all_again() -> None:
    """Enter maximises it as any chart; the charts that are not beside it come with tab."""
    app = TuitrainApp(RaceSource())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: is_drawn(app.screen))
        await pilot.press("enter")
        await until(lambda: not any(chart.has_class("-shown") for chart in app.screen.query(Chart)))
        await pilot.press("enter", "shift+tab")
        await until(lambda: "value at the point" in text_of(app))
        assert "no data, so no gap" in text_of(app)
