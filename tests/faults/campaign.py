"""Kill trainers at every moment, go on, compare: `python -m tests.faults.campaign --kills 200 [--detached 20]`.

A chain of kills falls on one run; then it may end, and is compared with the same run that nobody disturbed. Exit code
1 where anything was lost. It runs in a temporary home of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from tests.faults.forked import ForkedProcess, forking
from tests.faults.sabotage import MOMENTS, sabotage
from tests.faults.stream import moments_of, told_by, whole_events
from tuitrain.board.board import Board
from tuitrain.errors import UsageError
from tuitrain.preset import Preset, load_preset, preset_from_data
from tuitrain.protocol.commands import Command, Evaluate, Pause, Resume, ScaleLearningRate, SetHyperparameter
from tuitrain.protocol.events import AlarmRaised, RunEnded, RunResumed
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.summary import RunSummary, summarize
from tuitrain.session.asking import send
from tuitrain.session.reading import RunReader, Word
from tuitrain.session.start import Started, resume_detached, start_detached
from tuitrain.training.checkpoint import checkpoint_paths, load_checkpoint

# Dropout and batch norm draw and remember; a schedule, evaluations and many checkpoints fill every moment.
DELICATE = (
    "task.hidden=[32]", "task.num_train=1000", "task.norm=batch", "regularize.dropout=0.3", "train.batch_size=32",
    "train.steps=1500", "train.device=cpu", "eval.every_steps=50", "schedule.name=cosine", "schedule.warmup=40",
    "checkpoint.every_minutes=0.0005",
)  # fmt: skip
OUTSIDE = ("start", "paused", "any")
_CHAIN = 10  # kills of one run at most
_DAMAGED_SHARE = 0.25
_PATIENCE_SECONDS = 60.0


class Campaign:
    """Kills, and counts what came of it.

    Args:
        seed: of the dice.
    """

    def __init__(self, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._dice = random.Random(seed)
        self._damaged: dict[str, str] = {}
        self._found: dict[str, str] = {}
        self._num_before = 0

    def run(self, num_kills: int, *, is_detached: bool) -> None:
        """Kill so often, through forked trainers or through real processes."""
        before = self.counts["kills"]
        while self.counts["kills"] - before < num_kills:
            self._one_run(min(_CHAIN, num_kills - (self.counts["kills"] - before)), is_detached=is_detached)

    def _one_run(self, num_kills: int, *, is_detached: bool) -> None:
        """A run that is killed so often, goes on each time, and ends."""
        self.counts["runs"] += 1
        self._damaged.clear()
        self._found.clear()
        self._num_before = 0
        folder: RunFolder | None = None
        for number in range(num_kills):
            chosen = self._dice.choice(OUTSIDE if is_detached else MOMENTS + OUTSIDE)
            with self._ways(chosen, is_detached=is_detached):
                started = self._begin(folder)
            if started is None:
                self.counts["killed before the first checkpoint"] += 1
                return
            folder = started.folder
            if not self._kill(started, chosen):
                self.counts["ended before it was hit"] += 1
                break
            self.counts["kills"] += 1
            self.counts[f"killed: {chosen}"] += 1
            self.counts["through real processes"] += is_detached
            self._look(folder)
            self._check_resumed(folder)
            if number + 1 < num_kills and self._dice.random() < _DAMAGED_SHARE:
                self._damage(folder)
        if folder is not None:
            self._finish(folder, is_detached=is_detached)

    def _ways(self, chosen: str, *, is_detached: bool) -> contextlib.AbstractContextManager[None]:
        if is_detached:
            return contextlib.nullcontext()
        return forking(sabotage(chosen, self._dice) if chosen in MOMENTS else lambda: None)

    def _begin(self, folder: RunFolder | None) -> Started | None:
        if folder is None:
            return start_detached(load_preset("mnist-mlp", DELICATE), has_screen=False)
        if any(isinstance(event, RunEnded) for event in whole_events(folder)):
            return None
        self._num_before = len(whole_events(folder))
        self._found = {path.name: _digest(path) for path in checkpoint_paths(folder.checkpoints_path)}
        try:
            started = resume_detached(folder, has_screen=False)
        except UsageError:
            return None
        return started

    def _kill(self, started: Started, chosen: str) -> bool:
        """Kill it, or wait until it has killed itself; False where it ended by itself before."""
        process, folder, dice = started.process, started.folder, self._dice
        began = summarize(folder).step
        if chosen == "start":
            time.sleep(dice.random() * (0.25 if isinstance(process, ForkedProcess) else 3.0))
            process.kill()
        elif chosen in MOMENTS:
            self._until(lambda: process.poll() is not None or _trains(folder, began))
            while process.poll() is None:
                time.sleep(dice.random() * 0.1)
                self._ask(folder)
        else:
            self._until(lambda: process.poll() is not None or _trains(folder, began))
            self._ask(folder)
            if chosen == "paused":
                send(folder, Pause())
                self._until(lambda: process.poll() is not None or summarize(folder).state == "paused")
            time.sleep(dice.random() * 0.25)
            process.kill()
        return process.wait() < 0

    def _ask(self, folder: RunFolder) -> None:
        """Decide something, or nothing."""
        dice = self._dice
        command: Command | None = dice.choice(
            [
                ScaleLearningRate(factor=round(dice.uniform(0.8, 1.2), 4)),
                SetHyperparameter(name="dropout", value=round(dice.uniform(0.1, 0.5), 4)),
                Evaluate(),
                None,
            ]
        )
        if command is not None:
            send(folder, command)
            self.counts["commands asked"] += 1

    def _look(self, folder: RunFolder) -> None:
        """Right after a kill: can everything be read that was written, and is it whole?"""
        try:
            summary = summarize(folder)
            words = _all_words(folder)
            board = Board()
            for word in words:
                board.apply(word)
            numbers = [event.seq for event in whole_events(folder)]
            assert (summary.problem, board.num_damaged <= 1) == ("", True)
            assert (summary.state, board.state) == ("lost", "lost"), (summary.state, board.state)
            assert numbers == list(range(1, len(numbers) + 1)), "the sequence has a gap"
        except Exception as error:  # noqa: BLE001
            self._note("runs unreadable", f"{folder.id}: {type(error).__name__}: {error}")
        for path in checkpoint_paths(folder.checkpoints_path):
            self.counts["checkpoints read after a kill"] += 1
            if _digest(path) not in self._damaged:
                try:
                    load_checkpoint(path)
                except Exception as error:  # noqa: BLE001
                    self._note("torn checkpoints", f"{path}: {error}")

    def _damage(self, folder: RunFolder) -> None:
        """Cut the newest checkpoint, or flip one of its bits, where there is another to go on from."""
        paths = [path for path in checkpoint_paths(folder.checkpoints_path) if _digest(path) not in self._damaged]
        if len(paths) < 3:
            return
        data = bytearray(paths[0].read_bytes())
        if self._dice.random() < 0.5:
            del data[self._dice.randrange(len(data)) :]
        else:
            data[self._dice.randrange(len(data))] ^= 1 << self._dice.randrange(8)
        paths[0].write_bytes(data)
        self._damaged[_digest(paths[0])] = paths[0].name
        self.counts["checkpoints damaged on purpose"] += 1

    def _finish(self, folder: RunFolder, *, is_detached: bool) -> None:
        """Let it end, and compare it with a run that nobody disturbed."""
        with self._ways("any", is_detached=is_detached):
            started = self._begin(folder)
        if started is not None:
            self._until(lambda: started.process.poll() is not None or not _waits(folder))
            started.process.wait()
        events = whole_events(folder)
        if not events or not isinstance(events[-1], RunEnded):  # killed before its first word, there is none
            if started is None:
                self.counts["killed before the first checkpoint"] += 1
            else:
                self._note("runs that did not end", f"{folder.id}: {folder.output_path.read_text()[-2000:]}")
            return
        self.counts["resumed"] += sum(isinstance(event, RunResumed) for event in events)
        self.counts["runs compared"] += 1
        if events[-1].reason != "finished":
            self._note("runs that did not end", f"{folder.id}: {events[-1].message} {events[-1].traceback}")
            return
        self._check_resumed(folder)
        with forking():
            reference = start_detached(_with_moments(moments_of(folder)), has_screen=False)
            reference.process.wait()
        told = told_by(folder)
        self.counts["steps that the run says are not in its record"] += len(told.holes)
        difference = told.same_as(told_by(reference.folder))
        if difference:
            self._note("streams that differ", f"{folder.id}: {difference}")
        leftovers = [path.name for path in folder.checkpoints_path.iterdir() if path.name.startswith(".")]
        if leftovers:
            self._note("drafts left behind", f"{folder.id}: {', '.join(leftovers)}")

    def _check_resumed(self, folder: RunFolder) -> None:
        """The session did not go on from what was damaged, and named once each damaged one that it passed over."""
        events = whole_events(folder)[self._num_before :]
        resumed = [event for event in events if isinstance(event, RunResumed)]
        damaged = [name for name, digest in self._found.items() if digest in self._damaged]
        if not resumed:
            return
        for name in damaged:
            if resumed[0].checkpoint.endswith(name):
                self._note("damaged checkpoints accepted", f"{folder.id}: {name}")
            num_told = sum(isinstance(event, AlarmRaised) and name in event.message for event in events)
            if num_told != (name.split("-")[1][:8] >= f"{resumed[0].step:08d}"):
                self._note("damage not told once", f"{folder.id}: {name}: {num_told}")

    def _note(self, what: str, problem: str) -> None:
        self.counts[what] += 1
        self.problems.append(f"{what}: {problem}")

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("a trainer hangs")
            time.sleep(0.01)


MUST_BE_ZERO = (
    "runs unreadable", "torn checkpoints", "damaged checkpoints accepted", "damage not told once",
    "streams that differ", "runs that did not end", "drafts left behind",
)  # fmt: skip


def main() -> int:
    """Run the campaign, print its table; 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--detached", type=int, default=0, help="so many of them through real processes")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    _warm_up()
    began = time.monotonic()
    campaign = Campaign(arguments.seed)
    with _home():
        campaign.run(arguments.detached, is_detached=True)
        campaign.run(arguments.kills - arguments.detached, is_detached=False)
    for name, count in sorted(campaign.counts.items()):
        if name not in MUST_BE_ZERO:
            print(f"{name:48} {count:6}")
    for name in MUST_BE_ZERO:
        print(f"{name:48} {campaign.counts[name]:6}  must be 0")
    print(f"{'seconds':48} {time.monotonic() - began:6.0f}")
    for problem in campaign.problems:
        print(problem, file=sys.stderr)
    return 1 if any(campaign.counts[name] for name in MUST_BE_ZERO) else 0


def _warm_up() -> None:
    """Import all that a trainer needs, and train nothing: threads do not survive a fork."""
    importlib.import_module("torch._dynamo")
    importlib.import_module("tuitrain.training.setup")
    torch.set_num_threads(1)


@contextlib.contextmanager
def _home() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as place:
        os.environ["TUITRAIN_HOME"] = place
        yield


def _all_words(folder: RunFolder) -> list[Word]:
    reader = RunReader(folder)
    words: list[Word] = []
    while batch := reader.poll():
        words += batch
    return words


def _trains(folder: RunFolder, began: int) -> bool:
    summary: RunSummary = summarize(folder)
    return summary.state in {"running", "paused"} and summary.step > began


def _waits(folder: RunFolder) -> bool:
    """Wake it where it goes on paused; always true, so that it can be waited for in the same breath."""
    if summarize(folder).state == "paused":
        send(folder, Resume())
        time.sleep(0.1)
    return True


def _with_moments(moments: list[dict[str, object]]) -> Preset:
    preset = load_preset("mnist-mlp", DELICATE)
    return preset_from_data({**preset.to_data(), "moment": moments}, "reference")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
