"""Delete, restore and prune: what goes can come back, what matters never goes, and it is said first."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import msgspec
import pytest

from tests.rundir.fake_trainer import FakeTrainer, heartbeat, info_of, until
from tuitrain.errors import RunBusyError, RunFolderError, RunNotFoundError
from tuitrain.protocol.codec import encode
from tuitrain.protocol.events import Event, RunEnded
from tuitrain.rundir.catalogue import list_runs
from tuitrain.rundir.disk import bytes_on_disk, free_bytes, in_words
from tuitrain.rundir.labels import noted, renamed, tagged
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, runs_folder, write_info
from tuitrain.rundir.pruning import Step, Wish, carry_out, plan
from tuitrain.rundir.status import CarrierWatch
from tuitrain.rundir.trash import DAY_SECONDS, delete, find_in_trash, list_trash, remove_for_good, restore, trash_folder
from tuitrain.rundir.writer import EventWriter

NOW = time.time()
ENDED = RunEnded(step=10, reason="finished")
ALL = Wish(older_than_days=0.0, checkpoints=True, trash_days=0.0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TUITRAIN_HOME in the test's own folder."""
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def made(name: str, *events: Event, days: float = 100.0, host: str = "", num_checkpoints: int = 0) -> RunFolder:
    """A run whose trainer is gone since so many days."""
    folder = RunFolder.create(runs_folder() / name)
    then = NOW - days * DAY_SECONDS
    write_info(folder, info_of(folder, created=then, host=host))
    with EventWriter(folder.events_path) as writer:
        writer.append([encode(event) for event in events or (ENDED,)])
    for number in range(num_checkpoints):
        (folder.checkpoints_path / f"step-{number:08d}.pt").write_bytes(bytes(10_000))
    os.utime(folder.events_path, (then, then))
    return folder


def runs_of(steps: list[Step], does: str) -> set[str]:
    return {step.run for step in steps if step.does == does}


def test_a_deleted_run_comes_back_whole() -> None:
    """Same id, same content; who watched it saw it move."""
    folder = made("a-run-0001")
    tagged(folder, ["keep"])
    before = {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    watch = CarrierWatch(folder)
    item = delete(folder)
    assert watch.poll(has_ended=False, has_grown=False).status == "moved"
    assert list_runs() == []
    assert (item.folder.path, item.id) == (trash_folder() / "a-run-0001", "a-run-0001")
    assert [found.id for found in list_trash()] == ["a-run-0001"]
    restored = restore(find_in_trash("0001"))
    after = {path.name: path.read_bytes() for path in restored.path.iterdir() if path.is_file()}
    assert after == {"lock": b"", **before}
    assert list_trash() == []


def test_delete_is_refused_while_its_trainer_lives() -> None:
    """At work, and by the lock alone, even where nothing else tells."""
    folder = RunFolder.create(runs_folder() / "alive")
    trainer = FakeTrainer(folder)
    killed = threading.Event()
    thread = threading.Thread(target=trainer.run, args=(killed,))
    thread.start()
    try:
        until(lambda: folder.events_path.stat().st_size > 0)
        with pytest.raises(RunBusyError, match="at work") as caught:
            delete(folder)
        assert "ask alive stop" in caught.value.hint
        assert folder.path.is_dir()
    finally:
        killed.set()
        thread.join()
    ended = made("ended")
    with RunLock.acquire(ended), pytest.raises(RunBusyError):
        delete(ended)
    assert [found.id for found in list_trash()] == []


def test_only_real_runs_of_ours_are_deleted(tmp_path: Path) -> None:
    """No link, no folder from elsewhere, nothing that is no run: and what a link leads to stays whole."""
    outside = RunFolder.create(tmp_path / "elsewhere" / "precious")
    write_info(outside, info_of(outside))
    runs_folder().mkdir(parents=True)
    link = runs_folder() / "link"
    link.symlink_to(outside.path)
    plain = runs_folder() / "plain"
    plain.mkdir()
    for path, words in ((link, "is a link"), (outside.path, "outside"), (plain, "no run folder")):
        with pytest.raises(RunFolderError, match=words):
            delete(RunFolder(path))
        assert path.exists()
    assert plan(ALL, NOW) == []
    assert bytes_on_disk(link) < bytes_on_disk(outside.path)


def test_the_same_id_may_be_deleted_twice() -> None:
    """Both wait in the trash; the last deleted comes back first, and nothing is overwritten."""
    first = made("twin")
    (first.path / "which").write_text("first")
    delete(first, now=NOW - 10)
    second = made("twin")
    (second.path / "which").write_text("second")
    item = delete(second, now=NOW)
    assert item.folder.id != item.id == "twin"
    folder = restore(find_in_trash(item.folder.id))
    assert (folder.path / "which").read_text() == "second"
    with pytest.raises(RunFolderError, match="is there again"):
        restore(find_in_trash("twin"))
    assert (trash_folder() / "twin" / "which").read_text() == "first"


def test_a_run_in_the_trash_is_found_by_its_name() -> None:
    """As among the runs; what is not there is said with what is."""
    folder = made("named")
    renamed(folder, "my baseline")
    delete(folder)
    assert find_in_trash("my baseline").id == "named"
    with pytest.raises(RunNotFoundError, match="No run") as caught:
        find_in_trash("namd")
    assert "named" in caught.value.hint


def test_prune_takes_what_is_old_and_nothing_that_matters() -> None:
    """Live, named, noted, tagged, young, damaged and foreign folders stay, whatever is wished."""
    for name in ("old", "lost", "named", "noted", "tagged", "live", "damaged", "young"):
        made(name, heartbeat(3) if name in {"lost", "live"} else ENDED, days=1.0 if name == "young" else 100.0)
    renamed(RunFolder(runs_folder() / "named"), "a name")
    noted(RunFolder(runs_folder() / "noted"), "a note")
    tagged(RunFolder(runs_folder() / "tagged"), ["keep"])
    (runs_folder() / "damaged" / "labels.json").write_bytes(b'{"tags": ["ke')
    made("elsewhere", heartbeat(3), days=0.5, host="another-machine")
    (runs_folder() / "not a run").mkdir()
    (runs_folder() / "not a run" / "thesis.txt").touch()
    with RunLock.acquire(RunFolder(runs_folder() / "live")):
        steps = plan(Wish(older_than_days=30.0), NOW)
        assert runs_of(steps, "trash") == {"old", "lost"}
        assert runs_of(plan(Wish(older_than_days=0.0), NOW), "trash") == {"old", "lost", "young"}
        assert plan(Wish(), NOW) == []
        for step in steps:
            carry_out(step)
    left = {path.name for path in runs_folder().iterdir()}
    assert left == {"named", "noted", "tagged", "live", "damaged", "young", "elsewhere", "not a run"}
    assert {item.id for item in list_trash()} == {"old", "lost"}


def test_the_newest_stay_however_old() -> None:
    """`keep` counts from the newest, and alone it means any age."""
    for number in range(4):
        made(f"run-{number}", days=100.0 - number)
    assert runs_of(plan(Wish(keep=3), NOW), "trash") == {"run-0"}
    assert runs_of(plan(Wish(keep=1, older_than_days=98.5), NOW), "trash") == {"run-0", "run-1"}
    assert plan(Wish(keep=9, older_than_days=1.0), NOW) == []


def test_the_trash_keeps_for_thirty_days() -> None:
    """By when a run came there; what goes then is gone, with all of its space, and nothing else."""
    for name, days in (("long ago", 31.0), ("lately", 29.0)):
        delete(made(name, num_checkpoints=2), now=NOW - days * DAY_SECONDS)
    (trash_folder() / "no run").mkdir()
    steps = plan(Wish(), NOW)
    assert [(step.does, step.run) for step in steps] == [("remove", "long ago")]
    assert steps[0].frees_bytes == steps[0].num_bytes > 20_000
    carry_out(steps[0])
    assert {path.name for path in trash_folder().iterdir()} == {"lately", "no run"}
    with pytest.raises(RunFolderError):
        carry_out(steps[0])


def test_a_link_in_the_trash_is_not_followed(tmp_path: Path) -> None:
    """Neither itself nor one within a run."""
    outside = RunFolder.create(tmp_path / "elsewhere" / "precious")
    write_info(outside, info_of(outside))
    folder = made("with a link")
    (folder.path / "checkpoints" / "shared").symlink_to(outside.path)
    item = delete(folder, now=NOW - 99 * DAY_SECONDS)
    (trash_folder() / "link").symlink_to(outside.path)
    for step in plan(ALL, NOW):
        carry_out(step)
    assert not item.folder.path.exists()
    assert outside.info_path.is_file()


def test_checkpoints_are_thinned_to_what_counts() -> None:
    """The final, the best and the tagged stay; of a run with a label or a trainer all do."""
    folder = made("many", num_checkpoints=4)
    kept = {"step-00000003.pt", "step-00000001-best.pt", "step-00000002-before-decay.pt"}
    for name in kept | {"notes.txt", "step-x.pt"}:
        (folder.checkpoints_path / name).touch()
    tagged(made("tagged", num_checkpoints=4), ["keep"])
    live = made("live", heartbeat(1), num_checkpoints=4)
    with RunLock.acquire(live):
        steps = plan(Wish(checkpoints=True), NOW)
        for step in steps:
            carry_out(step)
    assert runs_of(steps, "thin") == {"many"}
    assert len(steps) == 3
    assert {path.name for path in folder.checkpoints_path.iterdir()} == kept | {"notes.txt", "step-x.pt"}
    assert len(list(live.checkpoints_path.iterdir())) == 4


def test_what_changed_since_it_was_said_is_not_done() -> None:
    """A tag, or a trainer, that came between the plan and the deed."""
    folder, other = made("one", num_checkpoints=2), made("other", num_checkpoints=2)
    steps = [*plan(ALL, NOW), *plan(Wish(checkpoints=True), NOW)]
    assert len(steps) == 4
    tagged(folder, ["keep"])
    with RunLock.acquire(other):
        for step in steps:
            with pytest.raises((RunFolderError, RunBusyError)):
                carry_out(step)
    assert {run.id for run in list_runs()} == {"one", "other"}
    assert len(list(folder.checkpoints_path.iterdir())) == len(list(other.checkpoints_path.iterdir())) == 2


def test_without_a_stamp_the_trash_is_taken_for_fresh() -> None:
    """Whoever put it there by hand has thirty days from then."""
    item = delete(made("by hand"), now=NOW - 99 * DAY_SECONDS)
    (item.folder.path / ".deleted.json").write_bytes(msgspec.json.encode({"deleted": "long ago"}))
    assert plan(Wish(), NOW) == []


def test_what_is_not_in_the_trash_is_never_removed() -> None:
    """Whatever it is called."""
    folder = made("mine")
    item = delete(made("other"))
    with pytest.raises(RunFolderError, match="no run in the trash"):
        remove_for_good(type(item)(folder, 0.0))
    assert folder.path.is_dir()


def test_space_on_disk_is_told(tmp_path: Path) -> None:
    """Whole blocks, a second name of a file once; what is not there takes nothing."""
    (tmp_path / "a").write_bytes(os.urandom(100_000))
    os.link(tmp_path / "a", tmp_path / "b")
    assert 100_000 <= bytes_on_disk(tmp_path) < 190_000
    assert bytes_on_disk(tmp_path / "nowhere") == 0
    assert free_bytes(tmp_path / "nowhere" / "deep") > 0
    words = [in_words(number) for number in (0, 999, 1000, 99_400, 2_100_000, 12_000_000, 3_000_000_000, 10**15)]
    assert words == ["0 B", "999 B", "1.0 kB", "99 kB", "2.1 MB", "12 MB", "3.0 GB", "1000.0 TB"]
