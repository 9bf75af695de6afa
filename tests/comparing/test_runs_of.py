"""A comparison stands for its runs where runs are asked for."""

from __future__ import annotations

import pytest

from tuitrain.comparing.folder import Journal, create_comparison
from tuitrain.comparing.runs_of import with_runs_of_comparisons
from tuitrain.errors import UsageError
from tuitrain.protocol.comparing import ComparisonPlan, Member, MemberEnded, MemberLaunched, MemberState


def five(*states: MemberState) -> None:
    """A comparison of that name; its members are of the arms sgd and adam in turn."""
    members = tuple(Member(key=f"m{place}", arm=("sgd", "adam")[place % 2]) for place in range(len(states)))
    folder = create_comparison(ComparisonPlan(name="five", created=0.0, arms=("sgd", "adam"), members=members))
    journal = Journal(folder)
    for place, state in enumerate(states):
        journal.write(MemberLaunched(time=0.0, key=f"m{place}", run=f"/runs/{place}"))
        if state != "running":
            journal.write(MemberEnded(time=0.0, key=f"m{place}", state=state))
    journal.close()


def test_a_comparison_stands_for_its_runs_that_have_ended() -> None:
    """Not for what failed or is at work; other names stay as they are, in their order."""
    five("finished", "finished", "failed", "stopped", "running")
    assert with_runs_of_comparisons(["last", "five"]) == ["last", "/runs/0", "/runs/1", "/runs/3"]
    assert with_runs_of_comparisons(["five/adam", "fiv"]) == ["/runs/1", "/runs/3", "fiv"]


def test_an_arm_that_is_not_there_names_the_nearest() -> None:
    """And a comparison of which nothing has ended says how to go on."""
    five("running")
    with pytest.raises(UsageError, match=r'no arm "adm".*"adam"'):
        with_runs_of_comparisons(["five/adm"])
    with pytest.raises(UsageError, match=r"No run of five has ended yet.*--resume five"):
        with_runs_of_comparisons(["five"])
