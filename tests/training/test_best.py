"""`best` is the state of the lowest validation loss of the way that counts, however the run ends."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.training.harness import Told, asked, build, finish
from tuitrain.protocol.commands import Command, RollBack, SaveCheckpoint, ScaleLearningRate, SetLearningRate, Stop, Undo
from tuitrain.protocol.events import (
    AlarmRaised,
    CheckpointSaved,
    CommandApplied,
    CommandRefused,
    EvalFinished,
    RolledBack,
)
from tuitrain.training import points, saving
from tuitrain.training.checkpoint import load_checkpoint, save_checkpoint
from tuitrain.training.checksum import weights_checksum
from tuitrain.training.state import captured
from tuitrain.training.trainer import Trainer

OFTEN = (
    "task.hidden=[8]", "train.steps=60", "eval.every_steps=5", "optimizer.lr=0.03", "checkpoint.keep_best=true",
    "checkpoint.every_minutes=0",
)  # fmt: skip


@pytest.fixture(autouse=True)
def costly(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first best state no other is cheap enough to be written as the run goes."""
    monkeypatch.setattr(saving, "_LARGEST_SHARE", 1e-9)


def ready(folder: Path, *overrides: str, asks: dict[int, list[Command]] | None = None, **options: Any) -> Trainer:
    """A trainer that may save, and is asked something when it is at a step for the first time."""
    trainer, waiting = build(*OFTEN, *overrides, checkpoint_folder=folder, **options), dict(asks or {})
    take_step = trainer._take_step

    def watched() -> None:
        take_step()
        for index, command in enumerate(waiting.pop(trainer.step, [])):
            asked(trainer, command, f"{trainer.step:03d}-{index}")

    trainer._take_step = watched  # type: ignore[method-assign]
    return trainer


def lowest(result: Told, until: int = 10**9) -> EvalFinished:
    """The evaluation with the lowest finite loss, the first of equals."""
    finite = [fact for fact in result.all(EvalFinished) if math.isfinite(fact.metrics["eval/loss"])]
    return min((fact for fact in finite if fact.step <= until), key=lambda fact: fact.metrics["eval/loss"])


def is_best(folder: Path, trainer: Trainer, wanted: EvalFinished) -> bool:
    """Whether the one best state on the disk is that which was evaluated, weight by weight."""
    (path,) = folder.glob("*-best.pt")
    state = load_checkpoint(path)
    trainer.task.model.load_state_dict(state["model"])
    return (state["step"], weights_checksum(trainer.task.model)) == (wanted.step, wanted.checksum)


@pytest.mark.parametrize(
    "asks", [{}, {41: [Stop()]}, {41: [Stop(because="an alarm")]}, {40: [SetLearningRate(lr=1e-5), Stop()]}]
)  # fmt: skip
def test_after_an_orderly_end_it_is_on_the_disk(tmp_path: Path, asks: dict[int, list[Command]]) -> None:
    """Whatever was left out for its cost while the run went, and whatever was decided at the evaluation itself."""
    result = finish(ready(tmp_path, asks=asks))
    assert lowest(result).step > 5
    assert is_best(tmp_path, result.trainer, lowest(result))
    assert result.ended.best_step == lowest(result).step


def test_the_last_evaluation_may_be_the_best(tmp_path: Path) -> None:
    """Also one that only the end of the run asked for; whoever goes on finds the end as the newest state."""
    result = finish(ready(tmp_path, "optimizer.lr=1e-4", "train.steps=33"))
    assert lowest(result).step == 33
    assert is_best(tmp_path, result.trainer, lowest(result))
    assert result.all(CheckpointSaved)[-1].path.endswith("step-00000033.pt")


def test_a_run_that_fails_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception out of training, as of a loader that breaks off."""
    trainer = ready(tmp_path)
    next_batch = trainer.batches.next

    def broken() -> Any:
        if trainer.step == 43:
            raise OSError("the data are gone")
        return next_batch()

    monkeypatch.setattr(trainer.batches, "next", broken)
    with pytest.raises(OSError, match="the data are gone"):
        finish(trainer)
    facts = Told(trainer, None, trainer.run.take_facts(), {}, [])  # type: ignore[arg-type]
    assert is_best(tmp_path, trainer, lowest(facts))


def test_a_loss_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    """As Lightning's ModelCheckpoint once kept it: where only the evaluation of step 0 is finite, that is the best."""
    result = finish(ready(tmp_path, "optimizer.name=sgd", "optimizer.lr=1e30", "train.on_nonfinite=continue"))
    assert sum(math.isfinite(fact.metrics["eval/loss"]) for fact in result.all(EvalFinished)) == 1
    assert (result.ended.best_step, lowest(result).step) == (0, 0)
    assert is_best(tmp_path, result.trainer, lowest(result))


def test_a_run_that_stops_at_a_nan_keeps_it(tmp_path: Path) -> None:
    """By on_nonfinite=stop."""
    blown_up: dict[int, list[Command]] = {32: [SetLearningRate(lr=1e30)]}
    result = finish(ready(tmp_path, "optimizer.name=sgd", "train.on_nonfinite=stop", asks=blown_up))
    assert result.ended.reason == "failed"
    assert is_best(tmp_path, result.trainer, lowest(result))


def test_of_what_was_left_nothing_is_the_best(tmp_path: Path) -> None:
    """After going back it is the best of the way that counts; an undo returns to the one before."""
    asks: dict[int, list[Command]] = {52: [RollBack(to=8), SetLearningRate(lr=1e-6)]}
    result = finish(ready(tmp_path, asks=asks))
    left, (back,) = lowest(result), result.all(RolledBack)
    since = result.facts.index(back)
    way = [fact for at, fact in enumerate(result.facts) if at > since or getattr(fact, "step", 99) <= back.step]
    wanted = lowest(replace(result, facts=way))
    assert wanted.metrics["eval/loss"] > left.metrics["eval/loss"]
    assert is_best(tmp_path, result.trainer, wanted)


def test_an_undo_brings_back_the_best_of_the_way_that_was_left(tmp_path: Path) -> None:
    """Though another was the best meanwhile, and was written."""
    asks: dict[int, list[Command]] = {52: [RollBack(to=20), SetLearningRate(lr=1e-6)], 53: [Undo(), Undo(), Stop()]}
    result = finish(ready(tmp_path, asks=asks))
    assert len(result.all(RolledBack)) == 3
    assert is_best(tmp_path, result.trainer, lowest(result, until=50))


def test_going_back_to_it_is_exact(tmp_path: Path) -> None:
    """As `load_best_model_at_end` should: the very state that was evaluated, from memory, at the newest best."""
    result = finish(ready(tmp_path, asks={58: [RollBack(to="best"), Stop()]}))
    wanted = lowest(result, until=55)
    assert (result.ended.step, weights_checksum(result.trainer.task.model)) == (wanted.step, wanted.checksum)
    assert is_best(tmp_path, result.trainer, wanted)


def test_it_is_written_when_somebody_asks(tmp_path: Path) -> None:
    """While the run goes; the reply tells which it is, and the tag stays ours."""
    trainer = ready(tmp_path, asks={51: [SaveCheckpoint(best=True), SaveCheckpoint(best=True, tag="mine")]})
    result = finish(trainer)
    wanted, told = lowest(result, until=50), result.all(CommandApplied)[0]
    assert f"the best is step {wanted.step} ({wanted.metrics['eval/loss']:.4g})" in told.summary
    at = next(index for index, fact in enumerate(result.facts) if fact is told)
    assert [fact for fact in result.facts[:at] if isinstance(fact, CheckpointSaved)][-1].step == wanted.step
    assert len(result.all(CommandRefused)) == 1


def test_it_is_written_before_what_is_risky(tmp_path: Path) -> None:
    """A state that only memory holds would be gone with the process."""
    result = finish(ready(tmp_path, asks={51: [RollBack(to=20)]}))
    saved = [Path(fact.path).name for fact in result.all(CheckpointSaved)]
    best = f"step-{lowest(result, until=50).step:08d}-best.pt"
    assert best in saved[: saved.index("step-00000051-undo.pt")]


def test_a_state_too_large_for_memory_is_written_where_that_is_cheap_else_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is; of those left out it is said once, and again by whoever goes back to the best."""
    monkeypatch.setattr(points, "_MOST_BYTES", 1)
    result = finish(ready(tmp_path, asks={51: [RollBack(to="best")]}))
    alarms = [fact.message for fact in result.all(AlarmRaised) if fact.kind == "disk"]
    assert len(alarms) == 1
    assert "too large to be held in memory" in alarms[0]
    words = next(fact.summary for fact in result.all(CommandApplied) if fact.command.startswith("051"))
    wanted = lowest(result, until=50)
    assert "best on disk is step 0" in words
    assert f"the best evaluated was step {wanted.step} ({wanted.metrics['eval/loss']:.4g})" in words


def test_a_disk_that_refuses_is_told_and_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, not at each step."""
    from tuitrain.errors import RunFolderError

    tries: list[int] = []

    def refuse(folder: Path, state: dict[str, Any], **options: Any) -> CheckpointSaved:
        tries.append(state["step"])
        if len(tries) == 1:
            raise RunFolderError("no space left")
        return save_checkpoint(folder, state, **options)

    monkeypatch.setattr(saving, "save_checkpoint", refuse)
    result = finish(ready(tmp_path))
    assert [fact.message for fact in result.all(AlarmRaised) if fact.kind == "disk"] == ["no space left"]
    assert len(tries) == 2
    assert is_best(tmp_path, result.trainer, lowest(result))


def test_a_later_session_keeps_what_is_better_than_what_is_on_the_disk(tmp_path: Path) -> None:
    """The best of before the kill was in memory alone: that is said, and the next better one is not thrown away."""
    first = ready(tmp_path)
    states: dict[int, dict[str, Any]] = {}
    take_step = first._take_step

    def watched() -> None:
        take_step()
        if first.step == 41:
            states[41] = captured(first)

    first._take_step = watched  # type: ignore[method-assign]
    whole = finish(first)
    for path in tmp_path.iterdir():
        path.unlink()
    early = finish(ready(tmp_path, "train.steps=5"))
    assert is_best(tmp_path, early.trainer, lowest(early))
    (tmp_path / "step-00000005.pt").unlink()

    again = finish(ready(tmp_path, state=states[41]))
    best = lowest(whole, until=40)
    words = [fact.message for fact in again.all(AlarmRaised) if fact.kind == "disk"]
    assert f"the best evaluated was step {best.step}" in words[0]
    assert is_best(tmp_path, again.trainer, lowest(again))


def test_what_the_run_asked_at_the_best_is_asked_again_but_for_leaving_it() -> None:
    """A decay belongs to the way from there; a stop would end the run that somebody has just brought back."""
    trainer = build()
    for command in (ScaleLearningRate(factor=0.5), Stop(because="an alarm")):
        trainer.control.decide(0, command)
    state = trainer.control.state_dict()
    trainer.control.go_back(state)
    assert [type(request.command) for request in trainer.control._inbox] == [ScaleLearningRate]
