"""A comparison without a screen: a line for whatever happens, and the verdict at the end."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from types import FrameType

from tuitrain.board.comparison import Comparison, MemberView
from tuitrain.cells import left
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.comparing.starting import is_scheduled
from tuitrain.echo import echo
from tuitrain.errors import TuitrainError

_POLL_SECONDS = 0.2
_TOLD_SECONDS = 15.0


def follow(
    reader: ComparisonReader,
    process: subprocess.Popen[bytes] | None,
    tell: Callable[[ComparisonReader], None] | None = None,
) -> bool:
    """Print what happens until the comparison is done, and all curves are read.

    The first SIGINT or SIGTERM asks for the end of everything, a second one leaves: the comparison goes on then. Where
    runs are only looked at the first one leaves.

    Args:
        reader: of the comparison.
        process: its scheduler, where it was started here; it is reaped.
        tell: prints what is new, again and again; None prints every change of a state.

    Returns:
        Whether it was seen to the end.
    """
    tell = tell or _Told().tell
    with _signals_ask_to_stop(reader) as presses:
        while True:
            if process is not None:
                process.poll()
            # Asked anew, and before reading: a reader that looked before it was started thinks that nobody is at work,
            # and what it wrote before it let go is news.
            is_at_work = reader.folder is not None and is_scheduled(reader.folder)
            has_news = reader.poll(_POLL_SECONDS)
            tell(reader)
            if len(presses) > 1:
                return False
            if not has_news and not is_at_work and not reader.num_unread_bytes and _is_over(reader):
                if process is not None:
                    process.wait()  # it has let go of the folder, and is about to end
                reader.look_outside()
                reader.read_journal()
                tell(reader)
                _say_if_it_died(reader)
                return True
            if not has_news:
                time.sleep(_POLL_SECONDS)


def _is_over(reader: ComparisonReader) -> bool:
    """Whether nobody will launch anything more, and what was launched has ended."""
    if reader.is_scheduled:
        return False
    return all(view.is_final or view.state == "waiting" for view in reader.comparison.members.values())


def _say_if_it_died(reader: ComparisonReader) -> None:
    """Why members wait that nobody will launch: a scheduler that was killed cannot say it."""
    num_waiting = sum(view.state == "waiting" for view in reader.comparison.members.values())
    if num_waiting and reader.comparison.ended is None and reader.folder is not None:
        name, output = reader.folder.name, reader.folder.output_path
        say(f"the scheduler is gone, {num_waiting} wait: tuitrain compare --resume {name}; it printed: {output}")


class _Told:
    """What was printed so far."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._num_remarks = 0
        self._problem = ""
        self._next_progress = time.monotonic() + _TOLD_SECONDS

    def tell(self, reader: ComparisonReader) -> None:
        """Print what changed; how far it is every few seconds."""
        comparison = reader.comparison
        for key, view in comparison.members.items():
            if self._states.get(key) != view.state:
                if view.state != "waiting" and not view.member.run:
                    say(_line_of(view, comparison))
                self._states[key] = view.state
        for text in comparison.remarks[self._num_remarks :]:
            say(text)
        self._num_remarks = len(comparison.remarks)
        problem = reader.problem or (comparison.ended.message if comparison.ended is not None else "")
        if problem and problem != self._problem:
            say(problem)
        self._problem = problem
        if time.monotonic() > self._next_progress:
            self._next_progress = time.monotonic() + _TOLD_SECONDS
            say(progress_line(comparison))


def progress_line(comparison: Comparison) -> str:
    """E.g. "3 of 12 done, 2 at work (41 %, 7 %), 7 waiting"."""
    views = list(comparison.members.values())
    working = [view for view in views if not view.is_final and view.state != "waiting"]
    shares = f" ({', '.join(f'{view.progress:.0%}' for view in working[:8])})" if working else ""
    num_waiting = sum(view.state == "waiting" for view in views)
    return (
        f"{sum(view.is_final for view in views)} of {len(views)} done, {len(working)} at work{shares}, "
        f"{num_waiting} waiting"
    )


def say(text: str) -> None:
    """A line for people."""
    echo(text, err=True)


def _line_of(view: MemberView, comparison: Comparison) -> str:
    metric = comparison.plan.metric
    value = view.curves.last(metric)
    number = f"   {metric} {value:.4g}" if value is not None and view.is_final else ""
    place = f"   {view.run_id}" if view.state in {"starting", "failed", "lost"} and view.run else ""
    why = f"   {view.message}" if view.message and view.state != "cancelled" else ""
    return f"{left(view.key, 24)} {view.state}{number}{place}{why}"


@contextlib.contextmanager
def _signals_ask_to_stop(reader: ComparisonReader) -> Iterator[list[int]]:
    presses: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        presses.append(number)
        if len(presses) > 1:
            return
        if reader.folder is None:  # runs that are only looked at
            presses.append(number)
            return
        say("stopping: what is at work evaluates, saves and ends where it is; once more to leave it to itself")
        try:
            reader.stop_all()
        except TuitrainError as error:
            say(str(error))

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield presses
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
