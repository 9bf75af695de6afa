"""How a comparison stands is told from its journal and its lock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.comparing.made_up import made_up_run
from tuitrain.comparing.folder import ComparisonFolder, Journal, create_comparison
from tuitrain.comparing.listing import standing_of
from tuitrain.errors import RunBusyError
from tuitrain.protocol.comparing import (
    ComparisonPlan,
    Member,
    MemberEnded,
    MemberLaunched,
    MemberState,
    SchedulerEnded,
    SearchedParameter,
    SearchPlan,
)
from tuitrain.rundir.lock import RunLock


def folder_of(states: Sequence[MemberState | None], *, num_trials: int = 0, has_end: bool = True) -> ComparisonFolder:
    """A comparison whose members ended so; None did not."""
    members = tuple(Member(key=f"m{number}", arm="a") for number in range(len(states)))
    space = (SearchedParameter(key="optimizer.lr", low=0.1, high=1.0),)
    search = SearchPlan(space=space, method="random", num_trials=num_trials) if num_trials else None
    folder = create_comparison(ComparisonPlan(name="c", created=0.0, members=members, search=search))
    journal = Journal(folder)
    for member, state in zip(members, states, strict=True):
        if state is not None:
            journal.write(MemberEnded(time=0.0, key=member.key, state=state))
    if has_end:
        journal.write(SchedulerEnded(time=0.0, reason="finished"))
    journal.close()
    return folder


@pytest.mark.parametrize(
    ("states", "state", "num_done", "others"),
    [
        (["finished", "finished"], "done", "2 runs", ""),
        (["finished", "failed"], "done", "1 of 2 runs", "1 failed"),
        (["finished", "cancelled"], "done", "1 of 2 runs", "1 cancelled"),
        (["finished", "stopped"], "stopped", "1 of 2 runs", "1 stopped"),
        (["finished", "lost"], "stopped", "1 of 2 runs", "1 lost"),
        (["finished", None], "stopped", "1 of 2 runs", ""),
    ],
)
def test_what_is_left_for_resume_makes_it_stopped(
    states: list[MemberState | None], state: str, num_done: str, others: str, home: Path
) -> None:
    """One that failed is not tried again by itself: that comparison is done."""
    found = standing_of(folder_of(states))
    assert (found.state, found.num_done, found.others) == (state, num_done, others)


def test_a_search_counts_the_trials_that_it_will_have(home: Path) -> None:
    """Not those that it has thought of so far."""
    found = standing_of(folder_of(["finished", "pruned"], num_trials=8, has_end=False))
    assert (found.state, found.num_done) == ("stopped", "2 of 8 trials")


def test_one_whose_scheduler_is_at_work_is_running(home: Path) -> None:
    """Whoever lost the line must not think that the work has died."""
    folder = folder_of(["finished", None], has_end=False)
    with RunLock.at(folder.lock_path, RunBusyError("")):
        assert standing_of(folder).state == "running"
    assert standing_of(folder).state == "stopped"


def test_a_run_that_is_at_work_without_its_scheduler_is_running(home: Path) -> None:
    """The scheduler was killed; what it launched goes on."""
    folder = folder_of([None, None], has_end=False)
    run = made_up_run(home / "runs", "one", num_steps=10, has_end=False)
    journal = Journal(folder)
    journal.write(MemberLaunched(time=0.0, key="m0", run=str(run.path)))
    journal.close()
    with RunLock.acquire(run):
        assert standing_of(folder).state == "running"
    assert standing_of(folder).state == "stopped"
