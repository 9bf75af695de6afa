"""What each key of the live screen does: one method an action of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitrain.ui.screens.layers import LayersScreen
from tuitrain.ui.screens.measures import MeasuresScreen
from tuitrain.ui.screens.small import HelpSheet, OutputSheet
from tuitrain.ui.source import ReplaySource

if TYPE_CHECKING:
    from tuitrain.ui.screens.live import LiveScreen

_ASKING = ("step_once", "evaluate", "stop", "checkpoint")
_COMPOSING = (
    "decay", "set_rate", "schedule", "cool_down", "optimizer", "hyperparameter", "regularize", "batch_size",
    "undo", "roll_back", "branch", "length", "freeze", "move",
)  # fmt: skip


def press(screen: LiveScreen, action: str) -> None:
    """Do what an action of the table says."""
    if action in _ASKING:
        screen.ask_for(action)
    elif action in _COMPOSING:
        screen.compose_for(action)
    elif action in {"toggle_pause", "slower", "faster", "seek_back", "seek_forward"}:
        _play_or_ask(screen, action)
    elif action in {"layers", "measure", "help", "output", "back", "leave"}:
        _go(screen, action)
    else:
        _look(screen, action)


def _play_or_ask(screen: LiveScreen, action: str) -> None:
    source = screen.source
    if not isinstance(source, ReplaySource):
        screen.ask_for(action)
        return
    if action == "toggle_pause":
        source.is_playing = not source.is_playing
    elif action in {"slower", "faster"}:
        source.speed *= 0.5 if action == "slower" else 2.0
    else:
        offset = source.length / 20.0
        source.seek(source.position + (offset if action == "seek_forward" else -offset))
    screen.redraw()


def _go(screen: LiveScreen, action: str) -> None:
    match action:
        case "layers":
            screen.app.push_screen(LayersScreen(screen))
        case "measure":
            screen.app.push_screen(MeasuresScreen(screen))
        case "help":
            screen.app.push_screen(HelpSheet(screen.refusal))
        case "output":
            ended = screen.source.board.ended
            trace = f"\n{ended.traceback}" if ended is not None and ended.traceback else ""
            output = screen.source.output()
            screen.app.push_screen(OutputSheet(output if trace.strip() in output else output + trace))
        case "back":
            if screen.look.back():
                screen.lay_out()
            elif screen.has_home:
                screen.app.pop_screen()
        case _:
            screen.leave()


def _look(screen: LiveScreen, action: str) -> None:
    look, board = screen.look, screen.source.board
    match action:
        case "maximise":
            look.is_maximised = not look.is_maximised
        case "next_chart" | "previous_chart":
            look.focus_by(1 if action == "next_chart" else -1)
        case "toggle_log":
            look.toggle_log()
        case "smoother" | "rougher":
            look.smooth_by(1 if action == "smoother" else -1)
        case "window":
            screen.notify(look.next_window(max(board.step, board.total_steps)), timeout=2)
        case "x_axis":
            screen.notify(f"x by {look.next_x_axis()}", timeout=2)
        case "metric":
            look.next_metric(board.evaluated)
        case "side":
            look.is_side_hidden = not look.is_side_hidden
        case _:
            direction = -1 if action.endswith("left") else 1
            look.move_cursor(board.step, direction, is_far="far" in action)
    screen.lay_out()
