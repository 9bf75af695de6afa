"""A run whose folder its trainer does not see: what is there comes here, as it is and in order."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tuitrain.comparing import far as far_module
from tuitrain.comparing.carrying import Carrier
from tuitrain.comparing.far import FarTrainer
from tuitrain.preset import load_preset
from tuitrain.protocol.events import RunResumed
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info, write_info
from tuitrain.rundir.presence import PresenceWatch, ScreenPresence
from tuitrain.rundir.process import this_host
from tuitrain.rundir.summary import summarize
from tuitrain.session.start import create_run

ENDED = b'{"event":"RunEnded","seq":9,"step":3,"reason":"finished"}\n'


class Elsewhere(FarTrainer):
    """The other side, whose trainer is the test."""

    code: int | None = None

    def start(self) -> None:
        """The test trains."""

    def exit_code(self) -> int | None:
        return self.code

    @property
    def copy(self) -> RunFolder:
        return self._folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A folder that was just made, at home."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path / "home"))
    return create_run(load_preset("lab-wave", ("train.steps=40",)))


@pytest.fixture
def elsewhere(run: RunFolder) -> Iterator[Elsewhere]:
    far = Elsewhere(str(run.path), "", {}, is_resumed=False)
    yield far
    far.clean()
    assert not far.copy.path.parent.exists()


def contents(folder: Path) -> dict[str, bytes]:
    """What a trainer needs or writes, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in {"lock", ".reserve"} and path.parent.name != "screens"
    }


def test_what_a_trainer_needs_is_there(run: RunFolder, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything of a run that is to go on, in pieces; its folder has the name of the run."""
    monkeypatch.setattr("tuitrain.comparing.carrying.PIECE_BYTES", 7)
    run.events_path.write_bytes(b"{}\n" * 10)
    run.output_path.write_bytes(b"a warning")
    run.weights_path.write_bytes(bytes(range(256)))
    (run.checkpoints_path / "step-00000010.pt").write_bytes(bytes(reversed(range(256))))
    (run.commands_path / "00-a.json").write_bytes(b"{}")
    Carrier(run, elsewhere).send()
    assert contents(elsewhere.copy.path) == contents(run.path)
    assert elsewhere.copy.id == run.id


def test_everything_comes_back_byte_by_byte(
    run: RunFolder, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it grows there, in lines longer than a piece too; checkpoints come, change and go."""
    monkeypatch.setattr(far_module, "PIECE_BYTES", 64)
    carrier = Carrier(run, elsewhere)
    carrier.send()
    chance, copy = random.Random(0), elsewhere.copy
    for number in range(60):
        with copy.events_path.open("ab") as events, copy.output_path.open("ab") as output:
            events.write(bytes(chance.choices(b"abcdefgh" * 20 + b"\n", k=chance.choice((3, 50, 300)))))
            output.write(bytes(chance.choices(b"xyz\n", k=chance.choice((0, 5, 100)))))
        (copy.checkpoints_path / f"step-{number % 7:08d}.pt").write_bytes(chance.randbytes(200))
        if number % 5 == 0:
            next(copy.checkpoints_path.iterdir()).unlink()
        if number % 20 == 19:  # a scheduler is replaced
            carrier.leave()
            carrier = Carrier(run, elsewhere)
        assert carrier.carry() is None
        assert copy.events_path.read_bytes().startswith(run.events_path.read_bytes())
    with copy.events_path.open("ab") as events:
        events.write(b"\n" + ENDED)
    elsewhere.code = 0
    while carrier.carry() is None:
        pass
    assert contents(run.path) == contents(copy.path)


def test_the_last_word_comes_after_the_last_checkpoint(
    run: RunFolder, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sees that it has ended finds its checkpoints; what it then still says is carried, too."""
    carrier = Carrier(run, elsewhere)
    elsewhere.copy.events_path.write_bytes(ENDED)
    (elsewhere.copy.checkpoints_path / "step-00000003.pt").write_bytes(b"weights")
    asked = elsewhere.checkpoint_piece

    def looked(name: str, offset: int) -> bytes:
        assert run.events_path.read_bytes() == b""
        return asked(name, offset)

    monkeypatch.setattr(elsewhere, "checkpoint_piece", looked)
    assert carrier.carry() is None
    assert carrier.has_last_word
    assert run.events_path.read_bytes() == ENDED
    assert (run.checkpoints_path / "step-00000003.pt").read_bytes() == b"weights"


def test_a_full_disk_here_loses_nothing(run: RunFolder, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is carried again."""
    carrier = Carrier(run, elsewhere)
    elsewhere.copy.events_path.write_bytes(b"one\ntwo\nthree\n")
    write, calls = os.write, iter(range(100))

    def full(descriptor: int, data: bytes) -> int:
        if next(calls) == 0:
            return write(descriptor, bytes(data)[:6])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(Exception, match="No space left"):
            carrier.carry()
    assert run.events_path.read_bytes() == b"one\n"
    carrier.carry()
    assert run.events_path.read_bytes() == b"one\ntwo\nthree\n"


def test_a_screen_here_is_seen_there(run: RunFolder, elsewhere: Elsewhere) -> None:
    """So that the pace of the run holds."""
    there = PresenceWatch(elsewhere.copy)
    carrier = Carrier(run, elsewhere)
    carrier.carry()
    assert not there.is_attached()

    def seen(screen: ScreenPresence) -> bool:
        screen.beat()
        carrier.carry()
        return there.is_attached()

    with ScreenPresence(run) as screen:
        until(lambda: seen(screen))


def test_a_run_that_died_there_is_nobodys(run: RunFolder, elsewhere: Elsewhere) -> None:
    """Without a last word it is lost at once, and not silent on a host that nobody can ask."""
    with RunLock.acquire(run):
        carrier = Carrier(run, elsewhere)
        carrier.send()
        write_info(elsewhere.copy, msgspec.structs.replace(read_info(run), host="far-away", pid=7))
        elsewhere.copy.events_path.write_bytes(b'{"event":"StageEntered","seq":1,"stage":"x"}\n{"torn')
        elsewhere.code = -9
        until(lambda: carrier.carry() == -9)
        assert (read_info(run).host, summarize(run).state) == ("far-away", "starting")
        carrier.close()
    assert (read_info(run).host, summarize(run).state) == (this_host(), "lost")


def test_a_copy_that_is_not_the_folder_is_not_taken_for_it(run: RunFolder, tmp_path: Path) -> None:
    """By the mark in it, not by its path; a name that leads out of it is none."""
    far = Elsewhere(str(run.path), ".mark", {}, is_resumed=False)
    assert far.where() == "empty"
    (run.path / ".mark").touch()
    assert Elsewhere(str(run.path), ".mark", {}, is_resumed=False).where() == "shared"
    for name in ("../out", str(tmp_path / "out")):
        with pytest.raises(ValueError, match="no file of a run folder"):
            far.take(name, 0, b"x")
    far.clean()


@pytest.mark.slow
def test_a_run_goes_on_from_what_was_carried(run: RunFolder) -> None:
    """The copy is thrown away; in another one a trainer goes on from the checkpoint that is here."""
    far = FarTrainer(str(run.path), "", {}, is_resumed=False)
    carrier = Carrier(run, far)
    carrier.send()
    far.start()
    until(lambda: carrier.carry() is not None)
    far.clean()
    first = len(read_events(run))
    again = FarTrainer(str(run.path), "", {}, is_resumed=True)
    carrier = Carrier(run, again)
    carrier.send()
    again.start()
    until(lambda: carrier.carry() is not None)
    again.clean()
    assert summarize(run).state == "finished"
    assert [type(event) for event in read_events(run)[first:]].count(RunResumed) == 1


@pytest.mark.slow
def test_a_trainer_whose_carrier_is_gone_for_good_stops(run: RunFolder) -> None:
    """In a copy that nobody will carry it does not train on."""
    write_info(
        run, msgspec.structs.replace(read_info(run), preset=load_preset("lab-wave", ("train.steps=9999999",)).to_data())
    )
    child = os.fork()
    if child == 0:
        far = FarTrainer(str(run.path), "", {}, is_resumed=False)
        carrier = Carrier(run, far)
        carrier.send()
        far.start()
        while True:
            carrier.carry()
            time.sleep(0.05)
    until(lambda: summarize(run).step > 10)
    pid = read_info(run).pid
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    until(lambda: not Path(f"/proc/{pid}/stat").exists())


def until(condition: Callable[[], object], seconds: float = 90.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
