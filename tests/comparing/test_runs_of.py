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
    found = with_runs_of_comparisons(["last", "five"])
    assert found.names == ["last", "/runs/0", "/runs/1", "/runs/3"]
    assert found.labels == {"0": "m0", "1": "m1", "3": "m3"}
    assert found.notes == ["2 of the 5 runs of five are left out: 1 failed, 1 not done"]
    found = with_runs_of_comparisons(["five/adam", "fiv"])
    assert (found.names, found.notes) == (["/runs/1", "/runs/3", "fiv"], [])


def test_an_arm_may_be_written_as_it_can_be_typed() -> None:
    """Without a dot in the middle and blanks."""
    members = (Member(key="a", arm="sgd · lr 0.1"), Member(key="b", arm="sgd · lr 0.2"))
    folder = create_comparison(ComparisonPlan(name="six", created=0.0, members=members))
    journal = Journal(folder)
    for member in members:
        journal.write(MemberLaunched(time=0.0, key=member.key, run=f"/runs/{member.key}"))
        journal.write(MemberEnded(time=0.0, key=member.key, state="finished"))
    journal.close()
    assert with_runs_of_comparisons(["six/sgd-lr-0.2"]).names == with_runs_of_comparisons(["six/sgd · lr 0.2"]).names
    with pytest.raises(UsageError, match=r'no arm "lr".*six/sgd-lr-0.1; six/sgd-lr-0.2'):
        with_runs_of_comparisons(["six/lr"])


def test_an_arm_that_is_not_there_names_the_nearest() -> None:
    """And a comparison of which nothing has ended says how to go on."""
    five("running")
    with pytest.raises(UsageError, match=r'no arm "adm".*five/adam'):
        with_runs_of_comparisons(["five/adm"])
    with pytest.raises(UsageError, match=r"No run of five has ended yet.*--resume five"):
        with_runs_of_comparisons(["five"])
