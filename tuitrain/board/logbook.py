"""How entries become a log of bounded length: what repeats is told once, and a flood of alarms in one line."""

from __future__ import annotations

from dataclasses import replace

from tuitrain.board.journal import EVALUATED, Entry, Mark

_MOST_ENTRIES = 2000
_MOST_ALARMS = 10
"""In a row; of those before, the number is told."""
_MORE_ALARMS = " more alarms"
_MOST_MARKS = 2000


def add_entry(log: list[Entry], entry: Entry) -> None:
    """Add the newest entry of a log."""
    if entry.topic and (places := [index for index, other in enumerate(log) if other.topic == entry.topic]):
        rest = log[places[0] :]
        del log[places[0] :]
        for other in rest:
            if other.topic != entry.topic:
                _append(log, other)  # what stood on both sides of the one that goes are neighbours now
    _append(log, entry)
    if len(log) > _MOST_ENTRIES:
        del log[: _MOST_ENTRIES // 10]


def add_mark(marks: list[Mark], mark: Mark) -> None:
    """Add the newest mark of the charts; where there are too many to be told apart, the oldest alarms go."""
    if marks and _is_one_decision(marks[-1], mark):
        return
    marks.append(mark)
    if len(marks) > _MOST_MARKS:
        alarms = [index for index, other in enumerate(marks) if other.kind == "alarm"]
        for index in reversed(alarms[: _MOST_MARKS // 10] or range(_MOST_MARKS // 10)):
            del marks[index]


def _append(log: list[Entry], entry: Entry) -> None:
    if log and _is_same(log[-1], entry):
        entry = replace(entry, count=log.pop().count + entry.count)
    log.append(entry)
    newest = log[-_MOST_ALARMS - 1 :]
    if len(newest) > _MOST_ALARMS and all(other.kind == "alarm" for other in newest):
        _fold(log, len(log) - len(newest))


def _fold(log: list[Entry], index: int) -> None:
    """Take an alarm out of the log into the line that counts those before it."""
    entry = log.pop(index)
    before = log[index - 1] if index else None
    if before is not None and before.text.endswith(_MORE_ALARMS):
        log[index - 1] = _counted(entry.step, before.count + entry.count)
    else:
        log.insert(index, _counted(entry.step, entry.count))


def _counted(step: int, num: int) -> Entry:
    return Entry(step, f"and {num:,}".replace(",", " ") + _MORE_ALARMS, kind="quiet", count=num)


def _is_same(before: Entry, now: Entry) -> bool:
    """Whether two neighbours of the log tell the same thing, so that the newer one stands for both."""
    is_evaluation = now.text.startswith(f"{EVALUATED} ")
    return before.text == now.text or (is_evaluation and before.text.startswith(f"{EVALUATED} "))


def _is_one_decision(before: Mark, now: Mark) -> bool:
    """A switch and the plan that follows from it; an alarm and the failure it leads to."""
    if (before.step, before.kind) != (now.step, now.kind):
        return False
    return before.cause == now.cause != "" or before.label == now.label or now.kind == "alarm"
