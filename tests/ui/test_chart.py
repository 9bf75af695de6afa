"""The chart on a screen: it shows its figure at every size, in every theme, with and without colour."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from rich.style import Style
from rich.text import Text
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tuitrain.ui.widgets.chart import SMOOTHINGS, Chart, ChartView, strip_of
from tuitrain.ui.widgets.figure import Band, Curve, Figure, Mark, Word
from tuitrain.ui.widgets.palette import palette_of
from tuitrain.ui.widgets.plotting import draw

STEPS = list(range(200))
LOSSES = [2.3 * 0.97**step + 0.1 for step in STEPS]
FIGURE = Figure(
    title="batch [loss]",
    curves=(Curve("ema", STEPS, LOSSES, "loss", is_emphasised=True),),
    bands=(Band("gap", STEPS, LOSSES, [y + 0.8 for y in LOSSES], "gap"),),
    marks=(Mark(60, "sgd"),),
    legend=(Word("ema 0.231", "loss", is_strong=True), Word("  last [0.218]")),
)


class ChartApp(App[None]):
    """One chart and what it said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[Chart.CursorMoved | Chart.ViewChanged] = []

    def compose(self) -> ComposeResult:
        yield Chart(FIGURE)

    def on_chart_cursor_moved(self, message: Chart.CursorMoved) -> None:
        self.said.append(message)

    def on_chart_view_changed(self, message: Chart.ViewChanged) -> None:
        self.said.append(message)


@pytest.fixture(autouse=True)
def _truecolour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the terminal of whoever runs the tests: its depth of colour and its NO_COLOR."""
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


def content(chart: Chart) -> list[str]:
    return [chart.render_line(y).text for y in range(chart.size.height)]


async def until(pilot: Pilot[None], is_true: Callable[[], bool]) -> None:
    """Pauses briefly until a condition holds."""
    deadline = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < deadline, "the condition never came true"
        await pilot.pause(0.01)


def test_a_strip_says_and_colours_what_the_ansi_line_does() -> None:
    """Against rich's own reading of the same codes, cell by cell."""
    palette = palette_of(ChartApp())
    for line in draw(FIGURE, 70, 16, palette):
        expected = Text.from_ansi(line)
        strip = strip_of(line, Style())
        assert strip.text == expected.plain.ljust(70)
        assert strip.cell_length == 70
        styles = [style or Style() for text, style, _ in strip for _ in text]
        for place, style in enumerate(styles[: len(expected.plain)]):
            wanted = [span.style for span in expected.spans if span.start <= place < span.end]
            merged = Style.combine([Style(), *(each for each in wanted if isinstance(each, Style))])
            assert (style.color, style.bgcolor) == (merged.color, merged.bgcolor)


async def test_the_figure_is_drawn_with_title_and_legend_in_the_border() -> None:
    """Words of a figure are literal: a bracket in them is no markup."""
    async with ChartApp().run_test(size=(80, 20)) as pilot:
        chart = pilot.app.query_one(Chart)
        await until(pilot, lambda: any("\u2801" <= c <= "\u28ff" for c in "".join(content(chart))))
        svg = pilot.app.export_screenshot().replace("&#160;", " ")
        assert "batch [loss]" in svg
        assert "last [0.218]" in svg
        primary = pilot.app.theme_variables["primary"].lower()
        styles = [style for y in range(18) for _, style, _ in chart.render_line(y) if style]
        colours = {style.color.get_truecolor().hex for style in styles if style.color}
        assert primary in colours


async def test_an_equal_figure_draws_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a figure that differs costs a drawing, and only once, however many lines are asked for."""
    num_drawn = 0

    def counted(*args: object) -> list[str]:
        nonlocal num_drawn
        num_drawn += 1
        return draw(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("tuitrain.ui.widgets.chart.draw", counted)
    async with ChartApp().run_test(size=(80, 20)) as pilot:
        chart = pilot.app.query_one(Chart)
        await until(pilot, lambda: num_drawn > 0)
        content(chart)
        before = num_drawn
        chart.set_figure(Figure(**{name: getattr(FIGURE, name) for name in FIGURE.__dataclass_fields__}))
        content(chart)
        assert num_drawn == before
        chart.set_figure(Figure(title="other"))
        content(chart)
        content(chart)
        assert num_drawn == before + 1
        assert "waiting for the first step" in "".join(content(chart))


async def test_a_hidden_chart_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """New figures for a chart nobody sees wait until somebody does."""
    async with ChartApp().run_test(size=(80, 20)) as pilot:
        chart = pilot.app.query_one(Chart)
        chart.display = False
        await until(pilot, lambda: not chart.size)
        monkeypatch.setattr("tuitrain.ui.widgets.chart.draw", None)
        chart.set_figure(Figure(title="unseen"))
        await pilot.pause()
        assert str(chart.border_title) == "unseen"


async def test_a_storm_of_resizes_ends_in_the_right_size() -> None:
    """From nothing to huge and back, faster than frames."""
    async with ChartApp().run_test(size=(80, 20)) as pilot:
        chart = pilot.app.query_one(Chart)
        for number in range(60):
            await pilot.resize_terminal(number * 37 % 200 + 1, number * 13 % 60 + 1)
        await pilot.resize_terminal(100, 30)
        await until(pilot, lambda: chart.size.height == 28)
        assert {len(line) for line in content(chart)} == {chart.size.width}


async def test_a_theme_change_recolours_the_chart() -> None:
    """Colours come from the theme, dark or light, and from its own chart variables where it has them."""
    async with ChartApp().run_test(size=(80, 20)) as pilot:
        chart = pilot.app.query_one(Chart)

        def colours() -> set[object]:
            return {style.color for y in range(18) for _, style, _ in chart.render_line(y) if style}

        before = colours()
        pilot.app.theme = "textual-light"
        await until(pilot, lambda: colours() != before)
        assert palette_of(pilot.app).background != (18, 18, 18)


def test_a_theme_that_names_chart_colours_is_followed() -> None:
    """`chart-loss` wins over `primary`, and `plan` follows `chart-rate`."""

    class Themed(ChartApp):
        def get_css_variables(self) -> dict[str, str]:
            return super().get_css_variables() | {"chart-loss": "#010203", "chart-rate": "#ff0000"}

    palette = palette_of(Themed())
    assert palette.colour("loss") == (1, 2, 3)
    assert (palette.colour("plan") or (0, 0, 0))[0] > 150


async def test_no_color_leaves_no_colour_in_the_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    """All cells of a chart have the one style of the widget."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with ChartApp().run_test(size=(80, 20)) as pilot:
        chart = pilot.app.query_one(Chart)
        await until(pilot, lambda: chart.size.height == 18)
        assert palette_of(pilot.app).depth == "none"
        assert len({style for y in range(18) for _, style, _ in chart.render_line(y)}) == 1


def test_sixteen_colours_have_no_blends(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is faint would turn black on black there."""
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "standard")
    palette = palette_of(ChartApp())
    assert palette.depth == "sixteen"
    assert palette.shade("gap") is None
    assert palette.colour("loss-faint") == palette.colour("faint") == (128, 128, 128)


async def test_the_mouse_reads_the_x_it_points_at() -> None:
    """Left to right over the canvas is low to high; leaving it takes the cursor away."""
    async with ChartApp().run_test(size=(80, 20)) as pilot:
        app = pilot.app
        assert isinstance(app, ChartApp)
        chart = app.query_one(Chart)
        await until(pilot, lambda: bool(content(chart)) and chart.x_span == (0, 199))
        for column in (20, 60):
            await pilot.hover(Chart, offset=(column, 8))
        await until(pilot, lambda: len(app.said) >= 2)
        xs = [message.x for message in app.said if isinstance(message, Chart.CursorMoved) and message.x is not None]
        assert xs == sorted(xs)
        assert 0 < xs[0] < xs[-1] < 199


async def test_a_new_view_is_told_once() -> None:
    """The screen builds the next figure when it hears of it."""
    async with ChartApp().run_test(size=(80, 20)) as pilot:
        app = pilot.app
        assert isinstance(app, ChartApp)
        chart = app.query_one(Chart)
        chart.view = chart.view.toggled_log()
        chart.view = ChartView(is_log=True)
        await until(pilot, lambda: bool(app.said))
        await asyncio.sleep(0)
        assert [message.view.is_log for message in app.said if isinstance(message, Chart.ViewChanged)] == [True]


class TestView:
    """What a person chose to see."""

    def test_smoothing_stops_at_both_ends(self) -> None:
        view = ChartView()
        for _ in range(20):
            view = view.smoother()
        assert view.decay == SMOOTHINGS[-1]
        for _ in range(20):
            view = view.rougher()
        assert view.decay == 0

    def test_toggles_return(self) -> None:
        view = ChartView()
        assert view.toggled_log().toggled_log() == view
        assert view.toggled_maximised().toggled_maximised() == view
        assert view.next_x_axis().next_x_axis().next_x_axis() == view

    def test_cursor_enters_at_the_newest_end_and_stays_in_view(self) -> None:
        view = ChartView().moved_cursor(-0.1, (0, 100))
        assert view.cursor == 100
        assert view.moved_cursor(-0.1, (0, 100)).cursor == 90
        assert view.moved_cursor(0.1, (0, 100)).cursor == 100
        assert view.placed_cursor(None).cursor is None

    def test_window_holds_at_least_two_steps(self) -> None:
        assert ChartView().following(1).window == 2
        assert ChartView().following(None).window is None
