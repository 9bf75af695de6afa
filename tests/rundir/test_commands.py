"""Asking a run: every command is seen once and in order, and nothing in the folder can stop that."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.rundir.fake_trainer import request
from tuitrain.errors import RunFolderError
from tuitrain.protocol.codec import encode
from tuitrain.protocol.commands import Pause, Request, SetLearningRate
from tuitrain.rundir.commands import CommandReader, DamagedCommand, ask, new_command_id
from tuitrain.rundir.places import RunFolder


def test_ids_increase_even_when_the_clock_stands_or_goes_back() -> None:
    """Commands apply in the order of their ids, so the order of asking must be theirs."""
    times = iter([10**18, 10**18, 10**18 - 5, 3, *range(100)])
    ids = [new_command_id(lambda: next(times)) for _ in range(104)]
    assert ids == sorted(set(ids))
    assert len(ids[0]) == 29


def test_a_request_arrives_as_it_was_asked(folder: RunFolder) -> None:
    """And leaves no draft behind."""
    asked = request(SetLearningRate(lr=3e-4))
    ask(folder, asked)
    assert CommandReader(folder).poll() == [asked]
    assert [path.name for path in folder.commands_path.iterdir()] == [f"{asked.id}.json"]


def test_requests_come_in_the_order_of_ids_and_once_each(folder: RunFolder) -> None:
    """However they were written, and however few are taken at a time."""
    asked = [request() for _ in range(20)]
    reader = CommandReader(folder)
    for word in asked[::-1]:
        ask(folder, word)
    found = reader.poll(max_files=7) + reader.poll(max_files=7) + reader.poll(max_files=7)
    assert found == asked
    assert reader.poll() == []
    ask(folder, later := request())
    assert reader.poll() == [later]
    assert reader.poll() == []


def test_answered_requests_are_passed_over(folder: RunFolder) -> None:
    """A trainer that resumes a run does not do again what was done."""
    asked = [request() for _ in range(3)]
    for word in asked:
        ask(folder, word)
    assert CommandReader(folder, answered={asked[0].id, asked[2].id}).poll() == [asked[1]]


def test_a_request_within_the_granularity_of_the_folder_time_is_seen(folder: RunFolder) -> None:
    """A coarse file system gives two changes of one second the same time."""
    now = 0.0
    reader = CommandReader(folder, clock=lambda: now)
    os.utime(folder.commands_path, ns=(10**18, 10**18))
    assert reader.poll() == []
    now = 0.9
    ask(folder, asked := request())
    os.utime(folder.commands_path, ns=(10**18, 10**18))
    assert reader.poll() == [asked]
    now = 1.9
    ask(folder, asked := request())
    os.utime(folder.commands_path, ns=(10**18, 10**18))
    now = 2.5
    assert reader.poll() == [asked]


def test_damage_is_reported_once_by_name_and_the_rest_is_read(folder: RunFolder) -> None:
    """Garbage, half files, foreign words, huge and strange files: none of them stops a command."""
    good, half = request(), encode(request())[:30]
    ask(folder, good)
    stranger = request(command_id="someone-else")
    contents = {
        "a-garbage.json": b"\xff\x00garbage",
        "b-empty.json": b"",
        "c-half.json": half,
        "d-deep.json": b"[" * 100_000,
        "e-unknown.json": b'{"id":"e-unknown","session":"s","actor":"user","time":1,"command":{"command":"fly"}}',
        "f-renamed.json": encode(stranger),
        "g-huge.json": b"x" * (10 << 20),
    }
    for name, content in contents.items():
        (folder.commands_path / name).write_bytes(content)
    (folder.commands_path / "h-folder.json").mkdir()
    os.mkfifo(folder.commands_path / "i-pipe.json")
    (folder.commands_path / "j-link.json").symlink_to("/dev/zero")
    (folder.commands_path / ".draft.json.0123").write_bytes(half)
    (folder.commands_path / "notes.txt").write_bytes(b"mine")
    reader = CommandReader(folder)
    found = reader.poll() + reader.poll()
    damaged = [word for word in found if isinstance(word, DamagedCommand)]
    assert [word for word in found if isinstance(word, Request)] == [good]
    assert [word.name for word in damaged] == [*contents, "h-folder.json", "i-pipe.json", "j-link.json"]
    assert all(word.detail for word in damaged)


def test_a_huge_file_is_refused_unread(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte by mistake must not become a gigabyte of memory."""
    with (folder.commands_path / "huge.json").open("wb") as file:
        file.truncate(1 << 40)
    monkeypatch.setattr("os.pread", lambda *_arguments: pytest.fail("read a huge file"))
    assert [word.name for word in CommandReader(folder).poll() if isinstance(word, DamagedCommand)] == ["huge.json"]


def test_files_and_folders_that_vanish_are_no_error(folder: RunFolder) -> None:
    """Someone cleans up while the trainer looks; what comes back later is seen then."""
    asked = [request() for _ in range(3)]
    for word in asked:
        ask(folder, word)
    reader = CommandReader(folder)
    assert reader.poll(max_files=1) == asked[:1]
    (folder.commands_path / f"{asked[1].id}.json").unlink()
    assert reader.poll() == asked[2:]
    ask(folder, asked[1])
    assert reader.poll() == [asked[1]]
    folder.commands_path.rename(folder.path / "elsewhere")
    assert reader.poll() == []


def test_twenty_thousand_requests_are_each_read_once_with_few_listings(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work grows with the number of files, not with its square; a quiet folder costs no listing at all."""
    now = 0.0
    ids = [f"{number:020d}" for number in range(20_000)]
    for command_id in ids:
        (folder.commands_path / f"{command_id}.json").write_bytes(encode(request(Pause(), command_id)))
    calls: Counter[str] = Counter()
    real_pread, real_scandir = os.pread, os.scandir

    def counted_pread(descriptor: int, num_bytes: int, offset: int) -> bytes:
        calls["read"] += 1
        return real_pread(descriptor, num_bytes, offset)

    def counted_scandir(descriptor: int) -> object:
        calls["listed"] += 1
        return real_scandir(descriptor)

    monkeypatch.setattr("os.pread", counted_pread)
    monkeypatch.setattr("os.scandir", counted_scandir)
    reader = CommandReader(folder, clock=lambda: now)
    found: list[str] = []
    while batch := reader.poll(max_files=1000):
        found += [word.id for word in batch if isinstance(word, Request)]
        now += 0.05
    assert found == ids
    for _ in range(1000):
        now += 0.05
        assert reader.poll() == []
    assert calls["read"] == 20_000
    assert calls["listed"] <= 3


def test_asking_a_folder_that_is_gone_says_so(tmp_path: Path) -> None:
    """Nothing was asked, and the person hears it."""
    with pytest.raises(RunFolderError, match="cannot be written"):
        ask(RunFolder(tmp_path / "gone"), request())


@pytest.mark.parametrize("command_id", ["../../escape", ".hidden", "a/b", "x" * 200, "a\n"])
def test_an_id_that_is_no_file_name_is_refused(folder: RunFolder, command_id: str) -> None:
    """An id comes from outside in a relay: it must not choose where it is written."""
    with pytest.raises(ValueError, match="cannot be the id"):
        ask(folder, request(command_id=command_id))
