"""Make the golden recordings again: `python -m tests.recordings.make_recordings [NAME …]`."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from typing import Any

import msgspec

from tests.recordings import ALL, ASKED, DIVERGED, HAND_MADE, HERE, PASSED_TWICE, STEERED, WENT_BACK
from tests.recordings.hand_made import write_by_hand
from tuitrain.preset import Preset, load_preset, preset_from_data
from tuitrain.protocol.commands import (
    Command,
    Evaluate,
    Pause,
    Resume,
    RollBack,
    ScaleLearningRate,
    SetHyperparameter,
    SetLearningRate,
    SetPace,
    StepOnce,
    Stop,
    SwitchOptimizer,
    Undo,
)
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info, write_info
from tuitrain.rundir.summary import summarize
from tuitrain.session.asking import ask_and_wait
from tuitrain.session.in_process import InProcessRun
from tuitrain.session.start import create_run
from tuitrain.session.worker import open_hosting

MOMENTS: list[dict[str, Any]] = [
    {"at_step": 60, "do": "scale_learning_rate", "factor": 0.5},
    {"at_step": 80, "do": "set_hyperparameter", "name": "gradient_clip", "value": 4.0},
    {"at_step": 100, "do": "switch_optimizer", "name": "sgd", "momentum": 0.9},
    {"at_step": 170, "do": "pause"},
    {"at_step": 170, "do": "set_hyperparameter", "name": "momentum", "value": 0.8},
    {"at_step": 170, "do": "evaluate"},
    {"at_step": 170, "do": "resume"},
    {"at_step": 200, "do": "set_schedule", "name": "linear"},
]

BACK: list[dict[str, Any]] = [
    {"at_step": 100, "do": "save_checkpoint", "tag": "calm"},
    *({"at_step": step, "do": "pause"} for step in (120, 180, 260)),
]

STOPS: list[tuple[int, Command | None]] = [
    (120, ScaleLearningRate(factor=30.0)), (180, RollBack(to="calm", skip_batches=10, scale_learning_rate=0.5)),
    (120, None), (180, SwitchOptimizer(name="sgd")), (260, Undo()), (260, None),
]  # fmt: skip

TWICE: list[dict[str, Any]] = [
    {"at_step": 60, "do": "save_checkpoint", "tag": "calm"},
    *({"at_step": step, "do": "pause"} for step in (100, 140)),
]

TWICE_STOPS: list[tuple[int, Command | None]] = [
    (100, RollBack(to="calm", scale_learning_rate=3.0)), (100, None), (140, Undo()), (140, None),
]  # fmt: skip

PAUSES: list[dict[str, Any]] = [{"at_step": 40, "do": "pause"}, {"at_step": 120, "do": "pause"}]


def record(preset: Preset, name: str) -> None:
    """Train, and keep the recording under a name, with everything of this machine left out."""
    folder = create_run(preset)
    with RunLock.acquire(folder):
        open_hosting(folder, "stop").work()
    keep(folder, name)


def record_asked(preset: Preset, name: str) -> None:
    """Train in a thread, and ask what a person would, each time the preset's moments pause the run."""
    run = InProcessRun(preset)
    wait_for(run.folder, "paused", 40)
    for command in (StepOnce(), Pause(), ScaleLearningRate(factor=0.1), Evaluate(), SetPace(), Resume()):
        ask_and_wait(run.folder, command, 60.0)
    wait_for(run.folder, "paused", 120)
    ask_and_wait(run.folder, SetLearningRate(lr=2e-3, hold=True), 60.0)
    ask_and_wait(run.folder, SetHyperparameter(name="weight_decay", value=0.01), 60.0)
    ask_and_wait(run.folder, Stop(), 60.0)
    run.stop_and_wait(60.0)
    keep(run.folder, name)


def record_back(preset: Preset, name: str, stops: list[tuple[int, Command | None]]) -> None:
    """Train in a thread, and go back twice; the pauses of the preset come again on each new way."""
    run = InProcessRun(preset)
    for step, command in stops:
        wait_for(run.folder, "paused", step)
        if command is not None:
            ask_and_wait(run.folder, command, 60.0)
        ask_and_wait(run.folder, Resume(), 60.0)
    while summarize(run.folder).state != "finished":
        time.sleep(0.02)
    run.stop_and_wait(60.0)
    keep(run.folder, name)


def wait_for(folder: RunFolder, state: str, step: int) -> None:
    """Wait until a run says that it is in a state, at a step or later."""
    while (found := summarize(folder)).state != state or found.step < step:
        time.sleep(0.02)


def keep(folder: RunFolder, name: str) -> None:
    """Copy a recording under a name."""
    target = HERE / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    info = msgspec.structs.replace(
        read_info(folder),
        id=name,
        host="recorded",
        pid=0,
        pid_created=0.0,
        boot_id="",
        git_revision="",
        versions={},
    )
    write_info(RunFolder(target), info)
    events = folder.events_path.read_text(encoding="utf-8").replace(folder.id, name)
    events = re.sub(r',"crc":"[0-9a-f]{8}"}$', "}", events, flags=re.MULTILINE)  # of lines with the other name
    (target / "events.jsonl").write_text(events, encoding="utf-8")


def main() -> None:
    """Make those named on the command line, or all."""
    wanted = sys.argv[1:] or ALL
    with tempfile.TemporaryDirectory() as home:
        os.environ["TUITRAIN_HOME"] = home
        if STEERED in wanted:
            base = load_preset("mnist-mlp", ["train.steps=300", "schedule.name=cosine", "schedule.warmup=20"])
            record(preset_from_data({**base.to_data(), "moment": MOMENTS}, "recording"), STEERED)
        if DIVERGED in wanted:
            record(load_preset("linreg", ["optimizer.lr=1.1"]), DIVERGED)
        if ASKED in wanted:
            base = load_preset("lab-wave", ["train.steps=400", "eval.every_steps=50"])
            record_asked(preset_from_data({**base.to_data(), "moment": PAUSES}, "recording"), ASKED)
        if WENT_BACK in wanted:
            base = load_preset("mnist-mlp", ["train.steps=300"])
            record_back(preset_from_data({**base.to_data(), "moment": BACK}, "recording"), WENT_BACK, STOPS)
        if PASSED_TWICE in wanted:
            base = load_preset("lab-wave", ["train.steps=200", "eval.every_steps=20"])
            record_back(preset_from_data({**base.to_data(), "moment": TWICE}, "recording"), PASSED_TWICE, TWICE_STOPS)
    if HAND_MADE in wanted:
        shutil.rmtree(HERE / HAND_MADE, ignore_errors=True)
        (HERE / HAND_MADE).mkdir()
        write_by_hand(RunFolder(HERE / HAND_MADE))


if __name__ == "__main__":
    main()
