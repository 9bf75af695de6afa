"""The panels at the right: the optimizer as it is, and what happened. And their short form for narrow terminals."""

from __future__ import annotations

import textwrap

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tuitrain.board.board import Board
from tuitrain.board.journal import Entry
from tuitrain.protocol.describe import sentence
from tuitrain.protocol.description import GroupState
from tuitrain.protocol.plan import Value
from tuitrain.techniques import plan as plans
from tuitrain.techniques.optimizers import OPTIMIZERS
from tuitrain.techniques.regularizers import CLIP_NAME
from tuitrain.ui import text
from tuitrain.ui.freezing import frozen_layers, frozen_words

_ENTRY_STYLES = {
    "decision": "bold $foreground",
    "asked": "$foreground 55%",
    "fact": "$foreground 85%",
    "alarm": "$error",
    "quiet": "$foreground 55%",
}
_MOST_SHOWN = 200


class OptimizerPanel(Static):
    """The optimizer with its current hyper-parameters, group by group, and what is under way."""

    DEFAULT_CSS = """
    OptimizerPanel {
        height: auto; min-height: 8; border: round $foreground 14%; padding: 0 1;
        border-title-color: $foreground 85%;
    }
    """

    def on_mount(self) -> None:
        """Name the panel."""
        self.border_title = "optimizer"

    def show(self, board: Board) -> None:
        """Show a board's optimizer."""
        self.update(Content("\n").join(optimizer_lines(board, max(16, self.content_size.width or 30))))


class JournalPanel(VerticalScroll, can_focus=False):
    """What happened, newest first."""

    DEFAULT_CSS = """
    JournalPanel {
        height: 1fr; border: round $foreground 14%; padding: 0 1; border-title-color: $foreground 85%;
        scrollbar-size-vertical: 1; scrollbar-color: $foreground 20%; scrollbar-background: $background;
    }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._text = Static()

    def compose(self) -> ComposeResult:
        """One text."""
        yield self._text

    def on_mount(self) -> None:
        """Name the panel."""
        self.border_title = "what happened"

    def show(self, board: Board) -> None:
        """Show a board's log."""
        width = max(12, self._text.size.width or 28)
        entries = [Entry(board.step, f"asked: {sentence(command)} …", kind="asked") for command in board.asked.values()]
        entries += reversed(board.log[-_MOST_SHOWN:])
        label_width = max((len(text.count(entry.step)) for entry in entries), default=1)
        lines = [line for entry in entries for line in _wrapped(entry, width, label_width)]
        self._text.update(Content("\n").join(lines))


class Strip(Static):
    """The optimizer and the newest entry in one line each, for terminals without room for the panels."""

    DEFAULT_CSS = """
    Strip { height: 2; padding: 0 1; background: $background; color: $foreground 85%; }
    """

    def show(self, board: Board) -> None:
        """Show a board in two lines."""
        width = max(20, self.size.width - 2)
        told = [entry for entry in board.log if entry.kind != "quiet"] or board.log
        newest = told[-1] if told else None
        second = Content("")
        if board.asked:
            second = Content.styled(f"asked: {sentence(next(iter(board.asked.values())))} …", "$foreground 55%")
        elif newest is not None:
            line = f"{text.count(newest.step)}  {newest.text}" + (f"  {newest.detail}" if newest.detail else "")
            second = Content.styled(line, _ENTRY_STYLES[newest.kind])
        lines = [line.truncate(width, ellipsis=True) for line in (optimizer_strip(board), second)]
        self.update(Content("\n").join(lines))


def optimizer_lines(board: Board, width: int) -> list[Content]:
    """One line a hyper-parameter."""
    optimizer = board.optimizer
    if optimizer is None:
        return [Content.styled("not yet", "$foreground 55%")]
    since = f"  since step {text.count(board.optimizer_since)}" if board.optimizer_since else ""
    lines = [Content.assemble((optimizer.name, "bold $warning"), (since, "$foreground 55%"))]
    shown_groups = optimizer.groups[:6]
    for group in shown_groups:
        if len(optimizer.groups) > 1:
            name = f"{group.name} · {group.inner}" if group.inner else group.name
            if not group.inner and any(other.inner for other in optimizer.groups):
                name = f"{group.name} · {optimizer.name}"
            size = f"  {text.count(group.num_parameters)}"
            size += "  frozen" if group.num_frozen == group.num_parameters else ""
            lines.append(Content.assemble((name, "$secondary"), (size, "$foreground 55%")))
        lines.append(_rate_line(board, group))
        lines += [
            _value_line(name.replace("_", " "), text.plain(value)) for name, value in _in_force(board, group).items()
        ]
    if len(optimizer.groups) > len(shown_groups):
        lines.append(Content.styled(f"… {len(optimizer.groups) - len(shown_groups)} groups more", "$foreground 55%"))
    clip = optimizer.gradient_clip
    lines.append(_value_line("gradient clip", "none" if clip is None else text.plain(clip)))
    lines += [
        _value_line(name.replace("_", " "), text.plain(value))
        for name, value in board.regularizers.items()
        if value and name != CLIP_NAME
    ]
    if frozen := frozen_words(board):
        lines.append(_value_line("frozen", frozen))
        words = ", ".join(frozen_layers(board)) or "parts of layers"
        lines.append(Content.styled(f"  {words}", "$foreground 55%"))
    if board.batch_size:
        lines.append(_value_line("batch size", text.count(board.batch_size)))
    norm, near_zero = board.last_eval("weights/norm"), board.last_eval("weights/near_zero")
    if norm is not None and near_zero is not None:
        lines.append(_value_line("weight norm", f"{norm:.3g}"))
        lines.append(_value_line("near zero", f"{100.0 * near_zero:.0f} % of weights"))
    if board.pace is not None:
        lines.append(_value_line("pace", f"{board.pace:g} steps/s"))
    if board.handover is not None:
        left = max(0, board.handover.step + board.handover.num_steps - board.step)
        lines.append(Content.styled(f"→ {board.handover.to_name}: switching in {left}", "bold $warning"))
    return [line.truncate(width, ellipsis=True) for line in lines]


def optimizer_strip(board: Board) -> Content:
    """Everything that matters of the optimizer, in one line."""
    optimizer = board.optimizer
    if optimizer is None or not optimizer.groups:
        return Content("")
    group = optimizer.groups[0]
    words = [Content.styled(optimizer.name, "bold $warning"), _rate_line(board, group, gap=" ")]
    shown = {name: value for name, value in _in_force(board, group).items() if name not in {"eps", "ns_steps"}}
    words += [Content(f"{name.replace('_', ' ')} {text.plain(value)}") for name, value in shown.items()]
    on = {name: value for name, value in board.regularizers.items() if value and name != CLIP_NAME}
    words += [Content(f"{name.replace('_', ' ')} {text.plain(value)}") for name, value in on.items()]
    if optimizer.gradient_clip is not None:
        words.append(Content(f"clip {text.plain(optimizer.gradient_clip)}"))
    if frozen := frozen_words(board):
        words.append(Content(f"frozen {frozen}"))
    if board.handover is not None:
        left = max(0, board.handover.step + board.handover.num_steps - board.step)
        words.insert(1, Content.styled(f"→ {board.handover.to_name} in {left}", "bold $warning"))
    return Content("   ").join(words)


def _in_force(board: Board, group: GroupState) -> dict[str, Value]:
    """The hyper-parameters of a group, with the momentum that the schedule gives it now, if it does."""
    values = dict(group.hyperparameters)
    momentum = None if board.plan is None else plans.momentum(board.plan, max(0, board.step - 1))
    name = OPTIMIZERS[group.inner or ""].momentum_name if group.inner in OPTIMIZERS else ""
    if not group.inner and board.optimizer is not None and board.optimizer.name in OPTIMIZERS:
        name = OPTIMIZERS[board.optimizer.name].momentum_name
    if momentum is not None and name in values:
        values[name] = round(momentum, 3)
    return values


def _rate_line(board: Board, group: GroupState, gap: str = "") -> Content:
    name = "lr" + (gap or " " * 12)
    if board.plan is None or group.name not in board.plan.segments[-1].base:
        return Content.assemble((name, "$foreground 55%"), "–")
    segment = plans.segment_at(board.plan, board.step)
    rate = plans.learning_rate(board.plan, group.name, board.step)
    multiplier = segment.multiplier.get(group.name, 1.0)
    factor = f"  ×{multiplier:.3g}" if multiplier != 1.0 else ""
    return Content.assemble((name, "$foreground 55%"), (text.number(rate), "bold"), (factor, "$foreground 55%"))


def _value_line(name: str, value: str) -> Content:
    return Content.assemble((f"{name:<13} ", "$foreground 55%"), value)


def _wrapped(entry: Entry, width: int, label_width: int) -> list[Content]:
    """The step, the text, and an indented second line."""
    label = f"{text.count(entry.step):>{label_width}} "
    style = _ENTRY_STYLES[entry.kind]
    label_style = {"decision": "$warning", "alarm": "$error"}.get(entry.kind, "$foreground 55%")
    is_repeated = entry.count > 1 and entry.kind != "quiet"
    body = f"{entry.text} ({entry.count}×)" if is_repeated else entry.text
    room = max(8, width - len(label))
    indent = " " * len(label)
    told = [
        Content.assemble((indent if index else label, label_style), (piece, style))
        for index, piece in enumerate(_pieces(body, room))
    ]
    return told + [Content.assemble(indent, (piece, "$foreground 55%")) for piece in _pieces(entry.detail, room)]


def _pieces(words: str, width: int) -> list[str]:
    return textwrap.wrap(words, width) if words else []
