"""The screen of the layers: its table and its heat map at every size, and how it is opened, used and closed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.widgets import Static

from tests.board.test_layers import history_of, look
from tests.recordings import ASKED, STEERED, copied
from tests.ui.watching import FakeSource, text_of, until, watched
from tuitrain.board.layer_verdicts import Verdict, verdicts
from tuitrain.board.layers import QUANTITIES, LayerHistory
from tuitrain.protocol.commands import Pause
from tuitrain.protocol.description import LayerInfo
from tuitrain.protocol.events import LayersMeasured, RunStarted
from tuitrain.ui.actions import LAYER_ACTIONS
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.layer_heat import BY_ID, heat_cells, legend_of, scale_of
from tuitrain.ui.layer_heat import QUANTITIES as SHOWN
from tuitrain.ui.layer_table import LayerTable, LayerView, layer_table
from tuitrain.ui.layer_words import bars, layer_line, short_names, verdict_lines
from tuitrain.ui.screens.layers import LayersScreen
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.screens.small import HelpSheet
from tuitrain.ui.source import ReplaySource
from tuitrain.ui.widgets.chart import Chart

NAN, INF = math.nan, math.inf
HEADERS = {
    "gradient_norm": "gradient", "weight_norm": "weight", "update_ratio": "upd/wt", "dead": "dead", "saturated": "sat.",
    "activation_mean": "activation", "activation_std": "activation",
}  # fmt: skip
SHAPES = {"lin_1": (256, 784), "lin_2": (10, 256)}


def vanishing(num_layers: int = 6, num_looks: int = 20) -> Iterator[LayersMeasured]:
    """A sigmoid net whose gradients fall to a hundred-thousandth towards the input."""
    for number in range(num_looks):
        gradients = [10.0 ** (-5.0 * (num_layers - 1 - layer) / max(1, num_layers - 1)) for layer in range(num_layers)]
        shares = {"dead": [NAN] * num_layers, "saturated": [0.6] * num_layers}
        yield look(1 + 10 * number, num_layers, gradient_norm=gradients, **shares)


def table(history: LayerHistory, width: int, height: int = 20, view: LayerView | None = None) -> LayerTable:
    """The picture of a history."""
    return layer_table(history, SHAPES, view or LayerView(), verdicts(history), width, height)


@pytest.mark.parametrize("num_layers", [1, 2, 60])
@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize(("width", "height"), [(116, 33), (76, 17), (56, 15), (20, 5), (1, 1)])
def test_every_size_has_whole_lines(width: int, height: int, quantity: str, num_layers: int) -> None:
    """As wide as there is room and no more lines than fit; name, chosen quantity and map are always there."""
    drawn = table(history_of(*vanishing(num_layers)), width, height, LayerView(quantity))
    assert len(drawn.lines) <= height
    assert BY_ID[quantity].title in drawn.title
    if width >= 56:
        assert {line.cell_length for line in drawn.lines} == {width}
        header, rows = drawn.lines[0].plain, [line.plain for line in drawn.lines[1:] if "lin_1 " in line.plain]
        assert HEADERS[quantity] in header
        assert len(rows) == 1
        assert sum(rows[0].count(glyph) for glyph in " ░▒▓█·") >= width // 3
        assert "191" in header


def test_narrow_terminals_lose_the_least_important_columns_first() -> None:
    """Shape, then weights, then activations, down to the gradient; the map never gets less than a fifth."""
    history = history_of(look(1, 2, saturated=[0.1, 0.2]))
    widths = (160, 100, 90, 76, 56, 30)
    headers = {width: table(history, width).lines[0].plain.split("step")[0].split() for width in widths}
    assert headers[160] == ["layer", "shape", "gradient", "weight", "upd/wt", "activation", "dead", "sat."]
    assert headers[100] == ["layer", "gradient", "upd/wt", "activation", "dead", "sat."]
    assert headers[90] == ["layer", "gradient", "upd/wt", "dead", "sat."]
    assert headers[76] == ["layer", "gradient", "upd/wt", "dead", "sat."]
    assert headers[56] == ["layer", "gradient", "upd/wt"]
    assert headers[30][:2] == ["layer", "gradient"]
    assert "256×784" in table(history, 160).lines[2].plain


def test_a_column_that_no_layer_has_is_left_out() -> None:
    """A net of tanh has no dead units, and needs no column for them."""
    history = history_of(look(1, dead=[NAN] * 3))
    assert "dead" not in table(history, 160).lines[0].plain
    assert "sat." not in table(history, 160).lines[0].plain
    assert "–" in table(history, 160, view=LayerView("dead")).lines[2].plain


def test_vanishing_gradients_are_seen_at_a_glance() -> None:
    """The bar grows from layer to layer, the glyphs of the map get denser, the first values are warnings."""
    drawn = table(history_of(*vanishing()), 116, 7)
    rows, start = drawn.lines[1:], drawn.lines[0].plain.index("step")
    lengths = [row.plain[:start].count("━") for row in rows]
    assert lengths == sorted(lengths)
    assert (lengths[0], lengths[-1]) == (0, 8)
    assert "╸" in rows[0].plain
    shades = [" ░▒▓█".index(row.plain[-1]) for row in rows]
    assert shades == sorted(shades)
    assert set(shades) == {0, 1, 2, 3, 4}
    assert any("$warning" in str(span.style) for span in rows[0].spans)
    assert not any("$warning" in str(span.style) for span in table(history_of(look(1)), 116).lines[1].spans)


def test_a_spike_in_time_is_seen() -> None:
    """One look in a hundred that is a thousand times larger stands out in its column."""
    looks = [look(step, 2, gradient_norm=[1e3 if step == 50 else 1.0] * 2) for step in range(1, 101)]
    drawn = table(history_of(*looks), 116, 3)
    heat = drawn.lines[1].plain[drawn.lines[0].plain.index("step") :]
    assert heat.count("█") == 1
    assert heat.index("█") == pytest.approx(len(heat) / 2, abs=2)


def test_what_is_not_a_number_is_still_a_row() -> None:
    """A dash and a dot for what is not known, a cross for what is infinite; the other rows keep their scale."""
    history = history_of(
        look(1, gradient_norm=[NAN, 0.1, 1.0]), look(2, gradient_norm=[NAN, INF, 1.0], activation_mean=[NAN, -INF, INF])
    )
    for quantity in QUANTITIES:
        drawn = table(history, 116, 10, LayerView(quantity))
        assert {line.cell_length for line in drawn.lines} == {116}
    rows = [line.plain for line in table(history, 116, 4).lines[1:]]
    assert rows[0].endswith("····")
    assert rows[1].endswith(" ×")
    assert " inf " in rows[1]
    assert rows[2].endswith("████")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_values_can_be_drawn(data: st.DataObject) -> None:
    """Of every size, of every kind, at every width."""
    num_layers, width = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 200))
    floats = st.lists(st.floats(), min_size=num_layers, max_size=num_layers)
    looks = [
        look(step, num_layers, **{quantity: data.draw(floats) for quantity in QUANTITIES})
        for step in range(1, data.draw(st.integers(2, 4)))
    ]
    history = history_of(*looks)
    for quantity in QUANTITIES:
        drawn = table(history, width, 12, LayerView(quantity, selected=data.draw(st.integers(-9, 9))))
        assert len({line.cell_length for line in drawn.lines}) == 1
    assert layer_line(history, {}, 0, width).cell_length <= width


def test_many_layers_scroll() -> None:
    """The selected row is in sight, marked, and the title says which part is shown."""
    history = history_of(*vanishing(60))
    view = LayerView()
    for selected in (0, 18, 19, 40, 59, 22, 1000, -5):
        drawn = table(history, 76, 20, LayerView(selected=selected, top=view.top))
        view = drawn.view
        marked = [line.plain for line in drawn.lines if "▸" in line.plain]
        assert len(marked) == 1
        assert f"▸ lin_{max(1, min(60, selected + 1))} " in marked[0]
        assert len(drawn.lines) == 20
        assert drawn.title.startswith(f"layers {view.top + 1}–{view.top + 19} of 60")
    assert table(history_of(*vanishing(2)), 76).title.startswith("2 layers")


def test_few_layers_get_tall_rows() -> None:
    """Up to three lines each, the words in the middle one."""
    drawn = table(history_of(*vanishing(2)), 76, 30)
    assert [("lin_" in line.plain) for line in drawn.lines] == [False, False, True, False, False, True, False]


@pytest.mark.parametrize(
    ("quantity", "values", "low", "high", "legend"),
    [
        ("gradient_norm", [3e-5, 0.4], -5, 0, ["1e-5", "1e-4", "1e-3", "0.01", "0.1", "1"]),
        ("gradient_norm", [1.0, 1.0], -1, 0, ["0.1", "1"]),
        ("gradient_norm", [0.0, NAN], -1, 0, ["0.1", "1"]),
        ("weight_norm", [1e-30, 5e4], -7, 5, ["1e-7", "1e-5", "1e-3", "0.1", "10", "1000", "1e5"]),
        ("dead", [0.1, 0.2], 0, 1, ["0", "25", "50", "75", "100"]),
        ("activation_mean", [-0.03, 0.013], 0, 0.05, ["-0.050", "0", "0.050"]),
        ("activation_mean", [NAN, INF], 0, 1, ["-1.00", "0", "1.00"]),
    ],
)
def test_scales_have_round_ends_and_a_legend(
    quantity: str, values: list[float], low: float, high: float, legend: list[str]
) -> None:
    """Decades, shares, or the same to both sides of zero; the numbers stand beside the glyphs."""
    scale = scale_of(BY_ID[quantity], np.array(values))
    assert (scale.low, scale.high) == pytest.approx((low, high))
    words = [
        word for word in legend_of(scale, 200).plain.split() if not set(word) & set("░▒▓█=≡#%") and word != "-----"
    ]
    assert [word for word in words if any(letter.isdigit() for letter in word)] == legend
    assert legend_of(scale, 40).cell_length <= 40
    assert legend_of(scale, 3).plain == ""


def test_cells_can_be_read_without_colour() -> None:
    """Glyphs get denser with the size; below zero they are others."""
    shares = scale_of(BY_ID["dead"], np.array([0.5]))
    assert (
        "".join(glyphs for glyphs, _ in heat_cells(np.array([0.0, 0.3, 0.5, 0.7, 1.0, NAN, INF]), shares)) == " ░▒▓█·×"
    )
    signed = scale_of(BY_ID["activation_mean"], np.array([1.0]))
    assert "".join(glyphs for glyphs, _ in heat_cells(np.array([-1.0, -0.7, -0.5, -0.3, 0.0, 1.0]), signed)) == "#≡=- █"
    styles = {style for _, style in heat_cells(np.linspace(0, 1, 100), shares)}
    assert len(styles) >= 10


def test_every_quantity_can_be_shown() -> None:
    """The table of the picture knows what the board keeps, and nothing else."""
    assert {quantity.id for quantity in SHOWN} == set(QUANTITIES)
    keys = [key for action in LAYER_ACTIONS for key in action.key.split(",")]
    assert len(keys) == len(set(keys))


def test_bars_span_four_decades_at_least() -> None:
    """So that small differences look small; what is zero or unknown has none."""
    assert [bar.strip() for bar in bars(np.array([1e-4, 1e-2, 1.0, 0.0, NAN, INF]))] == [
        "╸",
        "━━━━",
        "━" * 8,
        "",
        "",
        "",
    ]
    assert [bar.strip() for bar in bars(np.array([0.5, 1.0]))] == ["━━━━━━━╸", "━" * 8]
    assert bars(np.array([0.0, NAN])) == ["", ""]


def test_names_are_shortened_where_they_are_alike() -> None:
    """First what all begin with, then their beginnings."""
    assert short_names(["lin_1", "lin_2"], 8) == ["lin_1", "lin_2"]
    assert short_names(["model.block.0.up", "model.block.1.up"], 8) == ["block.0.up"[6:], "block.1.up"[6:]]
    assert short_names(["encoder_first", "decoder_last"], 8) == ["…r_first", "…er_last"]
    assert short_names(["a\nb", "層"], 8) == ["a?b", "?"]
    assert short_names(["same.one.thing"], 5) == ["thing"]


def test_only_the_worst_verdicts_are_shown_where_there_is_little_room() -> None:
    """With a word that there are more; without any, that nothing stands out."""
    found = [Verdict(f"trouble {number}", "dead", (0,), is_alarm=number == 1) for number in range(1, 6)]
    assert [line.plain for line in verdict_lines(found, "fine", 60, 2)] == ["! trouble 1", "! trouble 2  +3 more"]
    assert verdict_lines(found, "fine", 14, 1)[0].cell_length <= 14
    assert [line.plain for line in verdict_lines([], "fine", 60, 3)] == ["fine"]


def with_layers(source: FakeSource, num_layers: int = 6) -> FakeSource:
    """The source of a run whose layers were looked at."""
    infos = tuple(LayerInfo(name=f"lin_{number}.weight", shape=(32, 784)) for number in range(1, num_layers + 1))
    source.waiting = [
        msgspec.structs.replace(word, layers=infos) if isinstance(word, RunStarted) else word for word in source.waiting
    ]
    source.waiting += vanishing(num_layers)
    return source


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 20)])
async def test_y_opens_the_layers_and_closes_them_again(size: tuple[int, int]) -> None:
    """With header, table, verdicts and footer; the live screen is as it was."""
    async with watched(with_layers(FakeSource(STEERED, 25)), size) as (screen, pilot):
        await pilot.press("enter")
        await until(lambda: screen.look.is_maximised)
        for close in ("y", "escape"):
            await pilot.press("y")
            await until(lambda: isinstance(screen.app.screen, LayersScreen))
            for words in ("5eed", "6 layers · gradient norm", "1e-5", "vanishing", "▸ lin_1", "q leave", "esc back"):
                await until(lambda words=words: words in text_of(screen.app))  # type: ignore[misc]
            assert ("32×784" in text_of(screen.app)) or size[0] < 120
            assert ("+1 more" in text_of(screen.app)) == (size[1] < 22)
            await pilot.press(close)
            await until(lambda: screen.app.screen is screen)
        assert screen.look.is_maximised
        await until(lambda: "batch loss" in text_of(screen.app) and "gradient norm" not in text_of(screen.app))
        assert screen.focused is screen.query_one("#loss", Chart)


async def test_the_quantity_and_the_row_are_chosen_by_keys() -> None:
    """m and tab go on, shift+tab goes back; arrows, pages and ends move the selection; quantities without values are
    passed over.
    """
    async with watched(with_layers(FakeSource(STEERED, 25), 60)) as (screen, pilot):
        await pilot.press("y")
        shown = ("gradient_norm", "update_ratio", "activation_std", "activation_mean", "saturated", "weight_norm")
        for name, key in zip((*shown, "gradient_norm"), (*("m", "tab") * 3, "shift+tab"), strict=True):
            await until(lambda name=name: f"· {BY_ID[name].title} over" in text_of(screen.app))  # type: ignore[misc]
            await pilot.press(key)
        await until(lambda: "· weight norm over time" in text_of(screen.app))
        for key, number in (("down", 2), ("up", 1), ("up", 1), ("end", 60), ("home", 1), ("pagedown", 33)):
            await pilot.press(key)
            await until(lambda number=number: f"▸ lin_{number} " in text_of(screen.app))  # type: ignore[misc]


async def test_news_change_the_picture_and_nothing_else_does() -> None:
    """A look, or any word; without one nothing is drawn. The charts below wait until they are seen again."""
    source = with_layers(FakeSource(STEERED, 25))
    async with watched(source) as (screen, pilot):
        await pilot.press("y")
        await until(lambda: "vanishing" in text_of(screen.app))
        layers = screen.app.screen
        assert isinstance(layers, LayersScreen)
        before = layers._drawn
        drawn_below = screen.query_one("#loss", Chart).figure
        await pilot.pause(0.6)
        assert layers._drawn == before
        source.waiting += FakeSource(STEERED).waiting[25:60]
        source.waiting.append(look(400, 6, dead=[0.0, 0.62, 0.0, 0.0, 0.0, 0.0]))
        await until(lambda: "62 % of the units of lin_2 are dead" in text_of(screen.app))
        assert screen.query_one("#loss", Chart).figure is drawn_below
        await pilot.press("escape")
        await until(lambda: screen.query_one("#loss", Chart).figure != drawn_below)


async def test_the_keys_of_the_run_work_here_too() -> None:
    """Pause is asked; help lists the keys of this screen; a resize leaves it whole."""
    source = with_layers(FakeSource(STEERED, 25))
    async with watched(source) as (screen, pilot):
        await pilot.press("y", "space")
        await until(lambda: source.asked == [Pause()])
        await pilot.press("question_mark")
        await until(lambda: isinstance(screen.app.screen, HelpSheet) and "Go back to the charts" in text_of(screen.app))
        await pilot.press("escape")
        for size in [(60, 20), (200, 60), (20, 5), (1, 1), (120, 40)]:
            await pilot.resize_terminal(*size)
        await until(lambda: "vanishing" in text_of(screen.app) and "32×784" in text_of(screen.app))
        await pilot.press("d")
        assert isinstance(screen.app.screen, LayersScreen)


@pytest.mark.parametrize(
    ("name", "num_words", "why"),
    [(STEERED, 25, "Not measured yet; if it stays so"), (STEERED, 3, "Not measured yet: the layers are looked at"),
     (ASKED, None, "The layers were never measured: the telemetry budget was 0")],
)  # fmt: skip
async def test_without_a_look_it_says_why(name: str, num_words: int | None, why: str) -> None:
    """One sentence, and no empty frame."""
    source = FakeSource(name, num_words)
    source.waiting = [word for word in source.waiting if not isinstance(word, LayersMeasured)]
    app = TuitrainApp(source)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: isinstance(app.screen, LiveScreen) and source.board.num_words > 0)
        await pilot.press("y", "m", "down", "pagedown")
        await until(lambda: why in " ".join(text_of(app).replace("│", " ").split()))


async def test_a_replay_is_followed(tmp_path: Path) -> None:
    """Forwards as it plays, and back where a person seeks, which gives another board."""
    source = ReplaySource(copied(STEERED, tmp_path), speed=1.0)
    source.is_playing = False
    app = TuitrainApp(source)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: source.length > 0.0 and not source._thread.is_alive() and not source._arrived)
        for number, event in enumerate(vanishing()):
            source._recorded.append(msgspec.structs.replace(event, seconds=source.length))
            source._at.append(source.length)
            assert number < 20
        await pilot.press("y")
        await until(lambda: isinstance(app.screen, LayersScreen) and "Not measured yet" in text_of(app))
        source.seek(source.length)
        await until(lambda: "vanishing" in text_of(app) and "replay" in text_of(app))
        transport = app.screen.query_one("#transport", Static)
        assert transport.display
        await pilot.press("comma")
        await until(lambda: "vanishing" not in text_of(app) and source.position < source.length)
        await pilot.press("space")
        await until(lambda: source.is_playing)
