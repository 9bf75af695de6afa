"""The scheduler process: `python -m tuitrain.comparing.worker FOLDER --lock-descriptor N`.

It ends when nothing is left to do. A signal ends it at once: the runs at work are processes of their own and go on.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType

from tuitrain.board.comparison import Comparison
from tuitrain.comparing.engines import open_executor
from tuitrain.comparing.folder import ComparisonFolder, Journal, JournalReader, read_plan
from tuitrain.comparing.scheduler import Scheduler
from tuitrain.comparing.slots import slot_environment
from tuitrain.comparing.supply import FixedSupply, Supply
from tuitrain.errors import TuitrainError
from tuitrain.protocol.comparing import ComparisonPlan, Member, SchedulerEnded, SchedulerStarted
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.process import this_host

_LOOK_SECONDS = 0.2


def main() -> int:
    """Schedule the members of the given comparison; exit code 0 where nothing went wrong with the scheduling."""
    parser = argparse.ArgumentParser(description="The scheduler of one comparison; `tuitrain compare` starts it.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock-descriptor", type=int, required=True)
    parser.add_argument("--retry", choices=("failed", "stopped"), action="append", default=[])
    arguments = parser.parse_args()
    folder = ComparisonFolder(arguments.folder)
    lock = RunLock.from_descriptor(arguments.lock_descriptor)
    asked = threading.Event()
    _handle_signals(asked)
    journal: Journal | None = None
    try:
        journal = Journal(folder)
        journal.write(SchedulerStarted(time=time.time(), host=this_host(), pid=os.getpid()))
        ended = _schedule(folder, journal, asked, retries=frozenset(arguments.retry))
    except Exception as error:  # noqa: BLE001 - whatever it is, a person must be able to read it
        message = str(error) if isinstance(error, TuitrainError) else f"{type(error).__name__}: {error}"
        sys.stderr.write(f"{traceback.format_exc()}\n{message}\n")
        ended = SchedulerEnded(time=time.time(), reason="failed", message=message)
    if journal is not None:
        with suppress(TuitrainError):  # a full disk: what is missing tells as much, and its last words are printed
            journal.write(ended)
        journal.close()
    lock.release()
    return 1 if ended.reason == "failed" else 0


def _schedule(
    folder: ComparisonFolder, journal: Journal, asked: threading.Event, *, retries: frozenset[str]
) -> SchedulerEnded:
    comparison = Comparison(read_plan(folder))
    reader = JournalReader(folder)
    while words := reader.poll():
        for word in words:
            comparison.add(word)
    plan = comparison.plan
    executor = open_executor(plan.executor, folder.engine_path, plan.num_parallel)
    _handle_signals(asked)  # again: an engine may have put its own in their place
    try:
        scheduler = Scheduler(
            folder, comparison, journal, _supply_of(folder, comparison, retries), executor,
            environment=lambda slot, member: _environment(plan, slot, member), retries=retries,
        )  # fmt: skip
        while True:
            scheduler.look()
            if scheduler.is_done:
                reason = "stopped" if scheduler.is_stopping else "finished"
                return SchedulerEnded(time=time.time(), reason=reason)  # type: ignore[arg-type]
            if asked.wait(_LOOK_SECONDS):
                left = f"; {scheduler.num_working} at work go on" if scheduler.num_working else ""
                return SchedulerEnded(time=time.time(), reason="stopped", message=f"a signal{left}")
    finally:
        executor.close()


def _supply_of(folder: ComparisonFolder, comparison: Comparison, retries: frozenset[str]) -> Supply:
    if comparison.plan.search is not None:
        from tuitrain.comparing.search import SearchSupply

        return SearchSupply(folder, comparison)
    # One that failed without a run could not be launched, e.g. as its data were not there.
    open_ones = {None, *(retries & {"failed"})}
    waiting = [view for view in comparison.members.values() if not view.run and view.ended in open_ones]
    return FixedSupply(view.member for view in waiting)


def _environment(plan: ComparisonPlan, slot: int, member: Member) -> dict[str, str]:
    """Threads and devices here; other engines deal out their own."""
    if plan.executor != "local":
        return {}
    train = member.preset.get("train")
    device = str(train.get("device", "auto")) if isinstance(train, dict) else "auto"
    return slot_environment(slot, plan.num_parallel, device=device)


def _handle_signals(asked: threading.Event) -> None:
    def end(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


if __name__ == "__main__":
    raise SystemExit(main())
