"""What a report says of a comparison: which values count, which metrics, what a reader must know."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.board.test_comparison import comparison, curves
from tests.comparing.made_up import made_up_run
from tuitrain.board.comparison import Comparison
from tuitrain.board.curves import Curves
from tuitrain.board.verdict import BETTER, WORSE
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.comparing.report.from_comparison import contents_of, shared_metrics
from tuitrain.comparing.report.writing import FORMS, write_report
from tuitrain.protocol.comparing import ComparisonPlan, Member, MemberState


def ended(state: MemberState = "finished", **arms: list[Curves]) -> Comparison:
    made = comparison(**arms)
    for view in made.members.values():
        view.state = state
    return made


def at(*losses: float) -> list[Curves]:
    """A run for each loss, which falls to it."""
    return [curves([(10, 3.0 + loss), (20, loss)]) for loss in losses]


def test_clearly_different_arms_are_said_to_be() -> None:
    """By every metric that both have, the comparison's first."""
    found = contents_of(ended(a=at(0.10, 0.11, 0.12), b=at(0.50, 0.52, 0.51)))
    assert found.rankings[0].metric == "eval/loss"
    assert {ranking.metric for ranking in found.rankings} == {figure.title for figure in found.figures}
    by_loss = found.rankings[0]
    assert [(s.arm, s.word) for s in by_loss.standings] == [("a", BETTER), ("b", WORSE)]
    by_accuracy = next(ranking for ranking in found.rankings if ranking.metric == "eval/accuracy")
    assert not by_accuracy.is_lower_better
    assert by_accuracy.standings[0].arm == "a"
    assert found.arms == ("a", "b")
    assert found.figures[0].lines[0].lows[-1] == pytest.approx(0.11 - 0.01)


def test_half_a_training_does_not_count_as_a_whole_one() -> None:
    """A run that crashed is left out, and said; one whose loss was not a number any more diverged."""
    made = ended(a=at(0.1, 0.2, 9.0), b=at(0.3, 0.4, math.nan))
    for key in ("a-s2", "b-s2"):
        made.members[key].state = "failed"
    made.members["a-s2"].message = "CUDA out of memory"
    values = made.final_values("eval/loss")
    assert values["a"] == {"0": 0.1, "1": 0.2}
    assert math.isnan(values["b"]["2"])
    notes = contents_of(made).notes
    assert any("CUDA out of memory; it is left out of the verdict" in note for note in notes)
    assert any("b) failed; it diverged" in note for note in notes)


def test_runs_that_are_not_done_wait_for_their_end() -> None:
    """Those that ended count; before any has, all count as they stand."""
    made = ended("running", a=at(0.1, 0.2), b=at(0.3, 0.4))
    assert made.final_values("eval/loss") == {"a": {"0": 0.1, "1": 0.2}, "b": {"0": 0.3, "1": 0.4}}
    made.members["a-s0"].state = made.members["b-s1"].state = "finished"
    assert made.final_values("eval/loss") == {"a": {"0": 0.1}, "b": {"1": 0.4}}
    assert "2 of 4 runs had not ended when this was written." in contents_of(made).notes
    assert made.ranking("eval/loss").standings[0].word == "cannot tell with 1 seed"


def test_metrics_are_those_that_every_arm_has() -> None:
    """The comparison's is there also where no run has it."""
    made = ended(a=at(0.1), b=at(0.2))
    made.members["a-s0"].curves.add_values("batch/loss", 1, 1, np.array([1.0]))
    assert "batch/loss" not in shared_metrics(made)
    assert shared_metrics(made)[:2] == ("eval/loss", "eval/accuracy")
    assert shared_metrics(ended(a=[], b=[])) == ("eval/loss",)


def test_the_table_says_in_what_the_arms_differ() -> None:
    """Not the seed, nor what they have in common."""
    members = tuple(
        Member(key=f"{rate}-{seed}", arm=f"lr {rate}", seed=seed, preset={
            "title": f"rate {rate}", "optimizer": {"name": "sgd", "lr": rate}, "train": {"seed": seed, "epochs": 2}
        })
        for rate in (0.1, 0.2)
        for seed in (0, 1)
    )  # fmt: skip
    found = contents_of(Comparison(ComparisonPlan(name="c", created=0.0, arms=("lr 0.1", "lr 0.2"), members=members)))
    assert found.columns == ("differs in", "runs", "time of a run")
    assert [row.cells[:2] for row in found.table] == [
        ("optimizer.lr = 0.1", "2 waiting"),
        ("optimizer.lr = 0.2", "2 waiting"),
    ]


def test_the_table_says_at_which_rate_an_optimizer_was_left() -> None:
    """As far as the rates differ: one that is given and the same is no difference."""
    optimizers: list[dict[str, Any]] = [
        {"name": "sgd", "lr": 0.5}, {"name": "adam"}, {"name": "adamw", "lr": 0.001}
    ]  # fmt: skip
    members = [Member(key=each["name"], arm=each["name"], seed=0, preset={"optimizer": each}) for each in optimizers]
    plans = [
        ComparisonPlan(name="c", created=0.0, arms=tuple(member.arm for member in chosen), members=tuple(chosen))
        for chosen in (members, members[1:])
    ]
    cells = [[row.cells[0] for row in contents_of(Comparison(plan)).table] for plan in plans]
    assert cells[0][1] == "optimizer.name = adam, optimizer.lr = 0.001 (its default)"
    assert cells[0][2] == "optimizer.name = adamw, optimizer.lr = 0.001"
    assert cells[1] == ["optimizer.name = adam", "optimizer.name = adamw"]


def test_runs_on_disk_become_a_report(tmp_path: Path) -> None:
    """Read as a screen reads them; every form of it."""
    members = tuple(
        Member(key=f"{arm}{seed}", arm=arm, seed=seed, run=str(
            made_up_run(tmp_path, f"{arm}{seed}", num_steps=1200, level=level + 0.001 * seed, seed=seed).path
        ))
        for arm, level in (("low", 0.1), ("high", 0.9))
        for seed in range(3)
    )  # fmt: skip
    reader = ComparisonReader.of_plan(ComparisonPlan(name="", created=0.0, arms=("low", "high"), members=members))
    while reader.poll() or reader.num_unread_bytes:
        pass
    found = contents_of(reader.comparison)
    assert found.rankings[0].sentence == "low is better than high."
    assert "batch/loss" in shared_metrics(reader.comparison)
    assert {row.cells[0] for row in found.table} == {"3 finished"}
    for suffix in FORMS:
        write_report(found, tmp_path / f"report{suffix}")
    assert "**low is better than high.**" in (tmp_path / "report.md").read_text()
