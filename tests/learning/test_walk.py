"""What the walk says is whole, short, and names only what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from tests.lecture.items import ITEMS
from tuitrain.cli import app
from tuitrain.errors import TuitrainError, UnknownNameError
from tuitrain.learning.walk import Station, chapter_of, chapters, find_station, matching, read_chapter, stations
from tuitrain.preset import list_presets, load_preset
from tuitrain.techniques.explaining import explained
from tuitrain.ui.actions import ACTIONS, LAYER_ACTIONS

LIMITS = {"about": 300, "look": 300, "question": 200, "answer": 330}
MOST_FORMULA = 44
WITHOUT_FORMULA = {"networks"}
WITHOUT_NUMBER = {"networks", "sam", "rprop", "beyond-adam", "plateau", "clipping"}
"""Stations whose `look` has nothing to measure but a shape."""
KEYS = {action.key_text for action in (*ACTIONS, *LAYER_ACTIONS)}
COMMANDS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
every_station = pytest.mark.parametrize("station", [pytest.param(each, id=each.id) for each in stations()])


def test_the_chapters_come_in_the_order_of_the_lecture() -> None:
    """From the first line to curvature; each with a word about it, and no station twice."""
    titles = [chapter.title for chapter in chapters()]
    assert titles == [
        "Foundations", "Descent and mini-batches", "Surfaces", "Optimizers", "Learning rate and schedules",
        "Initialisation and preprocessing", "Babysitting", "Regularization", "Normalisation", "Generalisation",
        "Averages and ensembles", "Transfer", "Second order",
    ]  # fmt: skip
    assert all(chapter.about and chapter.station for chapter in chapters())
    ids = [station.id for station in stations()]
    assert len(ids) == len(set(ids))


@every_station
def test_a_station_is_whole_and_short(station: Station) -> None:
    """Two sentences, a formula, something to run and to press, a question and its answer; no wall of text."""
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", station.id)
    assert len(re.findall(r"[.!?](?=\s+[A-Z0-9“]|$)", station.about)) == 2
    for name, most in LIMITS.items():
        assert 0 < len(getattr(station, name)) <= most, name
    assert bool(station.formula) != (station.id in WITHOUT_FORMULA)
    assert all(0 < len(line) <= MOST_FORMULA for line in station.formula)
    assert 1 <= len(station.run) <= 9
    assert station.press
    assert "?" in station.question or station.question.endswith(".")
    assert re.search(r"\d", station.look) or station.id in WITHOUT_NUMBER
    assert len(station.careful) <= 3
    assert all(len(words) <= 260 for words in station.careful)
    assert all(re.search(r"\d{4}", paper) for paper in station.papers)


@every_station
def test_a_station_names_what_there_is(station: Station) -> None:
    """Presets, keys and commands; those that are still to come are listed in one place."""
    known = {preset.name for preset in list_presets()}
    assert set(station.run) <= known
    assert len(set(station.run)) == len(station.run)
    assert {key for key, _ in station.press} <= KEYS
    for line in station.shell:
        program, command, *arguments = line.split()
        assert program == "tuitrain"
        assert command in COMMANDS
        if command == "explain":
            assert explained(arguments[0])
        elif command == "run":
            assert load_preset(arguments[0], arguments[1:]).name == arguments[0]


@every_station
def test_a_station_cites_papers_and_not_somebody_s_notes(station: Station) -> None:
    """Where notes err is said in words: nobody else has the lines of these notes."""
    words = " ".join((station.about, station.look, station.question, station.answer, *station.careful))
    assert not re.search(r"\bN\d(:\d|\b)|\bline \d+ of the notes", words)


def test_every_preset_is_run_at_some_station() -> None:
    """Each shipped one, and each that an item of the lecture names."""
    named = {name for station in stations() for name in station.run}
    assert {preset.name for preset in list_presets()} <= named
    assert {item.preset.split()[0] for item in ITEMS if item.preset} <= named


def test_a_station_is_found_by_its_id_or_a_preset_that_it_runs() -> None:
    """Else the nearest one is named."""
    assert find_station("momentum").title == "Momentum"
    assert find_station("adagrad-slows").id == "adagrad"
    assert chapter_of(find_station("momentum")).title == "Optimizers"
    with pytest.raises(UnknownNameError, match=r'No station named "momentm"\. Try: "momentum"'):
        find_station("momentm")


def test_a_search_finds_every_word_anywhere() -> None:
    """In formulas and papers as well; nothing typed finds all."""
    assert [station.id for station in matching("KINGMA section")] == ["bias-correction"]
    assert "newton" in {station.id for station in matching("h⁻¹")}
    assert matching("") == stations()
    assert matching("no-such-thing") == ()


@pytest.mark.parametrize("text", ["title = ", 'title = "A"\nabout = "b"\nstaton = []', 'title = 3\nabout = "b"\n'])
def test_a_damaged_chapter_is_a_clear_error(text: str, tmp_path: Path) -> None:
    """With the file, and what is wrong."""
    path = tmp_path / "broken.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TuitrainError, match=r"broken\.toml: is no chapter of the walk"):
        read_chapter(path)
