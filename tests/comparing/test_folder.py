"""The folder of a comparison: whole or not at all, private, and readable after whatever happened to its journal."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tuitrain.comparing.folder import (
    STOP_ALL,
    ComparisonFolder,
    Journal,
    JournalReader,
    check_name,
    create_comparison,
    find_comparison,
    free_name,
    list_comparisons,
    new_key,
    read_plan,
)
from tuitrain.comparing.starting import start_scheduler
from tuitrain.errors import RunFolderError, UnknownNameError, UsageError
from tuitrain.protocol.comparing import ComparisonPlan, Member, MemberEnded, MemberLaunched, Remarked, SchedulerEnded


def made(name: str) -> ComparisonFolder:
    member = Member(key="a", arm="a", preset={"train": {"seed": 0}, "x": float("inf")})
    return create_comparison(ComparisonPlan(name=name, created=0.0, members=(member,), target=0.5))


def test_a_plan_is_read_as_it_was_written(home: Path) -> None:
    """Infinity and all; nobody else can read it."""
    folder = made("one")
    plan = read_plan(folder)
    assert plan.members[0].preset["x"] == "Infinity"  # as JSON has it: no preset holds one
    assert plan.target == 0.5
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.plan_path.stat().st_mode) == 0o600


def test_a_name_is_taken_once() -> None:
    """The next one of that name has a number; a wish for the very name is refused with both ways out."""
    made("one")
    assert free_name("one") == "one-2"
    assert free_name("SGD, Adam & Co/x.toml") == "sgd-adam-co-x.toml"
    assert free_name("///") == "comparison"
    with pytest.raises(UsageError, match="--resume one, or another --name"):
        made("one")


@pytest.mark.parametrize("name", ["", "../up", "A", "last", "a/b", ".hidden", "x" * 61, "a b"])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    """Whatever a person types after --name."""
    with pytest.raises(UsageError, match="cannot be the name"):
        check_name(name)


def test_comparisons_are_found_by_name_beginning_and_last() -> None:
    """A wrong name names the nearest."""
    with pytest.raises(UsageError, match="no comparisons yet"):
        find_comparison("last")
    made("optimizers")
    made("schedules")
    assert find_comparison("opt").name == "optimizers"
    assert find_comparison("last").name in {"optimizers", "schedules"}
    assert {folder.name for folder in list_comparisons()} == {"optimizers", "schedules"}
    with pytest.raises(UnknownNameError, match='"optimizers"'):
        find_comparison("optimisers")


def test_a_torn_line_is_skipped_and_what_follows_is_read() -> None:
    """A power cut in the middle of a word: the next scheduler cuts it off and goes on."""
    folder = made("one")
    journal = Journal(folder)
    journal.write(MemberLaunched(time=0.0, key="a", run="/r"))
    journal.close()
    with folder.journal_path.open("ab") as file:
        file.write(b'{"type":"MemberEnded","time":1.0,"ke')
    reader = JournalReader(folder)
    assert len(reader.poll()) == 1  # what is torn may still be in progress
    journal = Journal(folder)
    journal.write(MemberEnded(time=2.0, key="a", state="finished"))
    journal.close()
    assert reader.poll() == [MemberEnded(time=2.0, key="a", state="finished")]
    assert reader.num_damaged == 0


def test_what_follows_a_word_that_the_disk_took_in_part_stands_in_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last word of a scheduler is why it ended: glued to a torn one it would be lost."""
    folder = made("one")
    journal, real, refusing = Journal(folder), os.write, [True]

    def write(descriptor: int, data: bytes) -> int:
        if refusing and len(data) < 60:
            refusing.clear()
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, bytes(data)[:30] if refusing else data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(RunFolderError, match="No space left"):
        journal.write(MemberLaunched(time=0.0, key="a", run="/r"))
    journal.write(MemberEnded(time=2.0, key="a", state="finished"))
    assert JournalReader(folder).poll() == [MemberEnded(time=2.0, key="a", state="finished")]


def test_a_made_up_name_that_was_taken_meanwhile_is_drawn_again() -> None:
    """Six that begin at once with `compare lr-good --vary …`: none is refused for a name that it did not give."""
    plan = ComparisonPlan(name="lr-good", created=1.0)
    names = [create_comparison(plan, is_named=False).name for _ in range(3)]
    assert names == ["lr-good", "lr-good-2", "lr-good-3"]
    with pytest.raises(UsageError, match="already"):
        create_comparison(plan)


def test_words_of_a_newer_version_are_skipped() -> None:
    """And counted."""
    folder = made("one")
    folder.journal_path.write_bytes(b'{"type":"SomethingNew","time":1.0}\n{"type":"Remarked","time":1.0,"text":"x"}\n')
    reader = JournalReader(folder)
    assert reader.poll() == [Remarked(time=1.0, text="x")]
    assert reader.num_damaged == 1


def test_a_damaged_plan_says_where() -> None:
    """And one that is gone."""
    folder = made("one")
    folder.plan_path.write_text("{")
    with pytest.raises(RunFolderError, match=r"plan\.json: is damaged"):
        read_plan(folder)
    folder.plan_path.unlink()
    with pytest.raises(RunFolderError, match="cannot be read"):
        read_plan(folder)


def test_wishes_are_seen_until_they_are_granted() -> None:
    """An empty file each."""
    folder = made("one")
    folder.wish("a")
    folder.wish("a")
    assert folder.wishes() == {"a"}
    folder.grant("a")
    folder.grant("a")
    assert folder.wishes() == set()


def test_a_full_disk_is_said_by_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the scheduler ends, and the runs go on."""
    folder = made("one")
    journal = Journal(folder)

    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(RunFolderError, match=r"No space left.*Try: freeing space"):
        journal.write(SchedulerEnded(time=0.0, reason="finished"))


def test_keys_are_safe_and_apart() -> None:
    """Labels may hold anything."""
    taken: set[str] = set()
    for label in ("a/b", "a b", "a?b", "../..", "ä" * 99, "a/b"):
        key = new_key(label, "s0", taken=taken)
        assert "/" not in key
        assert not key.startswith(".")
        assert key not in taken
        taken.add(key)


def test_a_scheduler_that_is_started_again_does_not_obey_the_stop_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That one died before it could; who resumes wants it to go on."""
    folder = made("one")
    folder.wish(STOP_ALL)
    monkeypatch.setattr(subprocess, "Popen", lambda *_arguments, **_options: SimpleNamespace(pid=1))
    start_scheduler(folder)
    assert folder.wishes() == set()
