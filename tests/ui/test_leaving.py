"""What is said to a person who leaves."""

from __future__ import annotations

import pytest

from tests.ui.comparisons import FakeReader, comparison
from tests.ui.test_search_screen import search
from tuitrain import launch
from tuitrain.comparing.leaving import best_words, leaving_words
from tuitrain.protocol.comparing import SchedulerEnded
from tuitrain.ui.app import TuitrainApp


def test_the_verdict_and_the_way_back_are_said() -> None:
    """In one line; while it is at work that it goes on, and that it does not where nobody launches the rest."""
    found = comparison(seeds=2)
    back = "tuitrain compare --resume optimizers"
    assert leaving_words(found, "adam is best.", is_scheduled=False) == (
        f"optimizers: adam is best. Look again with: {back}"
    )
    found.members["sgd-s0"].state = "running"
    assert leaving_words(found, "", is_scheduled=True) == f"left optimizers; it goes on. Come back with: {back}"
    found.members["sgd-s1"].state = "waiting"
    words = leaving_words(found, "", is_scheduled=False)
    assert words == f"optimizers: its scheduler is gone, 1 at work, 1 left. Go on with: {back}"
    found.members["sgd-s0"].state = "stopped"
    found.ended = SchedulerEnded(reason="stopped", time=0.0)
    words = leaving_words(found, "adam is best.", is_scheduled=False)
    assert words == f"optimizers: it was stopped, 1 left. Go on with: {back}"
    assert leaving_words(comparison(name=""), "", is_scheduled=False) == ""


def test_a_search_is_done_when_it_says_so() -> None:
    """Between two trials all that there are have ended."""
    found = search(5)
    back = "tuitrain search --resume rates"
    assert leaving_words(found, "", is_scheduled=True) == f"left rates; it goes on. Come back with: {back}"
    found.ended = SchedulerEnded(reason="finished", time=0.0)
    said = leaving_words(found, best_words(found), is_scheduled=False)
    assert said == f"rates: The best is trial 5, eval/loss 0.3. Look again with: {back}"
    assert best_words(search(0)) == ""


@pytest.mark.parametrize("kind", ["compare", "search"])
def test_it_is_printed_when_the_screen_is_gone(
    kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stdout, with the verdict by the comparison's own metric."""
    monkeypatch.setattr(TuitrainApp, "run", lambda self: None)
    reader = FakeReader(comparison(seeds=2) if kind == "compare" else search())
    if kind == "compare":
        assert launch.watch_comparison(reader) == 0  # type: ignore[arg-type]
        assert capsys.readouterr().out == (
            f"optimizers: {reader.comparison.ranking('eval/loss').sentence} "
            "Look again with: tuitrain compare --resume optimizers\n"
        )
        return
    assert launch.watch_search(reader, None) == 0  # type: ignore[arg-type]
    assert "tuitrain search --resume rates" in capsys.readouterr().out
