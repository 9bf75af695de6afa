"""Runs that end before their last step because their preset wants it so."""

from __future__ import annotations

from tests.comparing.fake_engine import FakeEngine
from tests.comparing.test_scheduler import Picky, scheduler
from tuitrain.board.cautions import cautions
from tuitrain.comparing.folder import create_comparison
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.protocol.comparing import ComparisonPlan


def test_a_run_that_a_rule_of_its_preset_ended_has_finished() -> None:
    """Early stopping is the end that was wanted: a search counts such a trial, and nobody reads that it was stopped."""
    folder, engine, supply = (
        create_comparison(ComparisonPlan(name="s", created=0.0, num_parallel=1)),
        FakeEngine(),
        Picky(2),
    )
    it = scheduler(folder, engine, supply=supply)
    for message in ("early stopping: eval/loss was best at step 3", ""):
        it.look()
        engine.begin(engine.working[0], 20)
        engine.end(engine.working[0], "stopped", message)
        it.look()
    assert [state for _, state, _ in supply.ends] == ["finished", "stopped"]
    reader = ComparisonReader.of_folder(folder)
    reader.read_all()
    assert [view.state for view in reader.comparison.members.values()] == ["finished", "stopped"]
    assert len(cautions(reader.comparison)) == 1
