"""Comparisons built by hand, and a reader that gives one without any disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from textual.pilot import Pilot

from tuitrain.board.comparison import Comparison, MemberView
from tuitrain.board.training_time import TrainingTime
from tuitrain.comparing.folder import ComparisonFolder
from tuitrain.errors import RunFolderError
from tuitrain.protocol.comparing import ComparisonPlan, Member, MemberState
from tuitrain.protocol.events import EvalFinished
from tuitrain.ui.app import TuitrainApp
from tuitrain.ui.comparison_source import ComparisonSource
from tuitrain.ui.screens.compare import CompareScreen

STEPS = 1000


class FakeReader:
    """Gives a comparison; keeps what is asked."""

    def __init__(self, comparison: Comparison, *, has_folder: bool = True) -> None:
        self.folder = ComparisonFolder(Path("/nowhere") / comparison.plan.name) if has_folder else None
        self.comparison = comparison
        self.problem = ""
        self.is_scheduled = True
        self.unread = 0
        self.wanted: set[str] = set()
        self.stopped: list[str] = []
        self.has_stopped_all = self.is_closed = False
        self.refusal = ""
        self.changes: list[Callable[[Comparison], None]] = []
        """Made at the next poll, one after another."""

    @property
    def num_unread_bytes(self) -> int:
        """As a test says."""
        return self.unread

    def want(self, metrics: Iterable[str]) -> None:
        """Keep them."""
        self.wanted |= {*metrics}

    def offered(self) -> set[str]:
        """What a run measures."""
        return {"batch/loss", "batch/gradient_norm", "batch/learning_rate"}

    def poll(self, max_seconds: float = 0.2) -> bool:
        """Make the changes of a test."""
        del max_seconds
        changes, self.changes = self.changes, []
        for change in changes:
            change(self.comparison)
        self.comparison.version += len(changes)
        return bool(changes)

    def stop(self, keys: Iterable[str]) -> None:
        """Keep them, or refuse."""
        if self.refusal:
            raise RunFolderError(self.refusal)
        self.stopped += keys

    def stop_all(self) -> None:
        """Keep that."""
        self.has_stopped_all = True

    def close(self) -> None:
        """Keep that."""
        self.is_closed = True


def fill(view: MemberView, steps: int, *, floor: float = 0.1, seed: int = 0, is_lost_at: int | None = None) -> None:
    """So many steps of a run whose losses fall to a floor; not numbers from a step on where one is given."""
    random = np.random.default_rng([seed, len(view.member.arm)])
    curves = view.curves
    curves.total_steps, curves.step, curves.batch_size = STEPS, steps, 32
    curves.positions.batches_change(0, 100, 32)
    curves.trained = TrainingTime(_since=0.0)
    xs = np.arange(1.0, steps + 1)
    losses = floor + 2.0 * np.exp(-xs / 150) + 0.05 * random.normal(size=steps)
    if is_lost_at is not None:
        losses[is_lost_at:] = np.nan
    curves.add_values("batch/loss", 1, 1, losses)
    for step in range(0, steps + 1, 50):
        curves.add_steps(step, step / 50.0)
        at = min(max(step, 1), steps)
        loss = float(floor + 2.0 * np.exp(-at / 150) + 0.01 * random.normal())
        if is_lost_at is not None and step >= is_lost_at:
            loss = float("nan")
        found = {"eval/loss": loss + 0.05, "train/loss": loss, "eval/accuracy": max(0.0, 1.0 - loss / 2.4)}
        curves.add(EvalFinished(step=step, seconds=step / 50.0, metrics=found, eval_seconds=0.1, num_samples=100))
    curves.step = steps


def comparison(
    arms: Sequence[str] = ("sgd", "adam", "muon"),
    seeds: int = 4,
    states: Callable[[int, int], tuple[MemberState, int]] = lambda arm, seed: ("finished", STEPS),
    **plan: object,
) -> Comparison:
    """Arms with members that have come so far.

    Args:
        arms: labels.
        seeds: members of each; they are folds where the plan has some.
        states: of the arm and the seed → state, and the steps that were done.
        plan: further fields of the plan.
    """
    has_folds = "num_folds" in plan
    members = tuple(
        Member(
            key=f"{arm}-s{seed}",
            arm=arm,
            seed=0 if has_folds else seed,
            fold=seed + 1 if has_folds else 0,
            preset={"task": {"dataset": "mnist5k"}},
        )
        for arm in arms
        for seed in range(seeds)
    )
    fields: dict[str, object] = {"name": "optimizers", "created": 0.0, "num_parallel": 2, **plan}
    found = Comparison(ComparisonPlan(arms=tuple(arms), members=members, **fields))  # type: ignore[arg-type]
    for place, arm in enumerate(arms):
        for seed in range(seeds):
            view = found.members[f"{arm}-s{seed}"]
            view.state, steps = states(place, seed)
            if steps:
                view.run = f"/nowhere/runs/{view.key}"
                fill(view, steps, floor=0.1 + 0.1 * place, seed=seed)
    return found


@asynccontextmanager
async def compared(
    reader: FakeReader, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[CompareScreen, Pilot[int]]]:
    """The compare screen over a reader, once it has drawn."""
    screen = CompareScreen(ComparisonSource(reader))
    app = TuitrainApp(first=screen)
    async with app.run_test(size=size, notifications=True) as pilot:
        for _ in range(1000):
            if app.screen is screen and screen.is_mounted and screen._drawn_version >= 0:
                break
            await asyncio.sleep(0.02)
        yield screen, pilot
