"""From a key to a command. Says in words what was asked; the answer comes from the run."""

from __future__ import annotations

from tuitrain.board.board import Board
from tuitrain.errors import TuitrainError
from tuitrain.protocol.commands import Command, Evaluate, Pause, Resume, SaveCheckpoint, SetPace, StepOnce, Stop
from tuitrain.ui.actions import Action
from tuitrain.ui.source import Source

_STATE_REASONS = {
    "starting": "the run is still starting",
    "finished": "the run has finished",
    "stopped": "the run was stopped",
    "failed": "the run has failed",
    "lost": "the trainer is gone",
}


def refusal(action: Action, source: Source) -> str:
    """Why an action cannot be asked now; empty where it can."""
    if not action.command:
        return ""
    if source.refuses_because:
        return source.refuses_because
    board = source.board
    if board.state in _STATE_REASONS and not (board.state == "starting" and action.id == "stop"):
        return _STATE_REASONS[board.state]
    if board.started is not None:
        for info in board.started.commands:
            if info.name == action.command:
                return info.refused_because
        if board.started.commands:
            return "this run does not know that command"
    return ""


def command_for(action: str, board: Board) -> Command:
    """The command of an action that needs no further words.

    Raises:
        TuitrainError: there is none at the moment.
    """
    match action:
        case "toggle_pause":
            return Resume() if board.is_paused else Pause()
        case "step_once":
            return StepOnce()
        case "evaluate":
            return Evaluate()
        case "checkpoint":
            return SaveCheckpoint()
        case "stop":
            return Stop(abort=any(isinstance(command, Stop) for command in board.asked.values()))
        case "slower" | "faster":
            return SetPace(max_steps_per_second=_next_pace(board, 0.5 if action == "slower" else 2.0))
        case _:
            raise TuitrainError(f"{action} asks nothing.")


def _next_pace(board: Board, factor: float) -> float | None:
    """Half or twice the pace; beyond the speed of the run itself the pace is let go."""
    speed = board.heartbeat.steps_per_second if board.heartbeat is not None else 0.0
    is_paced = board.heartbeat is not None and board.heartbeat.is_paced
    now = board.pace if board.pace is not None else speed
    if now <= 0.0:
        raise TuitrainError("The speed of the run is not known yet.", hint="in a second.")
    wanted = max(0.1, now * factor)
    if factor > 1.0 and (board.pace is None or (not is_paced and wanted > speed > 0.0)):
        return None
    return float(f"{wanted:.3g}")
