"""Make system calls of trainers and readers fail: `python -m tests.faults.io_campaign --faults 200`.

Each fault falls on one call of one command, in a process of its own, on a copy of the same home. What comes of it is
harmless by proof (the same output, the same stream as undisturbed), or a person was told: by the exit code, on stderr,
in output.log or by an alarm of the record. Exit code 1 where anything else came of it.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tests.faults.campaign import _warm_up
from tests.faults.forked import forking
from tests.faults.injection import BY_DESCRIPTOR, BY_PATH, READS, WRITES, Fault, Injection
from tests.faults.stream import Told, told_by
from tuitrain.errors import TuitrainError
from tuitrain.preset import load_preset
from tuitrain.protocol.codec import DecodeError, decode_event
from tuitrain.protocol.events import AlarmRaised, RunEnded, StepsThinned
from tuitrain.rundir.places import RunFolder, runs_folder

SMALL = (
    "task.hidden=[8]", "task.num_train=500", "train.batch_size=50", "train.device=cpu", "eval.every_steps=50",
    "checkpoint.every_minutes=0.0005", "regularize.dropout=0.2",
)  # fmt: skip
NUM_STEPS = 150
_PATIENCE_SECONDS = 90.0
_ERRORS = (errno.EIO, errno.EIO, errno.ENOSPC, errno.ESTALE, errno.EACCES)


def typed(*arguments: str) -> Callable[[], int]:
    """A command as a person types it; its exit code."""

    def run() -> int:
        from tuitrain.cli import app

        try:
            return int(app(arguments, standalone_mode=False) or 0)
        except TuitrainError as error:
            sys.stderr.write(f"{error}\n")
            return error.exit_code
        except Exception:  # noqa: BLE001 - what a person would see
            traceback.print_exc()
            return 1

    return run


@dataclass(frozen=True)
class Scene:
    """What is done while calls fail."""

    name: str
    act: Callable[[], int]
    trains: bool = False
    """Whether a trainer comes of it, whose stream is compared."""
    in_trainer: bool = False
    """Whether the calls of that trainer fail, and not those of who starts it."""

    @property
    def goes_on(self) -> bool:
        """Whether it is about a run that is there already."""
        return self.name in {"resume", "go on"}


def scenes(done: str, open_run: str) -> list[Scene]:
    """All of them.

    Args:
        done: id of a run that has ended.
        open_run: of one that was stopped on its way.
    """
    start = typed("run", "mnist-mlp", *SMALL, f"train.steps={NUM_STEPS}", "--headless", "--json")
    resume = typed("run", "--resume", open_run, "--headless", "--json")
    return [
        Scene("start", start, trains=True), Scene("train", start, trains=True, in_trainer=True),
        Scene("resume", resume, trains=True), Scene("go on", resume, trains=True, in_trainer=True),
        Scene("attach", typed("attach", done)), Scene("runs", typed("runs", "--json")),
        Scene("export preset", typed("export", done, "--to", "preset", "--out", "-")),
        Scene("export weights", typed("export", done, "--to", "safetensors", "--out", "w.safetensors", "--force")),
        Scene("compare", typed("compare", done, open_run, "--json")),
        Scene("ask", typed("ask", done, "pause", "--json")), Scene("delete", typed("delete", open_run)),
    ]  # fmt: skip


@dataclass
class Outcome:
    """What a person has of a scene."""

    code: int | None
    """None where it did not end in time."""
    printed: str
    said: str
    """On stderr and in the output of a trainer."""
    hits: str
    counts: Counter[str]


class IoCampaign:
    """Injects faults, and counts what came of them.

    Args:
        place: an empty folder.
        seed: of the dice.
    """

    def __init__(self, place: Path, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.is_verbose = False
        self._dice = random.Random(seed)
        self._place, self._home, self._template = place, place / "home", place / "template"
        os.environ["TUITRAIN_HOME"] = str(self._home)
        os.chdir(place)
        run = typed("run", "mnist-mlp", *SMALL, f"train.steps={NUM_STEPS}", "--headless")
        self._act(Scene("", run, trains=True), None)
        self._reference = told_by(_runs()[0])
        shutil.copytree(self._home, self._template)
        done = _runs()[0].id
        # The stop of its own moment: the same run, up to there.
        stopped = [{"at_step": NUM_STEPS // 2, "do": "stop"}]
        self._act(Scene("", lambda: _stopped(stopped), trains=True), None)
        shutil.rmtree(self._template)
        shutil.copytree(self._home, self._template)
        self._scenes = scenes(done, next(run.id for run in _runs() if run.id != done))
        self._undisturbed: dict[str, Outcome] = {}

    def run(self, num_faults: int) -> None:
        """Inject so many, in each scene in turn."""
        turn = 0
        while self.counts["faults"] < num_faults:
            self._one(self._scenes[turn % len(self._scenes)])
            turn += 1

    def _one(self, scene: Scene) -> None:
        if scene.name not in self._undisturbed:
            self._restore()
            self._undisturbed[scene.name] = self._act(scene, None)
        before = self._undisturbed[scene.name]
        calls = [name for name in (*BY_PATH, *BY_DESCRIPTOR) if before.counts[name]]
        call = self._dice.choices(calls, [before.counts[name] ** 0.5 for name in calls])[0]
        can_be_short = call in READS or call in WRITES
        number = self._dice.randint(1, before.counts[call])
        error = 0 if can_be_short and self._dice.random() < 0.5 else self._dice.choice(_ERRORS)
        fault = Fault(call, number, error, self._dice.choice([1, 1, 3, 30]))
        self._restore()
        known = {run.id for run in _runs()}
        outcome = self._act(scene, fault)
        if not outcome.hits:
            return
        self.counts["faults"] += 1
        self.counts[f"scene: {scene.name}"] += 1
        self.counts["short reads and writes" if not error else f"errors: {errno.errorcode[error]}"] += 1
        verdict = self._verdict(scene, fault, before, outcome, known)
        self.counts[verdict] += 1
        if verdict in MUST_BE_ZERO:
            self.problems.append(
                f"{verdict}: {scene.name}: {fault}\n  {outcome.hits.strip()}\n  code {outcome.code}\n"
                f"  {outcome.said[-1500:]}"
            )

    def _verdict(self, scene: Scene, fault: Fault, before: Outcome, outcome: Outcome, known: set[str]) -> str:
        if outcome.code is None:
            return "hung"
        if "Traceback" in outcome.said and not scene.trains:
            return "tracebacks in the place of a sentence"
        runs = [run for run in _runs() if scene.trains and (run.id not in known or scene.goes_on)]
        for run in runs:
            if problem := _broken(run):
                self.problems.append(f"{run.id}: {problem}")
                return "records that lost good lines"
        has_told = outcome.code not in {0, before.code} or any(_tells(run) for run in runs)
        words = _new_words(before.said, outcome.said)
        words += [
            line
            for line in outcome.printed.split("\n")
            if re.search("can(not)? be", line) and line not in before.printed
        ]
        if words or has_told:
            if self.is_verbose:
                print(f"told: {scene.name}: {fault}: code {outcome.code}, {outcome.hits.split(maxsplit=2)[:2]} {words}")
            return "told"
        if fault.call == "fsync":
            return "silent"
        if not scene.trains:
            return "harmless" if (outcome.code, outcome.printed) == (before.code, before.printed) else "silent"
        is_same = bool(runs) and any(_is_whole(run, self._reference) for run in runs)
        return "harmless" if is_same and outcome.code == before.code else "silent"

    def _restore(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)
        shutil.copytree(self._template, self._home)

    def _act(self, scene: Scene, fault: Fault | None) -> Outcome:
        """In a child, which is killed where it does not end."""
        notes = {name: self._place / f"{name}.txt" for name in ("printed", "said", "hits", "counts")}
        for path in notes.values():
            path.unlink(missing_ok=True)
        known = {run.path for run in _runs()}
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            _be_the_child(scene, Injection(self._home, fault, notes["hits"]), notes)
        code = _waited(child)
        said = notes["said"].read_text(errors="replace")
        for run in _runs():
            if run.path not in known or scene.goes_on:
                said += run.output_path.read_text(errors="replace") if run.output_path.is_file() else ""
        words = notes["counts"].read_text().split() if notes["counts"].exists() else []
        counts = Counter({name: int(count) for name, count in (word.split("=") for word in words)})
        return Outcome(code, notes["printed"].read_text(errors="replace"), said, notes["hits"].read_text(), counts)


MUST_BE_ZERO = ("silent", "hung", "records that lost good lines", "tracebacks in the place of a sentence")


def _be_the_child(scene: Scene, injection: Injection, notes: dict[str, Path]) -> NoReturn:
    """Act, with what is printed in files; nothing of the parent runs on."""
    code = 1
    try:
        os.setsid()
        for number, name in ((1, "printed"), (2, "said")):
            os.dup2(os.open(notes[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        real_open, real_exit = os.open, os._exit

        def leave(code: int) -> NoReturn:
            counts = " ".join(f"{name}={count}" for name, count in injection.counts.items())
            with open(real_open(notes["counts"], os.O_WRONLY | os.O_CREAT), "w") as file:  # noqa: PTH123
                file.write(counts)
            real_exit(code)

        def in_trainer() -> None:
            if scene.in_trainer:
                os._exit = leave  # type: ignore[assignment]
                injection.patch()

        with forking(in_trainer):
            if not scene.in_trainer and scene.name:
                injection.patch()
            code = scene.act()
        if not scene.in_trainer and scene.name:
            sys.stdout.flush()
            leave(code)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _waited(child: int) -> int | None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _stopped(moments: list[dict[str, object]]) -> int:
    from tuitrain.preset import preset_from_data
    from tuitrain.session.headless import run_headless

    preset = load_preset("mnist-mlp", (*SMALL, f"train.steps={NUM_STEPS}"))
    return run_headless(preset_from_data({**preset.to_data(), "moment": moments}, "stopped"), as_json=False)


def _runs() -> list[RunFolder]:
    folder = runs_folder()
    return [RunFolder(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []


def _broken(run: RunFolder) -> str:
    """What is wrong with a record: its lines are whole and follow each other, but for a torn last one."""
    if not run.events_path.is_file():
        return ""
    *lines, _ = run.events_path.read_bytes().split(b"\n")
    try:
        numbers = [decode_event(line).seq for line in lines]
    except DecodeError as error:
        return str(error)
    return "" if numbers == list(range(1, len(numbers) + 1)) else "its sequence has a gap"


def _tells(run: RunFolder) -> bool:
    """Whether the record itself says that something went wrong."""
    if not run.events_path.is_file():
        return False
    events = [decode_event(line) for line in run.events_path.read_bytes().split(b"\n")[:-1]]
    return any(
        isinstance(event, StepsThinned)
        or (isinstance(event, AlarmRaised) and event.kind == "disk")
        or (isinstance(event, RunEnded) and event.reason == "failed")
        for event in events
    )


def _is_whole(run: RunFolder, reference: Told) -> bool:
    return run.events_path.is_file() and told_by(run).same_as(reference) == ""


def _new_words(before: str, now: str) -> list[str]:
    """Lines that an undisturbed one does not print, but for those on how far it is."""

    def of_words(line: str) -> str:
        return re.sub(r"[0-9a-f]*\d[0-9a-f.]*", "#", line.strip())

    known = {of_words(line) for line in before.split("\n")}
    return [
        line for line in now.split("\n")
        if of_words(line) not in known and not line.startswith(("step ", "run ", "finished", "stopped"))
    ]  # fmt: skip


def main() -> int:
    """Run the campaign, print its table; 1 where anything came of a fault that nobody was told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print what was told")
    arguments = parser.parse_args()
    _warm_up()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        campaign = IoCampaign(Path(place), arguments.seed)
        campaign.is_verbose = arguments.verbose
        campaign.run(arguments.faults)
        os.chdir("/")
    for name, count in sorted(campaign.counts.items()):
        if name not in MUST_BE_ZERO:
            print(f"{name:48} {count:6}")
    for name in MUST_BE_ZERO:
        print(f"{name:48} {campaign.counts[name]:6}  must be 0")
    print(f"{'seconds':48} {time.monotonic() - began:6.0f}")
    for problem in campaign.problems:
        print(problem, file=sys.stderr)
    return 1 if any(campaign.counts[name] for name in MUST_BE_ZERO) else 0


if __name__ == "__main__":
    raise SystemExit(main())
