"""Reads a comparison again and again: its journal, and the curves of every run. For a screen, and for a report."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from tuitrain.board.cautions import state_of
from tuitrain.board.comparison import Comparison, MemberView
from tuitrain.comparing.folder import STOP_ALL, ComparisonFolder, JournalReader, last_printed, read_plan
from tuitrain.comparing.ownership import is_own, left_alone
from tuitrain.comparing.run_curves import RunCurves
from tuitrain.errors import TuitrainError
from tuitrain.protocol.commands import Stop
from tuitrain.protocol.comparing import ComparisonPlan, MemberState, Remarked
from tuitrain.rundir.lock import is_held
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.status import CarrierWatch
from tuitrain.session.asking import send

LOSS = "batch/loss"
_STATUS_SECONDS = 1.0
_ENDED_SECONDS = 5.0
"""A run that has ended is looked at so often: somebody may go on with it."""
_OUTSIDE: dict[str, MemberState] = {"lost": "lost", "moved": "gone"}


class _Followed:
    """One run that is read."""

    def __init__(self, path: str, wanted: frozenset[str]) -> None:
        self.path = path
        self.folder = RunFolder(Path(path))
        self.reader = RunCurves(self.folder, wanted)
        self.problems: set[str] = set()
        """What was said of it already."""
        self.again: RunCurves | None = None
        """Reads it from the beginning with more metrics; takes over when it has caught up."""
        self.watch = CarrierWatch(self.folder)
        self.has_grown = False
        self._next_look = 0.0
        self.outside: MemberState | None = None
        """What the run cannot say itself."""

    def poll(self) -> bool:
        """Read the next block; whether there was anything."""
        if self.again is None and time.monotonic() < self._next_look:
            return False
        has_news = self.reader.poll()
        self.has_grown = self.has_grown or has_news
        if self.reader.has_ended and not has_news:
            self._next_look = time.monotonic() + _ENDED_SECONDS
        if self.again is not None:
            if self.again.poll():
                return True
            self.reader, self.again = self.again, None
            return True
        return has_news

    def look_outside(self) -> Iterator[str]:
        """See whether the trainer lives, and the folder is there; yields what is wrong with its record, each once."""
        status = self.watch.poll(has_ended=self.reader.has_ended, has_grown=self.has_grown).status
        self.has_grown = False
        self.outside = _OUTSIDE.get(status)
        is_over = status in {"lost", "ended"} and not self.reader.num_unread_bytes
        for problem in (self.reader.problem, self.reader.torn_words() if is_over else ""):
            if problem and problem not in self.problems:
                self.problems.add(problem)
                yield f"{self.folder.id}: {problem}"


class ComparisonReader:
    """Reads a comparison. Every call may touch the disk: keep it off the drawing thread.

    Args:
        plan: what is compared.
        folder: of the comparison; None where only runs are compared that are there already.
    """

    def __init__(self, plan: ComparisonPlan, folder: ComparisonFolder | None = None) -> None:
        self.folder = folder
        self.comparison = Comparison(plan)
        """Changed only within `poll`."""
        self.problem = ""
        """Why the journal cannot be read, or what a scheduler that is gone without a word has printed; else empty."""
        self.is_scheduled = False
        """Whether a scheduler is at work."""
        self._printed = ""
        self._journal = JournalReader(folder) if folder is not None else None
        self._wanted = frozenset({LOSS})
        self._runs: dict[str, _Followed] = {}
        """By key of the member."""
        self._next_run = 0
        """Place of the run that is read next."""
        self._next_status = 0.0

    @classmethod
    def of_folder(cls, folder: ComparisonFolder) -> ComparisonReader:
        """Of a comparison that has a folder.

        Raises:
            RunFolderError: its plan cannot be read.
        """
        return cls(read_plan(folder), folder)

    @classmethod
    def of_plan(cls, plan: ComparisonPlan) -> ComparisonReader:
        """Of runs that are there already."""
        return cls(plan)

    @property
    def num_unread_bytes(self) -> int:
        """What the runs have written and was not read."""
        return sum((run.again or run.reader).num_unread_bytes for run in self._runs.values())

    @property
    def is_incomplete(self) -> bool:
        """Whether the record of a run could not be read to its end."""
        return any(run.reader.problem for run in self._runs.values())

    def want(self, metrics: Iterable[str]) -> None:
        """Keep these metrics of each step as well, besides the batch loss; the runs are read again for them."""
        wanted = self._wanted | {metric for metric in metrics if metric.startswith("batch/")}
        if wanted == self._wanted:
            return
        self._wanted = wanted
        for run in self._runs.values():
            run.again = RunCurves(run.folder, wanted)

    def offered(self) -> set[str]:
        """Metrics that some run measures at steps, wanted or not."""
        return {metric for run in self._runs.values() for metric in run.reader.offered}

    def poll(self, max_seconds: float = 0.2) -> bool:
        """Read what is new for about so long; whether anything was."""
        has_news = self.read_journal()
        self._open_runs()
        has_news = self._read_runs(time.monotonic() + max_seconds) or has_news
        if time.monotonic() >= self._next_status:
            self._next_status = time.monotonic() + _STATUS_SECONDS
            has_news = self.look_outside() or has_news
        return self._set_states() or has_news

    def read_all(self) -> None:
        """Read until nothing is new: of what goes on, as far as it is."""
        while self.poll(1.0):
            pass

    def stop(self, keys: Iterable[str]) -> None:
        """Ask members at work to stop, and take those that wait out of the queue.

        Raises:
            TuitrainError: a folder cannot be written; or a run is none of this comparison, and the others are asked.
        """
        others = []
        for key in keys:
            view = self.comparison.members[key]
            if view.state == "waiting" and self.folder is not None:
                self.folder.wish(key)
            elif view.run and not view.is_final:
                if self.folder is None or is_own(view.run, self.folder.name, key):
                    send(RunFolder(Path(view.run)), Stop())
                else:
                    others.append(view.run)
        if others:
            raise TuitrainError("\n".join(map(left_alone, others)))

    def own_at_work(self) -> list[MemberView]:
        """Members at work that the comparison launched."""
        views = [view for view in self.comparison.members.values() if view.run and not view.is_final]
        name = self.folder.name if self.folder is not None else ""
        return [view for view in views if not view.member.run and is_own(view.run, name, view.key)]

    def stop_all(self) -> None:
        """Ask for the end of what the comparison launched; what waits is left for --resume.

        Runs that were there already, or that do not name it, are only read: they are somebody else's, and go on.

        Raises:
            TuitrainError: a folder cannot be written.
        """
        if self.folder is not None and is_held(self.folder.lock_path):
            self.folder.wish(STOP_ALL)
        else:
            self.stop([view.key for view in self.own_at_work()])

    def close(self) -> None:
        """Nothing is held open."""

    def _read_runs(self, deadline: float) -> bool:
        """One block of each in turn, so that all curves grow together, from where the last look ended."""
        waiting = deque([*self._runs.items()])
        waiting.rotate(-self._next_run)
        has_news = False
        while waiting:
            key, run = waiting.popleft()
            self._next_run = (self._next_run + 1) % max(1, len(self._runs))
            if self._poll_run(key, run):
                has_news = True
                waiting.append((key, run))
            if time.monotonic() >= deadline:
                break
        return has_news

    def _poll_run(self, key: str, run: _Followed) -> bool:
        has_news = run.poll()
        view = self.comparison.members[key]
        if view.curves is not run.reader.curves:
            view.curves = run.reader.curves
            self.comparison.version += 1
        return has_news

    def read_journal(self) -> bool:
        """Only what became of the members, without their curves; whether there was anything."""
        if self._journal is None:
            return False
        try:
            words = self._journal.poll()
            self.problem = self._printed
        except TuitrainError as error:
            self.problem = str(error)
            return False
        for word in words:
            self.comparison.add(word)
        return bool(words)

    def _open_runs(self) -> None:
        for key, view in self.comparison.members.items():
            known = self._runs.get(key)
            if view.run and (known is None or known.path != view.run):
                self._runs[key] = _Followed(view.run, self._wanted)

    def look_outside(self) -> bool:
        """See who is at work, and what is wrong with the records; whether that has changed."""
        before = self.is_scheduled
        self.is_scheduled = self.folder is not None and is_held(self.folder.lock_path)
        self._printed = self._printed_last()
        remarks = [text for run in self._runs.values() for text in run.look_outside()]
        for text in remarks:
            self.comparison.add(Remarked(time=time.time(), text=text))
        return bool(remarks) or before != self.is_scheduled

    def _printed_last(self) -> str:
        """Of a scheduler that is gone without a word, as it could not write down why."""
        is_left = any(view.state == "waiting" for view in self.comparison.members.values())
        if self.folder is None or self.is_scheduled or self.comparison.ended is not None or not is_left:
            return ""
        printed = last_printed(self.folder)
        return f"its scheduler printed: {printed}" if printed else ""

    def _set_states(self) -> bool:
        has_changed = False
        for key, run in self._runs.items():
            view = self.comparison.members[key]
            state = self._state_of(view, run)
            if state != view.state:
                view.state = state
                self.comparison.version += 1
                has_changed = True
        return has_changed

    def _state_of(self, view: MemberView, run: _Followed) -> MemberState:
        if run.outside == "gone":
            return "gone"
        if view.ended is not None and view.ended != "lost":  # the scheduler has the last word on what it launched
            is_finished = run.reader.has_ended and state_of(run.reader.curves) == "finished"
            return "finished" if view.ended == "failed" and is_finished else view.ended  # somebody resumed it by hand
        # One that waits in the queue of an engine looks lost from outside; while a scheduler is at work, it will say.
        is_theirs = self.is_scheduled and not view.member.run
        state = state_of(run.reader.curves)
        return state if is_theirs else run.outside or state
