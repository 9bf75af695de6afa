"""A stranger's recording: it cannot run code, and no path in it leads out of its folder."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from tests.rundir.conftest import folder
from tests.rundir.fake_trainer import heartbeat, info_of, request
from tuitrain.board.board import Board
from tuitrain.errors import RunFolderError, TuitrainError
from tuitrain.preset import load_preset
from tuitrain.protocol.carrier import DamageSeen
from tuitrain.protocol.codec import encode, encode_event
from tuitrain.protocol.commands import Stop
from tuitrain.protocol.events import CheckpointSaved, RunStarted, UnknownEvent
from tuitrain.protocol.version import PROTOCOL_VERSION
from tuitrain.rundir.commands import CommandReader, ask
from tuitrain.rundir.follower import last_events, read_events
from tuitrain.rundir.lock import RunLock, is_locked
from tuitrain.rundir.places import RunFolder, read_info, write_info
from tuitrain.rundir.presence import STALE_SECONDS, PresenceWatch, ScreenPresence
from tuitrain.rundir.summary import summarize
from tuitrain.session.reading import RunReader
from tuitrain.session.start import resume_detached
from tuitrain.session.worker import open_hosting
from tuitrain.training.checkpoint import load_checkpoint, newest_intact, save_checkpoint
from tuitrain.ui.source import LiveSource

__all__ = ["folder"]

PARTS = ("run.json", "events.jsonl", "commands", "checkpoints", "screens", "output.log", "lock")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of somebody's own, with things in it that have the names that we look for."""
    place = tmp_path / "mine"
    place.mkdir()
    for name in ("notes.txt", "step-00000001.pt", "run.json"):
        (place / name).write_text("no newline at its end")
    return place


def content(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir()}


@pytest.mark.parametrize("part", PARTS)
def test_nobody_trains_through_a_link(folder: RunFolder, victim: Path, part: str) -> None:
    """Resuming would cut, append to or tidy up what is beyond it; it is refused by name before anything is touched."""
    write_info(folder, info_of(folder))
    (folder.checkpoints_path / "step-00000001.pt").write_bytes(b"x")
    before = content(victim)
    target = folder.path / part
    if target.is_dir():
        for inner in target.iterdir():
            inner.unlink()
        target.rmdir()
    target.unlink(missing_ok=True)
    target.symlink_to(victim if part in {"commands", "checkpoints", "screens"} else victim / "notes.txt")
    with pytest.raises(RunFolderError, match=f"{part}: is a link"):
        resume_detached(folder, has_screen=False)
    with pytest.raises(RunFolderError, match=f"{part}: is a link"):
        ask(folder, request(Stop()))
    with ScreenPresence(folder):
        assert content(victim) == before


def test_no_reader_follows_a_link(folder: RunFolder, victim: Path) -> None:
    """The stream, the lock, run.json, commands and screens; looking at them reports or shows nothing of it."""
    secret = victim / "events"
    secret.write_bytes(encode(heartbeat(99, seq=1)) + b"\n")
    for path in (folder.events_path, folder.lock_path, folder.info_path, folder.output_path):
        path.symlink_to(secret)
    assert "cannot be read" in LiveSource(folder).output()
    for look in (read_events, is_locked, read_info, lambda folder: last_events(folder.events_path)):
        with pytest.raises(RunFolderError, match="it is a link"):
            look(folder)
    (victim / "7.json").write_bytes(encode(request(command_id="7")))
    for place in (folder.commands_path, folder.screens_path):
        place.rmdir()
        place.symlink_to(victim)
    assert CommandReader(folder).poll() == []
    now = 0.0
    watch = PresenceWatch(folder, clock=lambda: now)
    for now in (1.0, 2.0, STALE_SECONDS + 10.0):  # noqa: B007
        assert not watch.is_attached()
    assert len(content(victim)) == 5
    assert summarize(folder).state == "lost"
    assert "link" in summarize(folder).problem


def test_pipes_in_a_recording_make_nobody_wait(folder: RunFolder) -> None:
    """Each is told, at once."""
    for path in (folder.events_path, folder.lock_path, folder.info_path, folder.checkpoints_path / "step-00000001.pt"):
        os.mkfifo(path)
    assert "no regular file" in summarize(folder).problem
    with pytest.raises(RunFolderError, match="no regular file"):
        load_checkpoint(folder.checkpoints_path / "step-00000001.pt")


class Evil:
    """A pickle that would write a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_a_checkpoint_that_is_a_link_or_holds_code_is_refused(folder: RunFolder, tmp_path: Path) -> None:
    """The code does not run, in a pickle of old nor in an archive of torch, and the link is not read."""
    mark, elsewhere = tmp_path / "ran", tmp_path / "elsewhere.pt"
    save_checkpoint(tmp_path, {"step": 3, "timelines": {"current": 0}, "position": {"decisions": 0}})
    (tmp_path / "step-00000003.pt").rename(elsewhere)
    assert load_checkpoint(elsewhere)["step"] == 3
    (folder.checkpoints_path / "step-00000003.pt").symlink_to(elsewhere)
    (folder.checkpoints_path / "step-00000002.pt").write_bytes(pickle.dumps(Evil(mark)))
    torch.save({"version": 3, "step": 1, "model": Evil(mark)}, folder.checkpoints_path / "step-00000001.pt")
    assert zipfile.is_zipfile(folder.checkpoints_path / "step-00000001.pt")
    assert newest_intact(folder.checkpoints_path) is None
    assert not mark.exists()
    with pytest.raises(RunFolderError, match=r"step-00000003\.pt: cannot be read"):
        load_checkpoint(folder.checkpoints_path / "step-00000003.pt")


def test_paths_in_the_words_of_a_recording_are_only_words(folder: RunFolder, capfd: pytest.CaptureFixture[str]) -> None:
    """A checkpoint said to lie elsewhere, an id and a parent that are paths: going on looks in its own folder."""
    preset = load_preset("mnist-mlp", ["train.steps=5"]).to_data()
    info = msgspec.structs.replace(info_of(folder), id="../../etc", parent="/etc/passwd", preset=preset)
    write_info(folder, info)
    said = CheckpointSaved(seq=1, step=1, path="../../etc/passwd", num_bytes=1, sha256="0" * 64, save_seconds=0.0)
    folder.events_path.write_bytes(encode_event(said) + b"\n")
    with RunLock.acquire(folder):
        ended = open_hosting(folder, "stop", is_resumed=True).work()
    assert (ended.reason, "there is no intact checkpoint" in ended.message) == ("failed", True)
    assert "passwd" not in ended.message + capfd.readouterr().err
    board = Board()
    for event in read_events(folder):
        board.apply(event)
    assert board.state == "failed"


@pytest.mark.parametrize(
    "mistake",
    ["task.dataset=os.system('x')", 'task.model="__import__(1)"', 'optimizer.name="../x"', 'train.device="cuda;x"'],
)
def test_a_strangers_preset_names_things_of_our_tables_alone(mistake: str) -> None:
    """Everything else is an error with the key."""
    with pytest.raises(TuitrainError, match=mistake.partition("=")[0].replace(".", r"\.")):
        load_preset("mnist-mlp", [mistake])


def test_a_recording_of_a_newer_version_opens_and_says_so(folder: RunFolder) -> None:
    """Unknown events are counted, unknown fields passed over, the rest is shown; in a list of runs as well."""
    write_info(folder, msgspec.structs.replace(info_of(folder), protocol_version=PROTOCOL_VERSION + 1))
    folder.info_path.write_bytes(folder.info_path.read_bytes().replace(b'{"id"', b'{"mood":[1],"id"', 1))
    golden = Path(__file__).parents[1] / "recordings"
    started = next(
        event
        for path in sorted(golden.rglob("events.jsonl"))
        for event in read_events(RunFolder(path.parent))
        if isinstance(event, RunStarted)
    )
    newer = msgspec.structs.replace(started, protocol_version=PROTOCOL_VERSION + 1)
    unknown = b'{"event":"Teleported","seq":2,"where":{"x":1}}'
    known = encode(heartbeat(7, seq=3)).replace(b"{", b'{"mood":"new",', 1)
    folder.events_path.write_bytes(b"\n".join([encode_event(newer), unknown, known, b""]))
    reader, board = RunReader(folder), Board()
    while words := reader.poll():
        for word in words:
            board.apply(word)
    assert (board.num_unknown, board.num_damaged) == (1, 0)
    assert board.heartbeat is not None
    assert [entry.kind for entry in board.log if "of a newer tuitrain: protocol 2" in entry.text] == ["alarm"]
    assert "run.json: is of a newer tuitrain" in summarize(folder).problem
    assert not any(isinstance(event, DamageSeen) for event in read_events(folder))
    assert any(isinstance(event, UnknownEvent) for event in read_events(folder))
