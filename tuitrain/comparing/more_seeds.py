"""More seeds for a comparison that is there: what to do where it cannot tell."""

from __future__ import annotations

from tuitrain.board.comparison import Comparison, MemberView
from tuitrain.comparing.draft import check_number
from tuitrain.comparing.folder import new_key
from tuitrain.errors import UsageError
from tuitrain.protocol.comparing import Member


def further_members(comparison: Comparison, num_seeds: int) -> list[Member]:
    """Members that bring every arm to so many seeds, those that it has counted; none where it has as many.

    Args:
        comparison: with its journal; runs that were there already are left as they are.
        num_seeds: of each arm, from the first seed of the arm on.

    Raises:
        UsageError: it is a search, has no arm that can be repeated, or the runs become too many.
    """
    name = comparison.plan.name
    if comparison.plan.search is not None:
        raise UsageError(
            f"{name} is a search, whose trials have one seed.",
            hint=f"its best with more: tuitrain compare best.toml --seeds {num_seeds}",
        )
    arms = {label: [view for view in views if not view.member.run] for label, views in comparison.arms.items()}
    if not any(arms.values()):
        raise UsageError(f"{name} has only runs that were there already.", hint="their presets, with --seeds.")
    keys = set(comparison.members)
    if is_seed_varied(comparison):
        raise UsageError(f"{name} varies train.seed: its arms are the seeds.", hint="another comparison, with --seeds.")
    found = [member for views in arms.values() for member in _further(views, num_seeds, keys)]
    check_number(len(keys))
    return found


def is_seed_varied(comparison: Comparison) -> bool:
    """Whether an arm of it is a seed."""
    return any("train.seed" in view.member.varied for view in comparison.members.values())


def _further(views: list[MemberView], num_seeds: int, keys: set[str]) -> list[Member]:
    """Of one arm, seed by seed, each with every fold; `keys` grows by theirs."""
    pairs = {(view.member.seed, view.member.fold) for view in views}
    by_fold = {view.member.fold: view.member for view in reversed(views)}
    first = min((seed for seed, _ in pairs), default=0)
    found = []
    for seed in range(first, first + num_seeds):
        for fold, member in sorted(by_fold.items()):
            if (seed, fold) in pairs:
                continue
            train = member.preset.get("train")
            preset = {**member.preset, "train": {**(train if isinstance(train, dict) else {}), "seed": seed}}
            key = new_key(member.arm, f"s{seed}", f"f{fold}" if fold else "", taken=keys)
            keys.add(key)
            found.append(Member(key=key, arm=member.arm, seed=seed, fold=fold, preset=preset, varied=member.varied))
    return found
