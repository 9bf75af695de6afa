"""A failed attempt to go on, to branch or to start leaves everything where it was."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.session.again import SMALL, trained, work
from tuitrain.cli import main
from tuitrain.errors import PresetError, RunFolderError, RunOverError, TuitrainError, UsageError
from tuitrain.preset import load_preset
from tuitrain.protocol.carrier import DamageSeen
from tuitrain.protocol.commands import Command, SetEnd, SetHyperparameter
from tuitrain.protocol.events import AlarmRaised, Event, RunEnded, RunResumed
from tuitrain.rundir import places
from tuitrain.rundir.catalogue import list_runs
from tuitrain.rundir.follower import read_events
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info, runs_folder, write_info
from tuitrain.rundir.summary import summarize
from tuitrain.session import headless, start, worker
from tuitrain.session.arms import Arm, run_arms
from tuitrain.session.asking import ask_and_wait
from tuitrain.session.branching import branch_point, command_of, make_branch, start_wanted
from tuitrain.session.past import Past
from tuitrain.session.start import create_run, resume_detached, start_detached

MOMENTS = [{"at_step": 60, "do": "save_checkpoint"}, {"at_step": 90, "do": "stop"}]


def events_of(folder: RunFolder) -> list[Event]:
    found = read_events(folder)
    assert not any(isinstance(event, DamageSeen) for event in found)
    return found  # type: ignore[return-value]


def stands(folder: RunFolder) -> tuple[object, ...]:
    """What a list of runs tells of it."""
    found = summarize(folder)
    return found.step, found.total_steps, found.best, found.last


def lost() -> RunFolder:
    """A run that was killed at step 90: without its last word."""
    folder = trained(moments=MOMENTS)
    lines = folder.events_path.read_bytes().splitlines(keepends=True)
    folder.events_path.write_bytes(b"".join(line for line in lines if b'"RunEnded"' not in line))
    assert summarize(folder).state == "lost"
    return folder


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"\0" * 5000, "it is 5000 zero bytes"),
        (b"hello", "it is no checkpoint"),
        (None, r"it is cut off at byte \d+"),
    ],
)
def test_without_an_intact_checkpoint_nothing_is_touched(content: bytes | None, words: str) -> None:
    """Neither the record nor run.json: step, best and session stay; each file is told with what is wrong with it."""
    folder = lost()
    for path in folder.checkpoints_path.glob("*.pt"):
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] if content is None else content)
    before = folder.events_path.read_bytes(), folder.info_path.read_bytes()
    with pytest.raises(UsageError, match=words) as caught:
        resume_detached(folder, has_screen=False)
    assert caught.value.exit_code == 2
    assert f"tuitrain rerun {folder.id}" in caught.value.hint
    assert (folder.events_path.read_bytes(), folder.info_path.read_bytes()) == before


@pytest.mark.timeout(60)
def test_a_trainer_that_dies_without_a_word_behind_an_earlier_end_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The end in the record is that of the session before; where the new one told nobody, its output is named."""
    folder = trained(moments=[{"at_step": 60, "do": "stop"}])
    monkeypatch.setattr(start, "module_command", lambda _: [sys.executable, "-c", "raise SystemExit(1)"])
    said: list[str] = []
    monkeypatch.setattr("tuitrain.session.headless.Printer.say", lambda _, text: said.append(text))
    assert headless.resume_headless(folder, as_json=False) == 1
    assert said[-1].endswith(f"what it said is in {folder.output_path}")
    assert "at step 60" in capsys.readouterr().out


def failing_disk(monkeypatch: pytest.MonkeyPatch, name: str, number: int, mode: int = 0) -> None:
    """Opening a file with that in its name fails; where a mode is given, only with it."""
    real = os.open

    def fail(path: object, flags: int, *more: int, **options: int) -> int:
        if name in str(path) and flags & mode == mode:
            raise OSError(number, os.strerror(number))
        return real(path, flags, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", fail)


class NoSignals:
    """A test's own thread is no trainer's main thread."""

    def go_to(self, _hosting: object) -> None:
        """Nothing goes to it."""


def by_hand(folder: RunFolder) -> int:
    """Resume in this process, as the trainer does; the exit code."""
    with RunLock.acquire(folder) as lock:
        start.renew(folder)
        arguments = ["worker", str(folder.path), "--resume", "--lock-descriptor", str(lock.fileno())]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", arguments)
            patch.setattr(worker, "_Signals", NoSignals)
            patch.setattr(RunLock, "from_descriptor", lambda _: lock)
            return worker.main()


def no_memory(*_: object, **__: object) -> None:
    raise MemoryError


@pytest.mark.parametrize("what", ["run.json", "memory", "data", "state"])
def test_what_fails_on_the_way_keeps_the_run_where_it_was(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step, best, last values and order; then it goes on as if nobody had tried."""
    folder = lost()
    before, sequence = stands(folder), Past.of(folder).sequence
    with monkeypatch.context() as patch:
        if what == "run.json":
            opening = worker.open_hosting

            def open_badly(*arguments: object, **options: object) -> object:
                failing_disk(patch, "run.json", errno.EIO)
                return opening(*arguments, **options)  # type: ignore[arg-type]

            patch.setattr(worker, "open_hosting", open_badly)
        elif what == "memory":
            patch.setattr("tuitrain.training.setup.optimizer_of", no_memory)
        elif what == "data":
            preset = read_info(folder).preset
            task = {**preset["task"], "dataset": "csv", "path": "/nowhere.csv"}  # type: ignore[dict-item]
            whole = read_info(folder)
            write_info(folder, msgspec.structs.replace(whole, preset={**preset, "task": task}))
        else:
            patch.setattr("tuitrain.training.setup.restore", no_memory)
        try:
            assert by_hand(folder) == 1
        except (RunFolderError, PresetError):
            assert what in {"run.json", "data"}
    if what == "data":
        write_info(folder, whole)
    ended = events_of(folder)[-1]
    assert isinstance(ended, RunEnded)
    assert (ended.reason, ended.could_not_begin) == ("failed", True)
    assert stands(folder) == before
    assert ended.seq > sequence
    assert [event.seq for event in events_of(folder)] == list(range(1, ended.seq + 1))
    assert by_hand(folder) == 0
    assert [event.lost_steps for event in events_of(folder) if isinstance(event, RunResumed)][-1] == 0


def test_a_full_disk_at_the_start_is_told_and_the_run_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """As later on: it does not end a run before it has begun."""
    folder = lost()

    def no_space(*_: object) -> None:
        raise RunFolderError("run.json: cannot be written: No space left on device.", hint="freeing space.")

    monkeypatch.setattr("tuitrain.session.hosting.write_info", no_space)
    assert by_hand(folder) == 0
    (alarm,) = [event for event in events_of(folder) if isinstance(event, AlarmRaised)]
    assert alarm.message == "run.json: cannot be written: No space left on device"


def test_many_damaged_checkpoints_are_one_alarm() -> None:
    """With the first few by name, and how many there are."""
    folder = lost()
    for step in range(1000, 3000):
        (folder.checkpoints_path / f"step-{step:08d}.pt").write_bytes(b"")
    work(folder, is_resumed=True)
    (alarm,) = [event for event in events_of(folder) if isinstance(event, AlarmRaised)]
    assert alarm.message.count("it is empty") == 3
    assert "step-00002999.pt: cannot be read: it is empty" in alarm.message
    assert "and 1997 more" in alarm.message


def test_a_run_that_cannot_be_started_is_in_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither half a branch: whatever fails, from the first file to the process."""
    parent = trained("train.steps=20")

    def tries() -> list[Callable[[], object]]:
        return [
            lambda: start_detached(load_preset("mnist-mlp", SMALL), has_screen=False),
            lambda: start_wanted(parent, "end", ["train.steps=30"], has_screen=False),
        ]

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    for place, name in ((subprocess, "Popen"), (start, "write_info"), (places.RunFolder, "check_own")):
        for act in tries():
            with monkeypatch.context() as patch:
                patch.setattr(place, name, fail)
                with pytest.raises((TuitrainError, OSError)):
                    act()
    for name, number in {"step-": errno.ENOSPC, "output.log": errno.EDQUOT}.items():
        with monkeypatch.context() as patch:
            failing_disk(patch, name, number, os.O_CREAT)
            with pytest.raises(RunFolderError):
                tries()[1]()
    assert [item.id for item in list_runs()] == [parent.id]
    assert [path.name for path in runs_folder().iterdir()] == [parent.id]


OVERRIDES = [
    ("train.steps=5", "step 5 is not ahead: the run is at step 20"),
    ("train.batch_size=100000", "more than the 640 samples"),
    ("train.batch_size=16", "is 16 already"),
    ("optimizer.name=lbfgs", "needs all data at once"),
    ("optimizer.momentum=0.5", 'No hyper-parameter of adam named "momentum"'),
    ("schedule.warmup=90", "leaves nothing of"),
    ("optimizer.name=sgd", "the run is at its end"),
]


@pytest.mark.parametrize(("override", "words"), OVERRIDES)
def test_an_override_that_would_be_refused_stops_the_start(override: str, words: str) -> None:
    """Exit 2, and nothing is left: it is not dropped, to train on without it."""
    parent = trained("train.steps=20")
    with pytest.raises(UsageError, match=re.escape(words)):
        start_wanted(parent, "end", [override], has_screen=False)
    assert [item.id for item in list_runs()] == [parent.id]


def test_the_end_of_a_branch_is_moved_before_what_needs_steps() -> None:
    """In whatever order they were given."""
    parent = trained("train.steps=20")
    point = branch_point(parent, "end")
    from tuitrain.session.branching import overrides_as_commands

    commands, _ = overrides_as_commands(point, ["optimizer.name=sgd", "train.steps=40"])
    assert isinstance(commands[0], SetEnd)
    work(make_branch(point, commands), is_resumed=True)


@pytest.mark.parametrize("text", ["scale_learning_rate factor=0.5 groups=['nose']", "set_end step=3", "cool_down"])
def test_an_arm_that_would_be_refused_stops_all_of_them(text: str) -> None:
    """Before the first of them has trained for nothing."""
    parent = trained("train.steps=20", "optimizer.name=rprop", "train.batch_size=full")
    arms = [Arm("as it was", []), Arm(text, [command_of(text)])]
    with pytest.raises(TuitrainError):
        run_arms(branch_point(parent, "10"), arms, 5, say=print)
    assert len(list_runs()) == 1


def test_an_override_that_only_the_trainer_can_refuse_fails_the_branch() -> None:
    """With that reason, at that step: it does not train on without it, now or when it is resumed."""
    save = {"at_step": 10, "do": "save_checkpoint"}
    parent = trained("train.steps=20", "schedule.name=one-cycle", moments=[save])
    child = make_branch(branch_point(parent, "10"), [SetHyperparameter(name="beta1", value=0.5)])
    for _ in range(2):
        work(child, is_resumed=True)
        ended = events_of(child)[-1]
        assert isinstance(ended, RunEnded)
        assert (ended.reason, ended.step) == ("failed", 10)
        assert "set_hyperparameter at step 10 was refused: the one-cycle schedule writes it" in ended.message
    assert summarize(child).state == "failed"


def test_a_run_that_ended_as_its_preset_wanted_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """It does not train the same steps again to end at the same place; the way past it works when typed."""
    early = trained("task.num_train=64", "optimizer.lr=0.01", "train.steps=2000", "regularize.early_stopping=2")
    ended = events_of(early)[-1]
    assert isinstance(ended, RunEnded)
    assert ended.message.startswith("early stopping:")
    before = early.events_path.read_bytes()
    with pytest.raises(RunOverError, match=f"ended at step {ended.step}: early stopping: .*") as caught:
        resume_detached(early, has_screen=False)
    assert early.events_path.read_bytes() == before
    change = caught.value.hint.partition(" --at end ")[2].partition(",")[0]
    assert change == "regularize.early_stopping=0"
    commands: list[Command] = [SetEnd(step=ended.step + 30), SetHyperparameter(name="early_stopping", value=0)]
    child = work(make_branch(branch_point(early, "end"), commands), is_resumed=True)
    assert (summarize(child).state, summarize(child).step) == ("finished", ended.step + 30)
    assert headless.resume_headless(early, as_json=True) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["steps"] == ended.step
    finished = trained("train.steps=20")
    assert headless.resume_headless(finished, as_json=False) == 0
    assert "finished at step 20" in capsys.readouterr().out


def test_ways_out_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of an override with --resume, and of what is asked of a run that has ended."""
    folder = trained("train.steps=20")
    monkeypatch.setattr("sys.argv", ["tuitrain", "run", "--resume", folder.id, "optimizer.lr=0.0005"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert f"Try: tuitrain branch {folder.id} --at end optimizer.lr=0.0005" in capsys.readouterr().err
    reply = ask_and_wait(folder, SetEnd(step=99), 1.0)
    assert (reply.status, reply.text) == ("refused", "the run is finished.")
    assert reply.hint.startswith(f"tuitrain branch {folder.id} --at end train.steps=99")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUITRAIN_HOME", str(tmp_path))


def test_a_new_run_is_made_out_of_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainer or a scheduler that is killed while it makes one leaves none in the list."""
    seen: list[tuple[int, bool]] = []
    create_run(load_preset("mnist-mlp", SMALL), announce=lambda path: seen.append((len(list_runs()), path.exists())))
    assert seen == [(0, False)]
    assert len(list_runs()) == 1
