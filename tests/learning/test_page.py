"""A station is set for any width, and says the same on every one."""

from __future__ import annotations

import re

import pytest

from tuitrain.learning.page import View, page, plain_text
from tuitrain.learning.walk import Station, find_station, stations

TITLES = {"lab-wave-momentum": "Optimizer lab: momentum"}


@pytest.mark.parametrize("width", [38, 45, 47, 55, 78, 88])
@pytest.mark.parametrize("station", [pytest.param(each, id=each.id) for each in stations()])
def test_no_line_is_longer_than_the_screen(station: Station, width: int) -> None:
    """Words wrap; formulas stand whole from 44 columns on; a command that is one long word may stick out."""
    lines = page(station, View(width=width, titles=TITLES, is_answered=True))
    for line in lines:
        text = "".join(piece.text for piece in line).rstrip()
        kinds = {piece.kind for piece in line}
        is_formula = "formula" in kinds and width < 44
        is_one_word = len(text.split()) <= 2
        assert len(text) <= width or is_formula or is_one_word, text


@pytest.mark.parametrize("width", [30, 47, 88])
def test_every_word_is_there_at_every_width(width: int) -> None:
    """Nothing is cut off."""
    station = find_station("momentum")
    shown = " ".join(plain_text(page(station, View(width=width, titles=TITLES, is_answered=True))).split())
    for words in (station.about, station.look, station.question, station.answer, *station.formula):
        for word in words.split():
            assert word in shown


def test_the_answer_is_covered_until_it_is_asked_for() -> None:
    """And the key that uncovers it is named."""
    station = find_station("momentum")
    covered = plain_text(page(station, View(width=80, titles=TITLES)))
    assert "Made them ten times" not in covered
    assert "a uncovers it" in covered
    assert "Made them ten times" in plain_text(page(station, View(width=80, titles=TITLES, is_answered=True)))


def test_one_preset_is_chosen_and_a_missing_one_says_so() -> None:
    """Missing ones keep their place."""
    station = find_station("momentum")
    text = plain_text(page(station, View(width=80, titles=TITLES, chosen=0)))
    assert re.search(r"▸1 lab-wave-momentum +Optimizer lab: momentum", text)
    assert re.search(r" 2 ravine +not in this version", text)
    assert "▸" not in plain_text(page(station, View(width=80, titles=TITLES, chosen=-1)))


def test_numbers_and_assignments_stay_together() -> None:
    """No line ends within 1 000 or before an equals sign."""
    for station in stations():
        for width in range(45, 60):
            text = plain_text(page(station, View(width=width, titles={}, is_answered=True)))
            assert not re.search(r"\d\n +\d{3}\b(?!\.)", text), station.id
            assert not re.search(r"[a-zρη] ?\n +[=←] ", text), station.id
