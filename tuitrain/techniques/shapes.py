"""The shapes of the schedules: pure functions of the step, 1 at their full height.

Each gets the steps since it began, the steps it has, and its hyper-parameters.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping

Values = Mapping[str, float | list[float]]
Shape = Callable[[int, int, Values], float]
"""(steps since the start of the shape, steps it has, hyper-parameters) → factor."""


def number(hyperparameters: Values, name: str, default: float) -> float:
    """A hyper-parameter that is one number."""
    value = hyperparameters.get(name, default)
    return default if isinstance(value, list) else value


def constant(_step: int, _num_steps: int, _values: Values) -> float:
    """The rate stays."""
    return 1.0


def step(step: int, _num_steps: int, values: Values) -> float:
    """× gamma every `step_size` steps."""
    return number(values, "gamma", 0.1) ** (step // max(1, int(number(values, "step_size", 1))))


def multistep(step: int, _num_steps: int, values: Values) -> float:
    """× gamma at each milestone."""
    milestones = values.get("milestones", [])
    passed = bisect_right(sorted(milestones), step) if isinstance(milestones, list) else 0
    return math.pow(number(values, "gamma", 0.1), passed)


def exponential(step: int, _num_steps: int, values: Values) -> float:
    """× gamma every step."""
    return number(values, "gamma", 0.999) ** step


def cosine(step: int, num_steps: int, values: Values) -> float:
    """Half a cosine down to `final`."""
    final = number(values, "final", 0.0)
    progress = min(1.0, step / num_steps)  # torch's CosineAnnealingLR rises again after its end; this stays down
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))


def linear(step: int, num_steps: int, values: Values) -> float:
    """A straight line down to `final`."""
    final = number(values, "final", 0.0)
    return 1.0 + (final - 1.0) * min(1.0, step / num_steps)


def inverse_sqrt(step: int, _num_steps: int, values: Values) -> float:
    """√(timescale / (timescale + t)) (Vaswani et al. 2017)."""
    timescale = max(1.0, number(values, "timescale", 1.0))
    return math.sqrt(timescale / (timescale + step))


def one_over_t(step: int, _num_steps: int, values: Values) -> float:
    """a₀ / (1 + t / timescale)."""
    timescale = max(1.0, number(values, "timescale", 100.0))
    return timescale / (timescale + step)


def polynomial(step: int, num_steps: int, values: Values) -> float:
    """(1 − t/T)^power, down to `final`."""
    final, power = number(values, "final", 0.0), number(values, "power", 2.0)
    return final + (1.0 - final) * math.pow(1.0 - min(1.0, step / num_steps), power)


def minus_sqrt(step: int, num_steps: int, values: Values) -> float:
    """1 − √(t/T), down to `final` (Hägele et al. 2024)."""
    final = number(values, "final", 0.0)
    return final + (1.0 - final) * (1.0 - math.sqrt(min(1.0, step / num_steps)))


def triangular(step: int, _num_steps: int, values: Values) -> float:
    """Up from `low` to 1 in half a cycle and down again; each cycle's height is `shrink` times the last one's."""
    half = max(1.0, number(values, "cycle", 1.0) / 2.0)
    low, shrink = number(values, "low", 0.1), number(values, "shrink", 1.0)
    cycle = math.floor(1.0 + step / (2.0 * half))
    distance = abs(step / half - 2.0 * cycle + 1.0)
    height = (1.0 - low) * max(0.0, 1.0 - distance)
    return low + height * math.pow(shrink, cycle - 1)


def warm_restarts(step: int, _num_steps: int, values: Values) -> float:
    """Half a cosine a cycle, then back to full height; each cycle is `cycle_factor` times as long as the last."""
    first, growth = max(1.0, number(values, "cycle", 1.0)), max(1.0, number(values, "cycle_factor", 1.0))
    final = number(values, "final", 0.0)
    if growth == 1.0:
        progress = (step % first) / first
    else:
        number_of_cycle = int(math.log(step / first * (growth - 1.0) + 1.0, growth) + 1e-12)
        began = first * (growth**number_of_cycle - 1.0) / (growth - 1.0)
        progress = max(0.0, step - began) / (first * growth**number_of_cycle)
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def triangular_cycle(step: int, values: Values) -> int:
    """How many cycles of `triangular` are complete."""
    return math.floor(step / max(2.0, number(values, "cycle", 1.0)))


def restarts_cycle(step: int, values: Values) -> int:
    """How many cycles of `warm_restarts` are complete."""
    first, growth = max(1.0, number(values, "cycle", 1.0)), max(1.0, number(values, "cycle_factor", 1.0))
    if growth == 1.0:
        return math.floor(step / first)
    return int(math.log(step / first * (growth - 1.0) + 1.0, growth) + 1e-12)


def one_cycle(step: int, num_steps: int, values: Values) -> float:
    """Up by a cosine from 1/div_factor, down to 1/(div_factor · final_div_factor)."""
    start = 1.0 / max(1.0, number(values, "div_factor", 25.0))
    end = start / max(1.0, number(values, "final_div_factor", 1e4))
    return _cycle(step, num_steps, values, start, 1.0, end)


def one_cycle_momentum(step: int, num_steps: int, values: Values) -> float:
    """Against the rate: down from `max_momentum` to `base_momentum`, and up again."""
    high, low = number(values, "max_momentum", 0.95), number(values, "base_momentum", 0.85)
    return _cycle(step, num_steps, values, high, low, high)


def warmup_stable_decay(step: int, num_steps: int, values: Values) -> float:
    """Full height, then over the last `decay_share` of the steps 1 − √ down to `final`."""
    length = max(1, round(num_steps * number(values, "decay_share", 0.2)))
    return minus_sqrt(max(0, step - (num_steps - length)), length, values)


def _cycle(step: int, num_steps: int, values: Values, start: float, middle: float, end: float) -> float:
    """Two halves of a cosine, as torch's OneCycleLR places them."""
    turn = max(1e-9, number(values, "rising_share", 0.3) * num_steps - 1.0)
    last = max(turn + 1e-9, num_steps - 1.0)
    if step <= turn:
        return _between(start, middle, step / turn)
    return _between(middle, end, min(1.0, (step - turn) / (last - turn)))


def _between(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * progress))
