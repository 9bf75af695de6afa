"""The whole picture of a comparison and of a search, as plain text; as in `test_snapshots`."""

from __future__ import annotations

import pytest

from tests.ui.comparisons import FakeReader, comparison
from tests.ui.test_search_screen import search
from tests.ui.test_snapshots import approve
from tests.ui.watching import text_of
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.comparison_source import ComparisonSource
from tuitrain.ui.screens.compare import CompareScreen
from tuitrain.ui.screens.search import SearchScreen


@pytest.mark.parametrize(
    ("kind", "size"),
    [("compare", (120, 40)), ("compare", (80, 24)), ("search", (120, 40))],
    ids=["compare-120x40", "compare-80x24", "search-120x40"],
)
async def test_the_picture_is_as_it_was_approved(
    kind: str, size: tuple[int, int], request: pytest.FixtureRequest
) -> None:
    """The same numbers give the same characters, line by line."""
    found = comparison() if kind == "compare" else search()
    source = ComparisonSource(FakeReader(found))
    app = TuitrainApp(first=CompareScreen(source) if kind == "compare" else SearchScreen(source))
    async with app.run_test(size=size):
        # The verdict comes from a thread.
        await approve(app, request.node.callspec.id, lambda: "no verdict yet" not in text_of(app))
