"""What a figure becomes as lines of a terminal, and the pure arithmetic behind its axes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from tuitrain.ui.widgets.figure import (
    Band,
    Curve,
    Figure,
    Level,
    Mark,
    format_value,
    linear_ticks,
    log_ticks,
    seconds_ticks,
    value_at,
    x_ticks,
)
from tuitrain.ui.widgets.palette import Palette
from tuitrain.ui.widgets.plane import cleaned, pieces, plane_of
from tuitrain.ui.widgets.plotting import draw

LOSS, ALARM, GAP = (97, 175, 239), (224, 60, 60), (200, 100, 100)
PALETTE = Palette({"loss": LOSS, "alarm": ALARM, "gap": GAP, "mark": (200, 160, 60)}, background=(0, 0, 0))
PLAIN = Palette(depth="none")
STEPS = list(range(100))

any_float = st.floats(allow_nan=True, allow_infinity=True, width=64)


def curve(ys: list[float], **kwargs: object) -> Curve:
    return replace(Curve("loss", list(range(len(ys))), ys, "loss", is_emphasised=True), **kwargs)  # type: ignore[arg-type]


def plain(figure: Figure, width: int = 60, height: int = 16, **kwargs: object) -> list[str]:
    return draw(figure, width, height, PLAIN, **kwargs)  # type: ignore[arg-type]


class TestSize:
    """A chart has exactly the cells it was given."""

    @given(st.integers(0, 200), st.integers(0, 60), st.lists(any_float, max_size=60), st.booleans())
    @settings(max_examples=80, deadline=None)
    def test_lines_and_cells_are_exactly_as_many_as_asked_for(
        self, width: int, height: int, ys: list[float], is_log: bool
    ) -> None:
        lines = draw(Figure(curves=(curve(ys),), is_log=is_log), width, height, PLAIN)
        assert [cell_len(line) for line in lines] == [width] * height

    def test_a_chart_larger_than_the_terminal_is_not_cut(self) -> None:
        """Left alone, plotext clips to the terminal's size at its import."""
        lines = plain(Figure(curves=(curve([0.0, 1.0]),), y_range=(0, 1), x_range=(0, 1)), 400, 120)
        assert lines[0][-1] not in " \u2800"
        assert lines[117][6] not in " \u2800"

    @pytest.mark.parametrize("size", [(0, 0), (5, 2), (11, 9), (40, 3)])
    def test_too_small_a_chart_says_little_instead_of_failing(self, size: tuple[int, int]) -> None:
        lines = plain(Figure(curves=(curve([1.0, 2.0]),)), *size)
        assert len(lines) == size[1]

    def test_an_empty_chart_says_why(self) -> None:
        assert "waiting for the first step" in "".join(plain(Figure()))

    def test_an_error_of_plotext_becomes_a_quiet_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise ValueError("no such marker")

        monkeypatch.setattr("plotext.marker", refuse)
        assert "chart cannot be drawn: no such marker" in "".join(plain(Figure(curves=(curve([1.0, 2.0]),))))


class TestNonFinite:
    """A diverged run is drawn as what it is."""

    YS = (3.0, 2.0, math.nan, 2.0, math.inf, 1.0, 1.0)

    def test_a_series_is_cut_at_every_value_that_is_not_finite(self) -> None:
        figure = Figure(curves=(curve(list(self.YS)),))
        plane = plane_of(figure, 60, 16)
        assert plane is not None
        runs = pieces(cleaned(range(7), self.YS, is_log=False), plane, is_connected=True)
        assert [ys.tolist() for _, ys in runs] == [[3.0, 2.0], [2.0], [1.0, 1.0]]

    def test_thinning_never_bridges_a_gap(self) -> None:
        ys = [1.0] * 5000 + [math.nan] + [2.0] * 5000
        plane = plane_of(Figure(curves=(curve(ys),)), 60, 16)
        assert plane is not None
        first, second = pieces(cleaned(range(len(ys)), ys, is_log=False), plane, is_connected=True)
        assert set(first[1].tolist()) == {1.0}
        assert set(second[1].tolist()) == {2.0}

    def test_nan_is_a_cross_below_and_infinity_one_above(self) -> None:
        lines = draw(Figure(curves=(curve(list(self.YS)),)), 60, 16, PALETTE)
        top, bottom = Text.from_ansi(lines[0]), Text.from_ansi(lines[13])
        assert top.plain.count("×") == bottom.plain.count("×") == 1
        assert top.plain.index("×") > bottom.plain.index("×")
        assert "38;2;224;60;60" in lines[0]

    def test_a_run_of_only_nan_still_has_a_chart(self) -> None:
        assert "×" in plain(Figure(curves=(curve([math.nan] * 5),)))[13]

    def test_log_axis_leaves_out_zero_and_below(self) -> None:
        xs, ys = cleaned([0, 1, 2, 3], [0.0, 10.0, -5.0, 100.0], is_log=True)
        assert xs.tolist() == [1.0, 3.0]
        assert ys.tolist() == [1.0, 2.0]


class TestPicture:
    """What lies where."""

    @pytest.mark.parametrize("value", [0.0, 0.5, 1e-30, 1e16, -3.0])
    def test_a_constant_series_is_drawn_without_a_word_to_stdout(
        self, value: float, capfd: pytest.CaptureFixture[str]
    ) -> None:
        lines = plain(Figure(curves=(curve([value] * 50),)))
        assert sum(any("\u2800" < c <= "\u28ff" for c in line) for line in lines) == 1
        assert capfd.readouterr() == ("", "")

    def test_an_early_spike_of_the_line_stays_in_view(self) -> None:
        plane = plane_of(Figure(curves=(curve([540.0] + [0.3] * 99),)), 60, 16)
        assert plane is not None
        assert plane.y_high >= 540

    def test_a_spike_among_raw_points_is_clipped_in_favour_of_the_line(self) -> None:
        raw = Curve("raw", STEPS, [1.0] * 50 + [1e6] + [1.0] * 49, "loss-faint", "points")
        plane = plane_of(Figure(curves=(raw, curve([1.0, 0.5] * 50))), 60, 16)
        assert plane is not None
        assert plane.y_high < 2

    def test_emphasised_line_is_kept_clear_of_raw_points(self) -> None:
        """Points close by leave the cells of the line as they are, and are seen everywhere else."""
        ys = [math.exp(-x / 20) for x in STEPS]
        raw = Curve(
            "raw", STEPS, [y + 0.03 * (-1) ** x for x, y in zip(STEPS, ys, strict=True)], "loss-faint", "points"
        )
        alone = "".join(plain(Figure(curves=(curve(ys),), y_range=(-0.1, 1.1))))
        both = "".join(plain(Figure(curves=(raw, curve(ys)), y_range=(-0.1, 1.1))))
        assert both != alone
        assert all(after == before for before, after in zip(alone, both, strict=True) if before != " ")

    def test_gap_is_shaded_behind_the_lines(self) -> None:
        xs = [0.0, 99.0]
        band = Band("gap", xs, [1.0, 1.0], [3.0, 3.0], "gap")
        figure = Figure(curves=(Curve("a", xs, [1.0, 1.0], "loss"), Curve("b", xs, [3.0, 3.0], "loss")), bands=(band,))
        tint = ";".join(map(str, PALETTE.shade("gap") or ()))
        shaded = [number for number, line in enumerate(draw(figure, 60, 16, PALETTE)) if f"48;2;{tint}" in line]
        assert 5 <= len(shaded) <= 11
        assert any("·" in line for line in plain(figure))

    def test_marks_levels_and_cursor_are_where_they_belong(self) -> None:
        figure = Figure(
            curves=(curve([0.0] * 100),),
            marks=(Mark(99.0, "x"), Mark(20.0, "adam→sgd")),
            levels=(Level(2.0, "clip"),),
            cursor=50.0,
            x_range=(0, 100),
            y_range=(0, 4),
        )
        lines = plain(figure)
        plane = plane_of(figure, 60, 16)
        assert plane is not None
        assert plane.x_at(plane.gutter + (plane.column_of(50.0) or 0)) == pytest.approx(50, abs=1)
        assert all(line[plane.gutter + (plane.column_of(20.0) or 0)] == "⠅" for line in lines[:12])
        assert all(line[plane.gutter + (plane.column_of(50.0) or 0)] in "│⠄" for line in lines[:12])
        assert "●" in lines[13]
        assert "adam→sgd" in lines[0]
        assert "clip" in "".join(lines[5:7])

    def test_ascii_is_ascii(self) -> None:
        figure = Figure(
            curves=(curve([1.0, math.nan, 2.0]), Curve("b", [0, 1, 2], [1, 2, 3], "rate")), marks=(Mark(1),), cursor=0.0
        )
        assert "".join(plain(figure, markers="ascii")).isascii()

    def test_colourless_lines_carry_no_codes_and_differ_by_marker(self) -> None:
        figure = Figure(curves=(curve([1.0] * 9), Curve("b", range(9), [2.0] * 9, "rate")))
        text = "".join(plain(figure))
        assert "\x1b" not in text
        assert "•" in text

    def test_charts_side_by_side_have_their_axes_in_one_column(self) -> None:
        ranges = [(0.0, 2.5), (0.0, 1e-3), (0.0, 540.0)]
        planes = [plane_of(Figure(curves=(curve([0, 1]),), y_range=span), 60, 16) for span in ranges]
        assert len({plane.gutter for plane in planes if plane}) == 1


class TestTicks:
    """Round numbers in few characters."""

    @pytest.mark.parametrize(
        ("ends", "labels"),
        [
            ((0, 6250), ["0", "2k", "4k", "6k"]),
            ((0, 1e-3), ["0", "5e-4", "1e-3"]),
            ((0, 0.23), ["0", "0.1", "0.2"]),
            ((0, 3.2e6), ["0", "1M", "2M", "3M"]),
            ((-3, 4), ["-2", "0", "2", "4"]),
        ],
    )
    def test_linear(self, ends: tuple[float, float], labels: list[str]) -> None:
        assert [label for _, label in linear_ticks(*ends, 4)] == labels

    @pytest.mark.parametrize(
        ("ends", "labels"),
        [
            ((-1, 1.1), ["0.1", "1", "10"]),
            ((-8, 3), ["1e-6", "1e-3", "1", "1k"]),
            ((-0.2, 0.5), ["1", "2"]),
            ((-4.2, -2.7), ["1e-4", "1e-3"]),
        ],
    )
    def test_log_has_decades_or_round_values_within_one(self, ends: tuple[float, float], labels: list[str]) -> None:
        ticks = log_ticks(*ends, 4)
        assert [label for _, label in ticks] == labels
        assert all(ends[0] <= place <= ends[1] for place, _ in ticks)

    @pytest.mark.parametrize(
        ("ends", "labels"),
        [((0, 100), ["0:00", "0:30", "1:00", "1:30"]), ((3600, 18_000), ["1h", "2h", "3h", "4h", "5h"])],
    )
    def test_seconds_read_as_durations(self, ends: tuple[float, float], labels: list[str]) -> None:
        assert [label for _, label in seconds_ticks(*ends, 4)] == labels

    def test_steps_have_no_fractions(self) -> None:
        assert [label for _, label in x_ticks(0, 1, 5, "step")] == ["0", "1"]
        assert len(x_ticks(0, 1, 5, "epoch")) > 2

    @given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300), st.integers(1, 9))
    def test_ticks_ascend_within_their_range(self, one: float, other: float, count: int) -> None:
        low, high = sorted((one, other))
        places = [place for place, _ in linear_ticks(low, high, count)]
        slack = (high - low) * 1e-5
        assert places == sorted(places)
        assert all(low - slack <= place <= high + slack for place in places)
        assert len(places) <= count + 1

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            *[(0.231, "0.231"), (1e-3, "1.0e-3"), (3.1e-5, "3.1e-5"), (2310, "2 310"), (12.34, "12.3")],
            *[(math.nan, "nan"), (math.inf, "inf"), (0.0, "0"), (1234567, "1.2e+6"), (-3.2, "-3.20")],
        ],
    )
    def test_values_are_compact(self, value: float, text: str) -> None:
        assert format_value(value) == text


class TestValueAt:
    """The cursor reads the nearest point."""

    @given(st.lists(st.integers(-1000, 1000), min_size=1, unique=True), st.floats(-2000, 2000))
    def test_it_is_the_value_of_the_nearest_x(self, places: list[int], x: float) -> None:
        xs = sorted(places)
        found = value_at(Curve("c", xs, xs, "loss"), x)
        assert found is not None
        assert abs(found - x) == min(abs(each - x) for each in xs)

    def test_an_empty_curve_has_none(self) -> None:
        assert value_at(Curve("c", [], [], "loss"), 1.0) is None


def test_palette_sinks_faint_roles_towards_the_background() -> None:
    """An unknown role is text; in sixteen colours faint is bright black; without colour there is none."""
    assert sum(PALETTE.colour("loss-faint") or ()) < sum(LOSS) / 2
    assert PALETTE.colour("?") == PALETTE.text
    assert replace(PALETTE, depth="sixteen").colour("loss-faint") == (128, 128, 128)
    assert replace(PALETTE, depth="none").colour("loss") is None
