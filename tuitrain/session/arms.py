"""Arms of one run: from the same step, on the same batches, each with another command; which one is ahead?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tuitrain.protocol.commands import Command, SetEnd
from tuitrain.protocol.events import RunEnded
from tuitrain.rundir.summary import summarize
from tuitrain.session.branching import BranchPoint, check_point, start_branch
from tuitrain.session.recorded import Recorded, recorded
from tuitrain.session.start import Started

LOSS = "batch/loss"
_SHARE = 4
"""The last of so many parts of the batches decides."""
_POLL_SECONDS = 0.1
_TOLD_SECONDS = 5.0


@dataclass
class Arm:
    """One of them."""

    text: str
    """The command as it was written; "as it was" where there is none."""
    commands: Sequence[Command]
    started: Started | None = None
    record: Recorded = field(default_factory=Recorded)

    @property
    def run(self) -> str:
        """Id of its run."""
        return self.started.folder.id if self.started is not None else ""

    @property
    def refusal(self) -> str:
        """Why what it should have done was refused; empty where it was done."""
        return next((reason for name, reason in self.record.refused.items() if name.startswith("branch-")), "")

    @property
    def state(self) -> str:
        """How it ended."""
        if self.refusal:
            return f"refused: {self.refusal}"
        ended: RunEnded | None = self.record.ended
        return ended.reason if ended is not None else "lost"


@dataclass(frozen=True)
class Standing:
    """How an arm stands against the one that is ahead."""

    arm: Arm
    batch_loss: float
    """Mean over the last quarter of its batches."""
    behind: float
    """Mean difference to the arm that is ahead, batch by batch; 0 for that one."""
    error: float
    """Standard error of that mean, as if batches were independent."""
    metrics: dict[str, float]
    """Of its last evaluation."""

    @property
    def is_clear(self) -> bool:
        """Whether it is behind by more than two standard errors."""
        return self.behind > 2.0 * self.error


def run_arms(point: BranchPoint, arms: Sequence[Arm], num_steps: int, *, say: Callable[[str], None]) -> list[Standing]:
    """Run each arm for some steps, one after the other, and compare them.

    Args:
        point: where they begin.
        arms: at least one.
        num_steps: of each.
        say: takes a line on how far it is, every few seconds.

    Returns:
        The arm with the lowest batch loss first; a loss that is not finite is last.

    Raises:
        UsageError: what an arm does could not be carried out; nothing was started.
        RunFolderError: a folder cannot be made or written.
    """
    end = SetEnd(step=point.step + num_steps)
    for arm in arms:
        check_point(point, [*arm.commands, end])
    for arm in arms:
        arm.started = start_branch(point, [*arm.commands, end], has_screen=False)
        _wait(arm, point.step + num_steps, say)
        arm.record = recorded(arm.started.folder)
    return standings(arms, point.step)


def standings(arms: Sequence[Arm], step: int) -> list[Standing]:
    """Compare arms that are done, on the batches after `step` that all of them have taken."""
    losses = [{at: value for at, value in arm.record.values(LOSS) if at > step} for arm in arms]
    trained = [set(found) for arm, found in zip(arms, losses, strict=True) if not arm.refusal]
    common = sorted(set.intersection(*trained)) if trained else []
    last = common[len(common) - max(1, len(common) // _SHARE) :] if common else []
    means = [
        math.nan if arm.refusal else _mean([found[at] for at in last]) for arm, found in zip(arms, losses, strict=True)
    ]
    order = sorted(range(len(arms)), key=lambda index: (not math.isfinite(means[index]), means[index]))
    first = losses[order[0]] if order else {}
    found: list[Standing] = []
    for index in order:
        differences = [losses[index][at] - first[at] for at in last if not arms[index].refusal]
        evaluations = arms[index].record.evaluations
        metrics = dict(evaluations[max(evaluations)].metrics) if evaluations else {}
        found.append(Standing(arms[index], means[index], _mean(differences), _standard_error(differences), metrics))
    return found


def verdict(found: Sequence[Standing]) -> str:
    """Which one is ahead, in a sentence."""
    if not found or not math.isfinite(found[0].batch_loss):
        return "No arm has a finite loss."
    if len(found) < 2:
        return "One arm alone is not ahead of anything."
    first, second = found[0], found[1]
    if not math.isfinite(second.batch_loss):
        return f"{first.arm.text} is ahead: the others diverged, or were refused."
    if not second.is_clear:
        return f"{first.arm.text} is ahead, but not clearly: by {second.behind:.3g} ± {second.error:.2g} a batch."
    return f"{first.arm.text} is ahead, by {second.behind:.3g} ± {second.error:.2g} of the loss a batch."


def _wait(arm: Arm, last_step: int, say: Callable[[str], None]) -> None:
    assert arm.started is not None
    next_word = time.monotonic() + _TOLD_SECONDS
    while arm.started.process.poll() is None:
        time.sleep(_POLL_SECONDS)
        if time.monotonic() >= next_word:
            next_word = time.monotonic() + _TOLD_SECONDS
            say(f"{arm.text}: step {summarize(arm.started.folder).step} of {last_step}")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _standard_error(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    mean = _mean(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
