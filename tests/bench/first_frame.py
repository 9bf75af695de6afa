"""Time from the shell to the first drawn frame of `tuitrain run mnist-mlp`: `python -m tests.bench.first_frame`."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time

import pexpect

ROUNDS = 5


def first_frame() -> float:
    """Seconds until the header of the dashboard is on the screen."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "TUITRAIN_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        began = time.monotonic()
        screen = pexpect.spawn(
            sys.executable, ["-m", "tuitrain.cli", "run", "mnist-mlp"], dimensions=(40, 120), env=environment
        )
        screen.expect("batch loss", timeout=30)
        taken = time.monotonic() - began
        screen.expect("epoch", timeout=60)
        screen.send("x")
        screen.expect("stopped", timeout=60)
        screen.send("q")
        screen.expect(pexpect.EOF)
        return taken


def main() -> None:
    """Measure and print."""
    times = [first_frame() for _ in range(ROUNDS)]
    sys.stdout.write(f"first frame: median {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})\n")


if __name__ == "__main__":
    main()
