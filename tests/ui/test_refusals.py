"""What cannot be asked now is greyed, and the key says why; what can, is asked once."""

from __future__ import annotations

import msgspec
import pytest
from textual.widgets import Static

from tests.recordings import ASKED, HAND_MADE, STEERED
from tests.recordings.hand_made import hand_made
from tests.ui.watching import FakeSource, text_of, until, watched
from tuitrain.protocol.commands import Stop
from tuitrain.protocol.description import CommandInfo
from tuitrain.protocol.events import RunStarted, StageEntered
from tuitrain.ui.actions import ACTIONS, BY_ID, Action
from tuitrain.ui.screens.small import HelpSheet
from tuitrain.ui.steering import refusal
from tuitrain.ui.widgets.composer import Composer
from tuitrain.ui.widgets.footer import Footer, _piece

ASKING = [action for action in ACTIONS if action.command]
STARTED = next(word for word in hand_made() if isinstance(word, RunStarted))


def fed(*words: RunStarted | StageEntered) -> FakeSource:
    """A source that has said these words and no more."""
    source = FakeSource(STEERED, 0)
    for word in words:
        source.board.apply(word)
    return source


@pytest.mark.parametrize("action", ASKING, ids=lambda action: action.id)
def test_each_asking_action_says_why_not(action: Action) -> None:
    """While starting (but stop), in a replay, after each kind of end, and where the run does not know it."""
    starting = refusal(action, fed(StageEntered(stage="importing torch")))
    assert starting == ("" if action.id == "stop" else "the run is still starting")
    for name, reason in ((STEERED, "the run has finished"), (ASKED, "the run was stopped"), (HAND_MADE, "has failed")):
        source = FakeSource(name)
        source.drain(1.0)
        assert reason in refusal(action, source)
        source.refuses_because = "this is a replay"
        assert refusal(action, source) == "this is a replay"
    other = (CommandInfo(name="nothing"),)
    stranger = fed(msgspec.structs.replace(STARTED, commands=other))
    assert refusal(action, stranger) == "this run does not know that command"
    polite = (CommandInfo(name=action.command, refused_because="its loop is another's"),)
    assert refusal(action, fed(msgspec.structs.replace(STARTED, commands=polite))) == "its loop is another's"
    assert refusal(action, fed(STARTED)) == ""


@pytest.mark.parametrize("action", ASKING, ids=lambda action: action.id)
async def test_no_key_asks_anything_of_an_ended_run(action: Action) -> None:
    """The reason appears; nothing opens and nothing is written."""
    source = FakeSource(HAND_MADE)
    async with watched(source, (80, 24)) as (screen, pilot):
        await pilot.press(action.key.split(",")[0])
        await until(lambda: "the run has failed" in text_of(screen.app))
        assert source.asked == []
        assert not screen.query_one(Composer).is_open


def test_a_greyed_key_looks_grey() -> None:
    """Not bold and of another style than one that can be used."""
    usable, grey = _piece(BY_ID["decay"], "decay", False), _piece(BY_ID["decay"], "decay", True)
    assert usable.plain == grey.plain == "d decay"
    assert usable.spans != grey.spans


async def test_help_tells_the_reason_beside_the_key() -> None:
    """Of each that cannot be used."""
    async with watched(FakeSource(STEERED), (120, 40)) as (screen, pilot):
        await pilot.press("question_mark")
        await until(lambda: isinstance(screen.app.screen, HelpSheet))
        words = " ".join(str(screen.app.screen.query_one(Static).content).split())  # it goes on in a next line
        assert words.count("not now: the run has finished") == len(ASKING)


async def test_a_run_that_is_starting_can_be_stopped() -> None:
    """A person who picked the wrong preset need not wait for torch."""
    source = FakeSource(STEERED, 1)
    from tuitrain.ui.app import TuitrainApp

    app = TuitrainApp(source)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: "starting: importing torch" in text_of(app))
        await pilot.press("d", "x")
        await until(lambda: source.asked == [Stop()])


@pytest.mark.parametrize("width", [40, 60, 80, 120])
async def test_the_footer_always_tells_help_and_leave(width: int) -> None:
    """Whatever fits beside them."""
    async with watched(FakeSource(STEERED, 25), (width, 24)) as (screen, _):
        await until(lambda: "? keys" in text_of(screen.app) and "q leave" in text_of(screen.app))
        assert screen.query_one(Footer).size.height == 1
