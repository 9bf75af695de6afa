"""Whatever a run says, drawing it neither raises nor takes the process down. In a subprocess: plotext can abort."""

from __future__ import annotations

import subprocess
import sys

NUM_FIGURES = 700

SCRIPT = f"""
import math, random, sys
from tuitrain.ui.widgets.figure import Band, Curve, Figure, Level, Mark
from tuitrain.ui.widgets.palette import Palette
from tuitrain.ui.widgets.plotting import draw
from rich.cells import cell_len
from rich.text import Text

rng = random.Random(20)
ODD = [math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1e-300, 1.7e308, -1.7e308, 1e16, 1e16 + 2, 1.0]

def value():
    kind = rng.random()
    if kind < 0.15:
        return rng.choice(ODD)
    if kind < 0.4:
        return rng.choice([-1, 1]) * 10 ** rng.uniform(-308, 308)
    return rng.gauss(0, 1)

def series(size):
    style = rng.random()
    if style < 0.1:
        return [rng.choice(ODD)] * size
    if style < 0.4:
        return [rng.gauss(3, 1) for _ in range(size)]
    return [value() for _ in range(size)]

def places(size):
    style = rng.random()
    if style < 0.6:
        return list(range(size))
    return series(size) if style < 0.8 else sorted(x for x in series(size) if x == x)

def span():
    return rng.choice([None, None, (0, 100), (5, 5), (value(), value()), (-1.7e308, 1.7e308)])

def figure():
    def size():
        return rng.choice([0, 1, 2, 3, 10, 160, 900])
    curves = [Curve("c", places(n := size()), series(n), rng.choice(["loss", "?", "plan-faint"]),
                    rng.choice(["line", "points", "dotted"]), rng.random() < 0.4, rng.choice(["", "●", "x"]))
              for _ in range(rng.randint(0, 4))]
    bands = [Band("b", places(n := size()), series(n), series(n), "gap") for _ in range(rng.randint(0, 1))]
    return Figure("t", tuple(curves), tuple(bands),
        tuple(Mark(value(), rng.choice(["", "sgd", "\\t\\x1b[1m", "漢字"])) for _ in range(rng.randint(0, 3))),
        tuple(Level(value(), "clip") for _ in range(rng.randint(0, 2))),
        x_range=span(), y_range=span(), is_log=rng.random() < 0.5,
        x_label=rng.choice(["step", "epoch", "seconds", "samples"]),
        cursor=rng.choice([None, value()]), empty_text=rng.choice(["waiting", "漢字", "x" * 300]))

drawn = 0
for number in range({NUM_FIGURES}):
    any_size, small = (rng.randint(0, 200), rng.randint(0, 60)), (rng.randint(10, 70), rng.randint(3, 20))
    width, height = rng.choice([(0, 0), any_size, small])
    palette = Palette({{"loss": (1, 2, 3)}}, depth=rng.choice(["full", "sixteen", "none"]))
    lines = draw(figure(), width, height, palette, rng.choice(["braille", "ascii"]))
    assert len(lines) == height, (number, len(lines), height)
    for line in lines:
        plain = Text.from_ansi(line).plain if "\\x1b" in line else line
        assert cell_len(plain) == width, (number, plain, width)
        assert "cannot be drawn" not in plain, (number, plain)
    drawn += 1
print("drawn", drawn)
"""


def test_no_figure_of_any_size_takes_the_process_down() -> None:
    """Hundreds of hostile figures: right size, no exception, no warning, nothing said on the way."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == f"drawn {NUM_FIGURES}\n"
    assert done.stderr == ""
