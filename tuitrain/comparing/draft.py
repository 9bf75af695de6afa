"""A plan of a comparison while it is made: arms, members, what they are called, what a person should know of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from tuitrain.board.comparison import task_of
from tuitrain.comparing.differing import labels_by_difference, leaves
from tuitrain.comparing.folder import new_key
from tuitrain.errors import UsageError
from tuitrain.protocol.comparing import Member
from tuitrain.protocol.plan import Value
from tuitrain.techniques.optimizers import OPTIMIZERS

MAIN_PRESET = "mnist-mlp"
"""What the bare name of an optimizer is a variant of."""
_MOST_MEMBERS = 10_000


@dataclass
class Draft:
    """What is planned so far."""

    arms: list[str] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    metrics: dict[str, None] = field(default_factory=dict)
    """That some run to come will be evaluated by."""
    ids: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Arm of a run that has no name → its id, and the name of its preset."""

    def add_arm(self, label: str) -> str:
        """Take in a label; one that is there already is told apart by a number."""
        taken, number = label, 1
        while taken in self.arms:
            number += 1
            taken = f"{label} ({number})"
        self.arms.append(taken)
        return taken

    def add(
        self, label: str, *, seed: int, fold: int, preset: dict[str, Any], run: str = "",
        varied: dict[str, Value] | None = None,
    ) -> None:  # fmt: skip
        """Add a member to an arm."""
        key = new_key(label, f"s{seed}", f"f{fold}" if fold else "", taken=self.keys)
        self.keys.add(key)
        self.members.append(
            Member(key=key, arm=label, seed=seed, fold=fold, preset=preset, run=run, varied=varied or {})
        )


def check_number(num: int) -> None:
    """Make sure that a comparison does not become too large.

    Args:
        num: of its runs.

    Raises:
        UsageError: they are too many.
    """
    if num > _MOST_MEMBERS:
        raise UsageError(f"{num} runs are more than the {_MOST_MEMBERS} of a comparison.", hint="fewer.")


def group_by_seed(draft: Draft) -> None:
    """Make one arm of runs that are there already and differ in nothing but the seed (and the fold).

    A second run of a seed, as a rerun or a branch, is no further one of the arm: it gets an arm of its own.
    """
    labels: dict[tuple[str, int], str] = {}
    times: Counter[tuple[str, str]] = Counter()
    members: list[Member] = []
    for member in draft.members:
        label = member.arm
        if member.run:
            same = _without_seed(member.preset)
            times[same, member.pair] += 1
            label = labels.setdefault((same, times[same, member.pair]), member.arm)
        members.append(structs.replace(member, arm=label))
    draft.members = members
    kept = {member.arm for member in members}
    draft.arms = [label for label in draft.arms if label in kept]


def name_runs(draft: Draft) -> None:
    """Call arms of runs that have no name by what they do not share: nobody knows what an id stands for."""
    firsts = {member.arm: member for member in reversed(draft.members) if member.arm in draft.ids}
    runs = [(draft.ids[arm][0], draft.ids[arm][1], leaves(member.preset)) for arm, member in firsts.items()]
    labels = dict(zip(firsts, labels_by_difference(runs), strict=True))
    old, draft.arms = draft.arms, [arm for arm in draft.arms if arm not in labels]
    new = {arm: draft.add_arm(labels[arm]) for arm in old if arm in labels}  # copies of a run have one id
    draft.arms = [new.get(arm, arm) for arm in old]
    draft.members = [structs.replace(member, arm=new.get(member.arm, member.arm)) for member in draft.members]


def _without_seed(preset: dict[str, Any]) -> str:
    task, train = ({**table} if isinstance(table := preset.get(name), dict) else {} for name in ("task", "train"))
    task.pop("fold", None)
    train.pop("seed", None)
    return repr(sorted({**preset, "task": sorted(task.items()), "train": sorted(train.items())}.items()))


def notes_of(draft: Draft, named: Sequence[str]) -> tuple[str, ...]:
    """What a person should know of them.

    Args:
        draft: all that is planned.
        named: names of optimizers that were asked for in the place of presets.
    """
    return (*_notes_on_tasks(draft), *_notes_on_optimizers(named), *_notes_on_twins(draft))


def _notes_on_tasks(draft: Draft) -> list[str]:
    tasks = list(dict.fromkeys(task_of(member.preset) or "unknown" for member in draft.members))
    if len(tasks) < 2:
        return []
    return [f"runs of different tasks: {', '.join(tasks)}; their numbers are not comparable"]


def _notes_on_optimizers(named: Sequence[str]) -> list[str]:
    if not named:
        return []
    told = ", ".join(f"{name} {OPTIMIZERS.get(name, OPTIMIZERS['sgd']).learning_rate:g}" for name in named)
    verb = "is" if len(named) == 1 else "are"
    words = f"{', '.join(named)} {verb} {MAIN_PRESET} with that optimizer at its default learning rate: {told}"
    return [f"{words}; which rate suits it is another question: tuitrain compare optimizers has good ones"]


def _notes_on_twins(draft: Draft) -> list[str]:
    """Arms that train the very same: their curves lie on each other."""
    first: dict[str, str] = {}
    twins: dict[str, None] = {}
    for member in draft.members:
        key = repr((sorted(leaves(member.preset).items(), key=str), member.seed, member.fold))
        other = first.setdefault(key, member.arm)
        if other != member.arm and not member.run:
            twins[f"{other} and {member.arm} train the very same"] = None
    return list(twins)
