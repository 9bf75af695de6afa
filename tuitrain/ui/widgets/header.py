"""The one line at the top: who, what state, how far, how fast, on what. Narrow terminals lose the last words first."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from tuitrain.board.board import Board
from tuitrain.ui import text

STATE_STYLES = {
    "starting": "$foreground 55%",
    "running": "$success",
    "paused": "$warning",
    "finished": "$primary",
    "stopped": "$primary",
    "failed": "$error",
    "lost": "$error",
}
_STATE_WORDS = {"running": "training"}
_GAP = "   "


class Header(Static):
    """Shows a board's state; `show` again whenever it changed."""

    DEFAULT_CSS = """
    Header { height: 1; background: $panel; color: $foreground 85%; padding: 0 1; }
    """

    def show(self, run: str, board: Board, *, is_reading: bool, note: str = "") -> None:
        """Show a board.

        Args:
            run: id of the run.
            board: what is known.
            is_reading: whether the history is still being read.
            note: a last word, e.g. that this is a replay.
        """
        self.update(header_line(run, board, max(20, self.size.width), is_reading=is_reading, note=note))


def header_line(run: str, board: Board, width: int, *, is_reading: bool, note: str) -> Content:
    """As many words as fit, in order of importance."""
    state = board.state
    style = STATE_STYLES[state]
    head = Content.assemble(("● ", style), (short_name(run), "bold"), _GAP, (_state_words(board), style))
    words = [part for part in _parts(board, is_reading=is_reading, note=note) if part is not None]
    line = head
    for word in words:
        if line.cell_length + len(_GAP) + word.cell_length > width:
            break
        line = Content.assemble(line, _GAP, word)
    return line


def short_name(run: str) -> str:
    """A run's id without its date: mnist-mlp-7f3a."""
    parts = run.split("-", 2)
    return parts[2] if len(parts) == 3 and parts[0].isdigit() and parts[1].isdigit() else run


def _state_words(board: Board) -> str:
    state = board.state
    if state == "starting" and board.stage:
        return f"starting: {board.stage}"
    if state == "lost":
        return f"lost at step {text.count(board.step)}"
    return _STATE_WORDS.get(state, state)


def _parts(board: Board, *, is_reading: bool, note: str) -> list[Content | None]:
    started, beat = board.started, board.heartbeat
    if started is None:
        return [Content(note) if note else None]
    parts: list[Content | None] = [
        Content.assemble("step ", (text.count(board.step), "bold"), f"/{text.count(board.total_steps)}"),
        Content.styled("reading history…", "$warning") if is_reading else None,
        Content.styled(note, "$accent") if note else None,
        _alarm(board),
        Content(f"epoch {board.axis.of(board.step, 'epoch'):.1f}") if board.race is None else None,
    ]
    if beat is not None and board.is_live:
        eta = board.eta_seconds
        parts.append(Content(text.rate(beat.steps_per_second) + (" paced" if beat.is_paced else "")))
        parts.append(None if eta is None else Content(f"ETA {text.duration(eta)}"))
    else:
        parts.append(Content(f"took {text.duration(board.seconds)}"))
    parts.append(_device(board))
    if beat is not None:
        parts.append(Content(f"{text.share(beat.watching_share)} for watching"))
    if board.eval_seconds and board.seconds:
        parts.append(Content(f"{text.share(board.eval_seconds / board.seconds)} evaluating"))
    return parts


def _alarm(board: Board) -> Content | None:
    """The newest alarm, until a decision follows it."""
    if not board.is_live or not board.marks or board.marks[-1].kind != "alarm":
        return None
    mark = board.marks[-1]
    return Content.styled(f"{mark.label} at {text.count(mark.step)}", "$error")


def _device(board: Board) -> Content:
    started, beat = board.started, board.heartbeat
    device = started.device if started is not None else ""
    words = [f"cpu ×{started.torch_threads}" if started is not None and device == "cpu" else device]
    if beat is not None:
        if beat.device_utilization is not None:
            words.append(f"{beat.device_utilization * 100:.0f} %")
        if beat.device_memory_bytes is not None:
            words.append(text.memory(beat.device_memory_bytes))
        elif beat.process_memory_bytes:
            words.append(text.memory(beat.process_memory_bytes))
    return Content(" ".join(words))
