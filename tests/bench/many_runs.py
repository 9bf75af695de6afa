"""Fifty long runs opened together: `python -m tests.bench.many_runs [RUNS STEPS]`.

Reports the time until every curve is read whole, what is read a second, memory, and the cost of one picture.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.comparing.made_up import made_up_run
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.protocol.comparing import ComparisonPlan, Member


def main(num_runs: int, num_steps: int) -> None:
    """Make the runs, open them, say what it cost."""
    with tempfile.TemporaryDirectory() as place:
        folders = [
            made_up_run(Path(place), f"run-{index:02}", num_steps=num_steps, level=0.3 + 0.01 * index, seed=index)
            for index in range(num_runs)
        ]
        num_bytes = sum(folder.events_path.stat().st_size for folder in folders)
        plan = ComparisonPlan(
            name="", created=0.0, arms=tuple(folder.id for folder in folders),
            members=tuple(Member(key=folder.id, arm=folder.id, run=str(folder.path)) for folder in folders),
        )  # fmt: skip
        process = psutil.Process()
        before = process.memory_info().rss
        start, busy = time.perf_counter(), time.process_time()
        reader = ComparisonReader.of_plan(plan)
        while reader.poll(0.2) and reader.num_unread_bytes:
            pass
        whole, busy = time.perf_counter() - start, time.process_time() - busy
        size = f"{num_runs} runs of {num_steps} steps, {num_bytes / 1e6:.0f} MB"
        _say(f"{size}: read in {whole:.2f} s ({busy:.2f} s of CPU)")
        _lines(reader, "eval/loss", "first")
        _lines(reader, "batch/loss", "first")
        _lines(reader, "batch/loss", "again")
        _say(f"memory: +{(process.memory_info().rss - before) / 1e6:.0f} MB")
        start = time.perf_counter()
        reader.want(["batch/gradient_norm"])
        while reader.poll(0.2) and reader.num_unread_bytes:
            pass
        _say(f"another metric of each step: {time.perf_counter() - start:.2f} s")
        _say(f"memory: +{(process.memory_info().rss - before) / 1e6:.0f} MB")


def _lines(reader: ComparisonReader, metric: str, word: str) -> None:
    start = time.perf_counter()
    for view in reader.comparison.members.values():
        view.curves.line(metric, "step", 0.98)
    _say(f"all lines of {metric}, {word} time: {1000 * (time.perf_counter() - start):.0f} ms")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:3] or ("50", "100000")))
