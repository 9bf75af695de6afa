"""Make the golden recordings again: `python -m tests.recordings.make_recordings`."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from tests.recordings import DIVERGED, HERE, STEERED
from tuitrain.preset import Preset, load_preset, preset_from_data
from tuitrain.rundir.lock import RunLock
from tuitrain.rundir.places import RunFolder, read_info, write_info
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


def record(preset: Preset, name: str) -> None:
    """Train, and keep the recording under a name, with everything of this machine left out."""
    folder = create_run(preset)
    with RunLock.acquire(folder):
        open_hosting(folder, "stop").work()
    target = HERE / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    info = msgspec.structs.replace(
        read_info(folder), id=name, host="recorded", pid=0, pid_created=0.0, boot_id="", git_revision="", versions={}
    )
    write_info(RunFolder(target), info)
    events = folder.events_path.read_text(encoding="utf-8").replace(folder.id, name)
    (target / "events.jsonl").write_text(events, encoding="utf-8")


def main() -> None:
    """Both recordings."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["TUITRAIN_HOME"] = home
        base = load_preset("mnist-mlp", ["train.steps=300", "schedule.name=cosine", "schedule.warmup=20"])
        record(preset_from_data({**base.to_data(), "moment": MOMENTS}, "recording"), STEERED)
        record(load_preset("linreg", ["optimizer.lr=1.1"]), DIVERGED)
        assert Path(home).is_dir()


if __name__ == "__main__":
    main()
