"""The words of a comparison: its plan, and the journal of what became of each member.

A comparison has arms, each with a label; an arm has members, one run each: a seed, a fold, or a trial of a search.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tuitrain.protocol.plan import Value

MemberState = Literal[
    "waiting", "starting", "running", "paused", "finished", "stopped", "pruned", "failed", "lost", "cancelled", "gone"
]
"""waiting: in the queue. pruned: the search saw that it was hopeless. cancelled: taken out of the queue before it
began. gone: its folder is no longer there. The others are as of a run."""

FINAL: frozenset[MemberState] = frozenset({"finished", "stopped", "pruned", "failed", "lost", "cancelled", "gone"})
"""States in which a member is not at work and does not wait."""


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run of a comparison, there already or to be launched."""

    key: str
    """Unique in the comparison; safe as the name of a file."""
    arm: str
    """Label of what it is a case of."""
    seed: int = 0
    fold: int = 0
    """From 1; 0 where the data are not cut into folds."""
    preset: dict[str, object] = {}
    """The resolved preset, as in `run.json`; empty where the run is there already."""
    run: str = ""
    """Absolute path of the folder of a run that is there already: it is read, and not launched."""
    parameters: dict[str, Value] = {}
    """Of a trial: key of the preset → value."""
    varied: dict[str, Value] = {}
    """Of an arm that is one of several variants: key of the preset → value."""

    @property
    def pair(self) -> str:
        """What it shares with a member of each other arm: the seed, and the fold."""
        return f"{self.seed}/{self.fold}" if self.fold else str(self.seed)


class SearchedParameter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One dimension of a search."""

    key: str
    """Of the preset, e.g. "optimizer.lr"."""
    low: float = 0.0
    high: float = 0.0
    is_log: bool = False
    is_integer: bool = False
    choices: tuple[Value, ...] = ()
    """Where it is one of a list; low and high have no meaning then."""
    num_points: int = 0
    """Of a grid; 0 means as many as the number of trials allows."""


class SearchPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How trials are thought of."""

    space: tuple[SearchedParameter, ...]
    method: Literal["random", "grid", "tpe", "coarse-to-fine"]
    num_trials: int
    prune: Literal["", "asha", "median"] = ""
    seed: int = 0
    """Of the sampler."""
    preset: dict[str, object] = {}
    """What the trials vary."""


class ComparisonPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`plan.json`: what is compared, and how it is run. Written once."""

    name: str
    """Of the comparison: the name of its folder; empty where only runs that are there already are compared."""
    created: float
    """Seconds since 1970."""
    title: str = ""
    about: str = ""
    look_for: str = ""
    metric: str = "eval/loss"
    """By which the arms are ranked first."""
    arms: tuple[str, ...] = ()
    """Labels, in the order in which they were asked for; a search adds none."""
    members: tuple[Member, ...] = ()
    num_folds: int = 0
    target: float | None = None
    """Value of the metric that counts as reached; None means none was named."""
    num_parallel: int = 1
    executor: str = "local"
    """"local", "ray", "ray://ADDRESS" or "slurm"."""
    search: SearchPlan | None = None
    notes: tuple[str, ...] = ()
    """What was found when it was planned, e.g. that the runs are of different tasks."""


class JournalBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """A line of `journal.jsonl`."""

    time: float
    """Seconds since 1970."""


class SchedulerStarted(JournalBase, frozen=True, kw_only=True):
    """A scheduler took the comparison over; those before it are gone."""

    host: str
    pid: int


class MemberAdded(JournalBase, frozen=True, kw_only=True):
    """A member that is not in the plan: a search thought of a trial, or more seeds were asked for."""

    member: Member


class MemberLaunched(JournalBase, frozen=True, kw_only=True):
    """A member is to run; written before it begins, so that nothing runs that nobody knows of."""

    key: str
    run: str
    """Absolute path of its folder."""
    attempt: int = 1
    is_resumed: bool = False
    """Whether it goes on from a checkpoint."""
    slot: int = 0
    """Its place among those that run at once, from 0."""


class MemberSubmitted(JournalBase, frozen=True, kw_only=True):
    """The executor took it."""

    key: str
    handle: str
    """What the executor knows it by, also after this scheduler is gone."""


class MemberEnded(JournalBase, frozen=True, kw_only=True):
    """A member is done with, for good or until the comparison is resumed."""

    key: str
    state: MemberState
    message: str = ""


class Remarked(JournalBase, frozen=True, kw_only=True):
    """Something that a person should know, e.g. that the best trial lies at the edge of the range."""

    text: str


class SchedulerEnded(JournalBase, frozen=True, kw_only=True):
    """Nothing is left to do, or it was asked to stop."""

    reason: Literal["finished", "stopped", "failed"]
    message: str = ""


JournalWord = (
    SchedulerStarted | MemberAdded | MemberLaunched | MemberSubmitted | MemberEnded | Remarked | SchedulerEnded
)
