"""The live source: a thread reads the folder, a trainer answers, and what goes wrong is told on the screen."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.recordings.hand_made import hand_made
from tests.rundir.fake_trainer import FakeTrainer
from tests.rundir.fake_trainer import until as wait_until
from tests.ui.watching import text_of, until
from tuitrain.board.board import Board
from tuitrain.protocol.codec import encode
from tuitrain.protocol.commands import Pause, Stop
from tuitrain.protocol.events import Column, CommandRefused, StepsFinished
from tuitrain.rundir.follower import BLOCK_BYTES
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.presence import PresenceWatch
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.source import LiveSource, ReplaySource, Source


class Trainer:
    """A fake trainer at work in a thread, with a run that has begun."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.fake = FakeTrainer(folder)
        self.fake.say(*hand_made()[:6])
        self._is_killed = threading.Event()
        self._thread = threading.Thread(target=self.fake.run, args=(self._is_killed,))
        self._thread.start()

    def kill(self) -> None:
        """It dies without a last word."""
        self._is_killed.set()
        self._thread.join(20)


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Trainer]:
    """At work; killed at the end."""
    found = Trainer(RunFolder.create(tmp_path / "runs" / "20261121-1432-linreg-7f3a"))
    yield found
    found.kill()


@pytest.fixture
def source(trainer: Trainer) -> Iterator[LiveSource]:
    """Follows that trainer."""
    found = LiveSource(trainer.folder)
    found.start()
    yield found
    found.close()
    found._thread.join(20)


def folded_until(source: Source, condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Drain until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        source.drain(0.1)
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def test_what_was_asked_is_shown_until_it_is_answered(source: LiveSource) -> None:
    """Asked from another thread, pending, applied; the log tells both."""
    folded_until(source, lambda: source.board.state == "running" and source.is_caught_up)
    source.ask(Pause())
    folded_until(source, lambda: len(source.board.replies) == 1)
    assert source.board.asked == {}
    assert "asked: pause" in [entry.text for entry in source.board.log]


def test_a_death_is_seen_soon(trainer: Trainer, source: LiveSource) -> None:
    """Lost at the last step that was told."""
    # Until its own steps are beyond those that were written by hand before it.
    folded_until(source, lambda: source.board.state == "running" and trainer.fake.seq > 30)
    trainer.kill()
    folded_until(source, lambda: source.board.state == "lost", 15.0)
    assert source.board.step == trainer.fake.seq - 1


def test_an_attached_screen_is_known_to_the_trainer_until_it_leaves(trainer: Trainer, source: LiveSource) -> None:
    """So that a pace holds while somebody looks."""
    folded_until(source, lambda: PresenceWatch(trainer.folder).is_attached())
    source.close()
    folded_until(source, lambda: not any(trainer.folder.screens_path.iterdir()))


def test_a_command_that_cannot_be_written_is_told(trainer: Trainer, source: LiveSource) -> None:
    """The screen goes on, and the log has the reason."""
    folded_until(source, lambda: source.board.state == "running")
    shutil.rmtree(trainer.folder.commands_path)
    trainer.folder.commands_path.write_text("no folder")
    source.ask(Stop())
    folded_until(source, lambda: any("commands" in entry.text for entry in source.board.log))
    assert source.board.log[-1].kind == "alarm"
    trainer.folder.commands_path.unlink()
    trainer.folder.commands_path.mkdir()


def test_the_reader_of_a_long_history_waits_for_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read faster than it is drawn, three gigabytes of it would fill the memory; all of it is drawn in the end."""
    folder = RunFolder.create(tmp_path / "long")
    columns = (Column(metric="batch/loss", first_step=1, values=[0.123456] * 80),)
    line = encode(StepsFinished(seq=1, step=80, columns=columns)) + b"\n"
    num_words = 2 * BLOCK_BYTES // len(line)
    folder.events_path.write_bytes(line * num_words)
    monkeypatch.setattr(Board, "apply", lambda board, word: applied.append(word))
    applied: list[object] = []
    source = LiveSource(folder)
    source.start()
    wait_until(lambda: len(source._words) > 4096)
    wait_until(lambda: any(folder.screens_path.iterdir()))  # a screen that is behind is attached all the same
    assert len(source._words) <= 4096 + BLOCK_BYTES // len(line)
    assert not source.is_caught_up
    folded_until(source, lambda: source.is_caught_up and len(applied) >= num_words)
    source.close()


def test_a_gone_folder_is_said(trainer: Trainer, source: LiveSource) -> None:
    """Deleted under a screen: no crash, a state that says so."""
    folded_until(source, lambda: source.board.state == "running")
    trainer.kill()
    shutil.rmtree(trainer.folder.path)
    folded_until(source, lambda: source.board.state == "lost")
    assert "output.log cannot be read" in source.output()


def test_the_end_of_what_was_printed_is_kept_short(trainer: Trainer, source: LiveSource) -> None:
    """The newest 64 kB, whatever bytes they are."""
    trainer.folder.output_path.write_bytes(b"\xff" + b"x" * 200_000 + b"the end")
    assert source.output().endswith("the end")
    assert len(source.output()) <= 65_536


async def test_two_screens_see_the_same_and_a_refusal_is_said(trainer: Trainer) -> None:
    """Any number may watch at once; leaving one leaves the other alone."""
    first, second = LiveSource(trainer.folder), LiveSource(trainer.folder)
    async with TuitrainApp(second).run_test(size=(80, 24)) as other:
        app = TuitrainApp(first)
        async with app.run_test(size=(120, 40), notifications=True):
            await until(lambda: "training" in text_of(app) and "training" in text_of(other.app))
            trainer.fake.say(
                CommandRefused(step=3, command="7", reason="it is not paused.", seconds=first.board.seconds)
            )
            await until(lambda: "it is not paused." in text_of(app))
        step = second.board.step
        await until(lambda: second.board.step > step)


def test_a_replay_of_a_lost_run_ends_as_lost(trainer: Trainer) -> None:
    """Its last word is that of its readers."""
    trainer.kill()
    replay = ReplaySource(trainer.folder, speed=1e6)
    replay.start()
    folded_until(replay, lambda: replay.board.state == "lost")
    assert replay.position == replay.length


def test_seeking_to_and_fro_gives_the_board_of_that_moment(trainer: Trainer) -> None:
    """Behind the beginning, past the end, and between: the same words each time."""
    trainer.kill()
    replay = ReplaySource(trainer.folder, speed=1.0)
    replay.is_playing = False
    replay.start()
    replay._thread.join(20)
    replay.drain(1.0)
    seen: list[tuple[float, int, str]] = []
    for place in (0.35, 1e9, 0.35, -5.0, 0.35):
        replay.seek(place)
        replay.drain(1.0)
        seen.append((replay.position, replay.board.num_words, replay.board.state))
    assert seen[0] == seen[2] == seen[4]
    assert seen[1][0] == replay.length
    assert seen[3][0] == 0.0
