"""The live screen: what it shows at every size, and what each key asks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.message import Message
from textual.widgets import Input

from tests.recordings import DIVERGED, STEERED, WENT_BACK
from tests.ui.watching import FakeSource, text_of, until, watched
from tuitrain.protocol.carrier import CarrierStatus
from tuitrain.protocol.commands import (
    Evaluate,
    Pause,
    PreviewSwitch,
    Resume,
    RollBack,
    ScaleLearningRate,
    SetHyperparameter,
    SetPace,
    SetSchedule,
    StepOnce,
    Stop,
    SwitchOptimizer,
    Undo,
)
from tuitrain.protocol.events import CommandRefused, Paused, SwitchPreviewed
from tuitrain.ui.actions import BY_ID
from tuitrain.ui.composing import BranchWish
from tuitrain.ui.screens.live import LiveScreen
from tuitrain.ui.screens.small import HelpSheet, OutputSheet
from tuitrain.ui.widgets.chart import Chart
from tuitrain.ui.widgets.composer import Composer

# The first 25 words: running, adam, before any decision.
EARLY = 25
# Of the other recording: the rate was raised, and it has not gone back yet.
RAISED = 90


@pytest.mark.parametrize(
    ("size", "charts", "shown", "not_shown"),
    [
        ((120, 40), 4, ["what happened", "optimizer", "batch loss", "gap", "training", "q leave"], []),
        ((80, 24), 4, ["adam", "lr ", "gradient norm", "train / validation", "q leave"], ["what happened"]),
        ((60, 20), 1, ["adam", "batch loss", "q leave"], ["gradient norm", "what happened"]),
    ],
)
async def test_each_size_shows_what_fits(
    size: tuple[int, int], charts: int, shown: list[str], not_shown: list[str]
) -> None:
    """Wide with panels, narrow with a strip, small with one chart at a time."""
    async with watched(FakeSource(STEERED, EARLY), size) as (screen, _):
        await until(lambda: all(word in text_of(screen.app) for word in shown))
        assert not [word for word in not_shown if word in text_of(screen.app)]
        assert len(screen.query("Chart.-shown")) == charts


async def test_keys_ask_and_the_picture_waits_for_the_answer() -> None:
    """Pause, step, evaluate, stop, pace: one command each; the state changes when the run says so."""
    source = FakeSource(STEERED, EARLY)
    async with watched(source) as (screen, pilot):
        await pilot.press("space", "s", "e", "less_than_sign", "x")
        await until(lambda: len(source.asked) == 5)
        assert source.asked[:3] == [Pause(), StepOnce(), Evaluate()]
        assert isinstance(source.asked[3], SetPace)
        assert source.asked[4] == Stop()
        assert source.board.state == "running"
        source.waiting.append(Paused(step=source.board.step, reason="asked"))
        await until(lambda: "paused" in text_of(screen.app) and "space resume" in text_of(screen.app))
        await pilot.press("space")
        await until(lambda: source.asked[-1] == Resume())


async def test_a_decay_is_drawn_before_it_is_asked() -> None:
    """The composer proposes ×0.1, the learning-rate chart shows the plan, Enter asks, Escape does not."""
    source = FakeSource(STEERED, EARLY)
    async with watched(source) as (screen, pilot):
        await pilot.press("d")
        await until(lambda: screen.query_one(Composer).is_open)
        rate = screen.query_one("#rate", Chart)
        await until(lambda: any(curve.name == "proposed" for curve in rate.figure.curves))
        await until(lambda: "learning rate" in text_of(screen.app) and "at the end" in text_of(screen.app))
        await pilot.press("escape")
        await until(lambda: not screen.query_one(Composer).is_open)
        assert source.asked == []
        await until(lambda: not any(curve.name == "proposed" for curve in rate.figure.curves))
        await pilot.press("d", "enter")
        await until(lambda: source.asked == [ScaleLearningRate(factor=0.1)])


async def test_a_wrong_word_in_the_composer_says_why_and_asks_nothing() -> None:
    """Letters typed there are no keys of the screen."""
    source = FakeSource(STEERED, EARLY)
    async with watched(source) as (screen, pilot):
        await pilot.press("r")
        await pilot.press(*"fast", "enter")
        await until(lambda: "is not a number" in text_of(screen.app))
        assert source.asked == []
        assert screen.query_one(Input).value == "fast"


async def test_a_switch_is_previewed_before_it_is_asked() -> None:
    """The highlighted optimizer is asked about; its answer is shown; Enter switches."""
    source = FakeSource(STEERED, EARLY)
    async with watched(source) as (screen, pilot):
        await pilot.press("o")
        await until(lambda: source.asked == [PreviewSwitch(name="sgd")])
        source.waiting.append(
            SwitchPreviewed(
                step=source.board.step, from_name="adam", to_name="sgd", cold_ratio=46.0,
                learning_rates={"all": 0.01}, handover_steps=50, extra_memory_bytes=2_000_000,
            )
        )  # fmt: skip
        await until(lambda: "46× larger" in text_of(screen.app) and "keeps it at 1.0×" in text_of(screen.app))
        await pilot.press("tab", *"momentum=0.9", "enter")
        await until(lambda: isinstance(source.asked[-1], SwitchOptimizer))
        assert source.asked[-1] == SwitchOptimizer(name="sgd", hyperparameters={"momentum": 0.9})


async def test_schedule_and_hyperparameter_are_chosen_from_lists() -> None:
    """Down and Enter; a hyper-parameter wants a value first."""
    source = FakeSource(STEERED, EARLY)
    async with watched(source) as (screen, pilot):
        await pilot.press("l", "l", "enter")
        await until(lambda: source.asked == [SetSchedule(name="linear")])
        await pilot.press("h", "enter", *"0.8", "enter")
        await until(lambda: len(source.asked) == 2)
        assert source.asked[1] == SetHyperparameter(name="beta1", value=0.8)
        assert not screen.query_one(Composer).is_open


async def test_ways_of_looking() -> None:
    """Maximise, log, smoothing, window, axis, metric, cursor: each changes the figures and nothing else."""
    source = FakeSource(STEERED)
    async with watched(source) as (screen, pilot):
        loss, evaluated = screen.query_one("#loss", Chart), screen.query_one("#eval", Chart)
        await pilot.press("enter")
        await until(lambda: len(screen.query("Chart.-shown")) == 1)
        await pilot.press("g")
        await until(lambda: loss.figure.is_log)
        await pilot.press("minus", "minus")
        await until(lambda: [curve.name for curve in loss.figure.curves] == ["raw"])
        await pilot.press("f")
        await until(lambda: loss.figure.x_range is not None and loss.figure.x_range[0] == 100)
        await pilot.press("t")
        await until(lambda: loss.figure.x_label == "epoch")
        await pilot.press("left", "left")
        await until(lambda: "step 296" in text_of(screen.app))
        await pilot.press("escape", "escape", "a")
        await until(lambda: "train / validation accuracy" in text_of(screen.app))
        assert evaluated.figure.bands[0].name == "gap"
        assert source.asked == []


async def test_tab_and_arrows_go_through_the_charts_of_a_small_terminal() -> None:
    """One at a time, around."""
    async with watched(FakeSource(STEERED, EARLY), (60, 20)) as (screen, pilot):
        for title in ("gradient norm", "learning rate", "train / validation", "batch loss"):
            await pilot.press("down")
            await until(lambda title=title: f"─ {title}" in text_of(screen.app))  # type: ignore[misc]


async def test_a_key_while_the_screen_goes_is_harmless() -> None:
    """Its parts go before it does; a key may come between."""
    async with watched(FakeSource(STEERED, EARLY)) as (screen, _):
        await screen.query_one(Composer).remove()
        assert screen.check_action("press", ("leave",))


async def test_help_and_output_open_and_close() -> None:
    """Every key with its help; what the training code printed."""
    async with watched(FakeSource(STEERED, EARLY)) as (screen, pilot):
        await pilot.press("question_mark")
        await until(lambda: isinstance(screen.app.screen, HelpSheet))
        await until(lambda: BY_ID["toggle_pause"].help[:20] in text_of(screen.app))
        await pilot.press("escape", "w")
        await until(lambda: isinstance(screen.app.screen, OutputSheet))
        await until(lambda: "printed by training code" in text_of(screen.app))
        await pilot.press("escape")
        await until(lambda: screen.app.screen is screen)


async def test_after_the_end_nothing_is_asked() -> None:
    """The key says why not."""
    source = FakeSource(STEERED)
    async with watched(source) as (screen, pilot):
        await pilot.press("d", "space")
        await until(lambda: "the run has finished" in text_of(screen.app))
        assert source.asked == []
        assert not screen.query_one(Composer).is_open


async def test_trouble_is_on_the_screen() -> None:
    """A failed run, a lost one, a refusal."""
    async with watched(FakeSource(DIVERGED)) as (screen, _):
        await until(lambda: "failed at step 206" in text_of(screen.app))
        assert any(mark.role == "alarm" for mark in screen.query_one("#loss", Chart).figure.marks)
    source = FakeSource(STEERED, EARLY)
    async with watched(source) as (screen, _):
        seconds = source.board.seconds
        source.waiting.append(CommandRefused(step=3, command="9", reason="it is not paused.", seconds=seconds))
        source.waiting.append(CarrierStatus(status="lost", detail="its trainer, pid 7, is gone"))
        await until(lambda: "pid 7, is gone" in text_of(screen.app))
        assert f"lost at step {source.board.step}" in text_of(screen.app)


async def test_a_resize_storm_leaves_a_whole_picture() -> None:
    """From wide to tiny and back."""
    async with watched(FakeSource(STEERED)) as (screen, pilot):
        for size in [(60, 20), (200, 60), (20, 5), (80, 24), (1, 1), (300, 100), (120, 40)] * 3:
            await pilot.resize_terminal(*size)
        await until(lambda: "what happened" in text_of(screen.app) and "batch loss" in text_of(screen.app))


async def test_an_undo_is_shown_before_it_is_asked() -> None:
    """What it takes back; Enter asks."""
    early = FakeSource(WENT_BACK, RAISED)
    async with watched(early) as (screen, pilot):
        await pilot.press("u")
        await until(lambda: screen.query_one(Composer).is_open)
        await until(lambda: "takes back" in text_of(screen.app))
        await pilot.press("enter")
        await until(lambda: early.asked == [Undo()])
        await pilot.press("j", *"100", "enter")
        await until(lambda: early.asked[-1] == RollBack(to=100))


async def test_a_branch_is_wanted_of_the_app() -> None:
    """It is no command of the run: another run is started."""
    source = FakeSource(STEERED, EARLY)
    wanted: list[BranchWish] = []
    async with watched(source) as (screen, pilot):
        screen.post_message = _caught(screen, wanted)  # type: ignore[method-assign,assignment]
        await pilot.press("b", *"train.seed=1", "enter")
        await until(lambda: wanted == [BranchWish("end", ("train.seed=1",))])
        assert source.asked == []


def _caught(screen: LiveScreen, wanted: list[BranchWish]) -> Callable[[Message], bool]:
    real = screen.post_message

    def post(message: Message) -> bool:
        if isinstance(message, LiveScreen.BranchWanted):
            wanted.append(message.wish)
            return True
        return real(message)

    return post
