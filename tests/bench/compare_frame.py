"""What a frame of the compare screen costs: `python -m tests.bench.compare_frame [RUNS]`, in milliseconds of CPU."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import replace

from tests.ui.comparisons import comparison
from tuitrain.ui.compare_figure import Overlay
from tuitrain.ui.compare_rows import Rows
from tuitrain.ui.compare_table import compare_table
from tuitrain.ui.compare_verdict import Verdicts
from tuitrain.ui.compare_view import CompareView
from tuitrain.ui.widgets.palette import Palette
from tuitrain.ui.widgets.plotting import draw

_STEPS = 4096
_FRAMES = 20


def main(num_runs: int) -> None:
    """Draw frames while the arrow moves and a run goes on."""
    found = comparison([f"run {index}" for index in range(num_runs)], 1, lambda arm, seed: ("running", _STEPS))
    palette = Palette({f"arm-{index}": (200, 20 * index, 90) for index in range(8)})
    for metric in ("batch/loss", "eval/loss"):
        rows, overlay, verdicts = Rows(), Overlay(), Verdicts()
        spent = []
        for frame in range(_FRAMES):
            view = replace(CompareView(metric=metric), selected=f"run {frame % num_runs}")
            found.members[f"run {frame % num_runs}-s0"].curves.version += 1
            start = time.process_time()
            listed = rows.listed(found, view)
            draw(overlay.figure(found, listed, view, 110), 116, 28, palette)
            compare_table(listed, view, {}, 116, 16, 0)
            verdicts.ranking(found, metric)
            spent.append(1e3 * (time.process_time() - start))
        sys.stdout.write(
            f"{num_runs} runs, {metric}: first {spent[0]:.0f} ms, then {statistics.median(spent):.0f} ms\n"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
