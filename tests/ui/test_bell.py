"""The bell rings once for what happens while one watches, and for nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.recordings import HAND_MADE, copied
from tests.recordings.hand_made import hand_made
from tests.rundir.fake_trainer import FakeTrainer, info_of
from tests.ui.watching import until
from tuitrain.protocol.events import AlarmRaised, RunEnded
from tuitrain.rundir.places import RunFolder, write_info
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.source import LiveSource, ReplaySource

ALARM = AlarmRaised(step=3, kind="nonfinite_loss", message="the loss is nan", value=1.0)


@pytest.fixture(autouse=True)
def rings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry a ring."""
    found: list[int] = []
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))
    monkeypatch.setattr(TuitrainApp, "bell", lambda _: found.append(1))
    return found


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[FakeTrainer]:
    """Has begun, has raised an alarm already, and lives."""
    fake = FakeTrainer(RunFolder.create(tmp_path / "runs" / "20261121-1432-linreg-7f3a"))
    fake.say(*hand_made()[:6], ALARM)
    yield fake
    fake.writer.close()
    fake.lock.release()


async def test_it_rings_at_an_alarm_and_at_the_end_but_not_for_what_was(trainer: FakeTrainer, rings: list[int]) -> None:
    """Nor for each of a flood of alarms."""
    source = LiveSource(trainer.folder)
    async with TuitrainApp(source).run_test(size=(80, 24)):
        await until(lambda: source.is_caught_up and source.board.num_words >= 7)
        assert rings == []
        trainer.say(*[ALARM] * 5)
        await until(lambda: rings == [1])
        words = source.board.num_words
        trainer.say(*[ALARM] * 5)
        await until(lambda: source.board.num_words >= words + 5)
        trainer.say(RunEnded(step=9, reason="finished"))
        await until(lambda: rings == [1, 1])
        trainer.lock.release()
        await asyncio.sleep(0.8)  # long enough for the word on the folder, which is no second end
    assert rings == [1, 1]


async def test_it_rings_when_the_trainer_dies(trainer: FakeTrainer, rings: list[int]) -> None:
    """Without a last word it has ended as well."""
    source = LiveSource(trainer.folder)
    async with TuitrainApp(source).run_test(size=(80, 24)):
        await until(lambda: source.is_caught_up)
        trainer.lock.release()
        await until(lambda: source.board.state == "lost" and rings == [1])


@pytest.mark.parametrize("is_replay", [False, True])
async def test_it_is_silent_over_a_recording(tmp_path: Path, rings: list[int], is_replay: bool) -> None:
    """With an alarm and a failed end in it, looked at or played."""
    folder = copied(HAND_MADE, tmp_path / "runs")
    source = ReplaySource(folder, speed=1000.0) if is_replay else LiveSource(folder)
    async with TuitrainApp(source).run_test(size=(80, 24)):
        await until(lambda: source.board.state == "failed")
        await asyncio.sleep(0.3)
    assert rings == []


async def test_a_preset_can_switch_it_off(trainer: FakeTrainer, rings: list[int]) -> None:
    """`bell = false`."""
    write_info(trainer.folder, msgspec.structs.replace(info_of(trainer.folder), preset={"notify": {"bell": False}}))
    source = LiveSource(trainer.folder)
    async with TuitrainApp(source).run_test(size=(80, 24)):
        await until(lambda: source.is_caught_up)
        trainer.say(RunEnded(step=9, reason="finished"))
        await until(lambda: source.board.state == "finished")
        await asyncio.sleep(0.3)
    assert rings == []
