"""Launches the members of a comparison, a few at a time, and writes down what becomes of each.

It keeps nothing that is not in the folder: one that was killed is followed by another that reads the plan and the
journal, finds the runs that are still at work, and goes on. A run that was lost goes on from its checkpoint.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tuitrain.board.cautions import has_steps_left, state_of
from tuitrain.board.comparison import Comparison, MemberView
from tuitrain.comparing.executor import Executor, Job
from tuitrain.comparing.folder import STOP_ALL, ComparisonFolder, Journal
from tuitrain.comparing.ownership import is_missing, is_own, left_alone
from tuitrain.comparing.run_curves import RunCurves
from tuitrain.comparing.supply import Supply
from tuitrain.errors import DataError, RunBusyError, TuitrainError, UsageError
from tuitrain.preset import preset_from_data
from tuitrain.protocol.commands import Stop
from tuitrain.protocol.comparing import (
    JournalWord,
    Member,
    MemberAdded,
    MemberEnded,
    MemberLaunched,
    MemberState,
    MemberSubmitted,
    Remarked,
)
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.status import CarrierWatch, has_trainer
from tuitrain.session.asking import send
from tuitrain.session.start import create_run, is_resumable

_PRUNED = "the search saw no hope in it"
"""What a pruned run gives as its reason; whoever reads it later knows that no person stopped it."""
_LAST_WORD_SECONDS = 10.0
"""A process that said its last word has so long to go before its slot is given away."""

Environment = Callable[[int, Member], dict[str, str]]
"""Slot and member → variables of its process."""


@dataclass
class _Work:
    """A member at work."""

    member: Member
    folder: RunFolder
    slot: int
    handle: str
    curves: RunCurves
    watch: CarrierWatch
    num_evaluations: int = 0
    is_pruned: bool = False
    """Whether it was asked to stop for that, by this scheduler."""
    has_grown: bool = False
    ended_at: float | None = None
    """When its last word was read."""


class Scheduler:
    """One of these is at work on a comparison: whoever makes it holds the lock of the folder.

    Args:
        folder: of the comparison.
        comparison: folded from its plan and all of its journal.
        journal: to append to.
        supply: where members that were not launched yet come from.
        executor: where they run.
        environment: what the process of a member sees besides.
        retries: of "failed" and "stopped", which are tried again: what failed anew, what was stopped from there.
        clock: seconds by a clock that never jumps.
    """

    def __init__(
        self, folder: ComparisonFolder, comparison: Comparison, journal: Journal, supply: Supply, executor: Executor,
        *, environment: Environment = lambda _slot, _member: {}, retries: frozenset[str] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._comparison = comparison
        self._journal = journal
        self._supply = supply
        self._executor = executor
        self._environment = environment
        self._clock = clock
        self._num_parallel = max(1, comparison.plan.num_parallel)
        self._working: dict[str, _Work] = {}
        self._again: deque[MemberView] = deque()
        """Members that were launched before, and are to go on."""
        self.is_stopping = False
        for view in comparison.members.values():
            self._take_over(view, retries)

    @property
    def is_done(self) -> bool:
        """Whether nothing is at work, and nothing is left to launch."""
        if self._working:
            return False
        return self.is_stopping or not (self._again or not self._supply.is_exhausted)

    @property
    def num_working(self) -> int:
        """How many are at work."""
        return len(self._working)

    def look(self) -> None:
        """Take in what happened since the last look, and launch what can be launched.

        Raises:
            TuitrainError: nothing can be written, or the executor takes nothing; what is at work goes on.
        """
        self._grant_wishes()
        for work in list(self._working.values()):
            self._look_at(work)
        while not self.is_stopping and len(self._working) < self._num_parallel and self._launch_next():
            pass
        for text in self._supply.remarks():
            self._write(Remarked(time=time.time(), text=text))

    def _take_over(self, view: MemberView, retries: frozenset[str]) -> None:
        """What an earlier scheduler left of a member."""
        if view.member.run or not view.run:
            return  # only read, or not launched yet: the supply has it
        if view.ended not in {None, "lost", *retries}:
            return
        if is_missing(view.run):  # told of just before it was made, by a scheduler that died then; or deleted since
            self._again.append(view)
            return
        if not is_own(view.run, self._folder.name, view.key):
            self._write(MemberEnded(time=time.time(), key=view.key, state="failed", message=left_alone(view.run)))
            self._supply.told(view.member, "failed", {}, {})
            return
        # It runs on, it ended meanwhile, or it was lost, as all are after a power cut: its folder tells. A person may
        # have resumed by hand what was lost or had failed.
        work = self._work(view.member, RunFolder(Path(view.run)), view.slot, view.handle)
        while work.curves.poll():
            pass
        if view.ended is None:
            is_over = not work.curves.has_ended and self._is_lost(work)
        else:
            curves = work.curves.curves
            is_left = curves.state == "failed" or (
                "stopped" in retries and curves.state == "stopped" and has_steps_left(curves)
            )
            is_done = work.curves.has_ended and not is_left
            is_over = not is_done and not has_trainer(work.folder)
        if is_over:
            self._again.append(view)
        else:
            self._working[view.key] = work

    def _grant_wishes(self) -> None:
        for name in self._folder.wishes():
            view = self._comparison.members.get(name)
            if name == STOP_ALL:
                self.is_stopping = True
                for work in self._working.values():
                    self._ask_to_stop(work)
            elif name in self._working:
                self._ask_to_stop(self._working[name])
            elif view is not None and view.ended is None and not view.member.run:
                self._write(
                    MemberEnded(time=time.time(), key=name, state="cancelled", message="taken out of the queue")
                )
                self._supply.told(view.member, "cancelled", {}, {})
            self._folder.grant(name)

    def _look_at(self, work: _Work) -> None:
        while work.curves.poll():
            work.has_grown = True
        curves = work.curves.curves
        if not work.curves.has_ended:
            work.ended_at = None
        else:
            where = self._executor.state(work.handle)
            if where == "waiting":
                return  # the engine took it back into its queue, and goes on with it
            work.ended_at = self._clock() if work.ended_at is None else work.ended_at
            is_gone = where != "running"
            if is_gone or self._clock() - work.ended_at > _LAST_WORD_SECONDS:
                why = curves.ended.message if curves.state == "stopped" and curves.ended is not None else ""
                self._end(work, "pruned" if why.startswith(_PRUNED) else state_of(curves))
            return
        if self._is_lost(work):
            self._end(work, "lost", "its process ended without a last word; --resume goes on with it")
            return
        self._look_for_hopeless(work)

    def _is_lost(self, work: _Work) -> bool:
        if self._executor.state(work.handle) in {"waiting", "running"}:
            return False
        status = work.watch.poll(has_ended=False, has_grown=work.has_grown).status
        work.has_grown = False
        # The end may have come between the last look at the stream and this one at the process.
        return status in {"lost", "moved"} and not work.curves.poll()

    def _look_for_hopeless(self, work: _Work) -> None:
        evaluations = work.curves.curves.evaluated.get(self._comparison.plan.metric, [])
        if len(evaluations) == work.num_evaluations or work.is_pruned:
            return
        work.num_evaluations = len(evaluations)
        if self._supply.is_hopeless(work.member, evaluations):
            work.is_pruned = True
            self._ask_to_stop(work, _PRUNED)

    def _ask_to_stop(self, work: _Work, because: str = "") -> None:
        if self._executor.state(work.handle) == "waiting":
            self._executor.cancel(work.handle)
        with suppress(TuitrainError):  # a folder that cannot be written is seen as lost, or ends by itself
            send(work.folder, Stop(because=because))

    def _end(self, work: _Work, state: MemberState, message: str = "") -> None:
        del self._working[work.member.key]
        ended = work.curves.curves.ended
        text = message or (ended.message if ended is not None and state in {"failed", "lost"} else "")
        self._write(MemberEnded(time=time.time(), key=work.member.key, state=state, message=text))
        last, best = (ended.last, ended.best) if ended is not None else ({}, {})
        self._supply.told(work.member, state, last, best)

    def _launch_next(self) -> bool:
        if self._again:
            self._launch_again(self._again.popleft())
            return True
        member = self._supply.next()
        if member is None:
            return False
        view = self._comparison.members.get(member.key)
        if view is not None and view.ended == "cancelled":
            self._supply.told(member, "cancelled", {}, {})  # it was given only now
            return True
        if view is None:
            self._write(MemberAdded(time=time.time(), member=member))
        self._launch(member, attempt=1)
        return True

    def _launch_again(self, view: MemberView) -> None:
        """From its checkpoint; in its folder where nothing happened in it yet; else from the beginning in a new one."""
        folder = RunFolder(Path(view.run))
        has_state = view.ended != "failed" and is_resumable(folder)
        # A stop that was asked of one in the queue of its engine lies there still: it would end at its first step.
        is_asked = any(folder.commands_path.glob("[!.]*.json"))
        is_untouched = folder.info_path.is_file() and not folder.events_path.exists() and not is_asked
        kept = folder if has_state or is_untouched else None
        if kept is None:
            _remove_if_empty(folder)
        self._launch(view.member, attempt=view.attempt + 1, folder=kept, is_resumed=has_state)

    def _launch(
        self, member: Member, attempt: int, folder: RunFolder | None = None, *, is_resumed: bool = False
    ) -> None:
        """Start a member: in a new folder, or going on in the one that it has.

        What is wrong with the member ends it; what is wrong with the disk or the engine ends the scheduler.
        """
        slot = self._free_slot()

        def launched(path: Path) -> None:
            """Written before a new run is there: whoever follows after a crash finds it, or that it is not."""
            self._write(
                MemberLaunched(
                    time=time.time(), key=member.key, run=str(path), attempt=attempt, is_resumed=is_resumed, slot=slot
                )
            )

        try:
            if folder is None:
                preset = preset_from_data(member.preset, f"{self._folder.plan_path}: {member.key}")
                comparison = f"{self._folder.name}/{member.key}"
                folder = create_run(preset, comparison=comparison, announce=launched)
            else:
                launched(folder.path)
        except (UsageError, DataError) as error:
            self._write(MemberEnded(time=time.time(), key=member.key, state="failed", message=str(error)))
            self._supply.told(member, "failed", {}, {})
            return
        environment = self._environment(slot, member)
        handle = self._submit(Job(folder=folder, is_resumed=is_resumed, slot=slot, environment=environment))
        self._write(MemberSubmitted(time=time.time(), key=member.key, handle=handle))
        self._working[member.key] = self._work(member, folder, slot, handle)

    def _submit(self, job: Job) -> str:
        try:
            return self._executor.submit(job)
        except RunBusyError:
            return ""  # somebody else went on with it meanwhile: it is followed

    def _work(self, member: Member, folder: RunFolder, slot: int, handle: str) -> _Work:
        return _Work(member, folder, slot, handle, RunCurves(folder, frozenset()), CarrierWatch(folder))

    def _free_slot(self) -> int:
        taken = {work.slot for work in self._working.values()}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    def _write(self, word: JournalWord) -> None:
        self._journal.write(word)
        self._comparison.add(word)


def _remove_if_empty(folder: RunFolder) -> None:
    """What a scheduler that died had just begun to make; anything in it keeps it."""
    with suppress(OSError):
        for path in (folder.commands_path, folder.checkpoints_path, folder.screens_path, folder.path):
            if path.exists():
                path.rmdir()
