"""A search as a supply of members: Optuna thinks of trials and says which are hopeless; its journal is in the folder.

Nothing is kept that is not on the disk. The sampler is made anew for every trial, from the seed of the search and the
number of the trial, so that one that was killed goes on as if nothing had been: random and grid trials depend on
nothing else, those of TPE on what was known when they were thought of. So one at a time gives the same trials every
time; with several at once, TPE depends on which was done first.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tuitrain.board.comparison import Comparison, MemberView
from tuitrain.board.curves import is_lower_better
from tuitrain.board.trials import num_coarse, number_of
from tuitrain.comparing.best_preset import best_path, trial_preset_text
from tuitrain.comparing.coarse import edge_remarks, narrowed, narrowed_words, shortened
from tuitrain.comparing.folder import ComparisonFolder
from tuitrain.comparing.space import as_tried, preset_at, written
from tuitrain.comparing.study import import_optuna, num_evaluations, open_study, pruner_of, sampler_of, suggested
from tuitrain.errors import PresetError, TuitrainError
from tuitrain.protocol.comparing import Member, MemberState, SearchedParameter
from tuitrain.protocol.events import AlarmRaised, RunStarted
from tuitrain.protocol.plan import Value
from tuitrain.rundir.follower import last_events_backwards
from tuitrain.rundir.places import RunFolder
from tuitrain.rundir.summary import summarize
from tuitrain.session.exporting import write_text

if TYPE_CHECKING:
    import optuna

_FINE, _AGAIN = "fine", "again"
_LAST_LOOK = 0.5
"""Share of a run after which no trial is ended early: most of it is paid for."""


class SearchSupply:
    """Thinks of trials.

    The value of a trial is the last evaluation of the metric. One whose metric is no number at its end, or that was
    ended by numbers that are none, whatever it was worth before, is told as infinitely bad, so that TPE stays away
    from there; one that failed for another reason teaches nothing. With coarse-to-fine, fine trials are thought of
    when the coarse ones are done.

    Args:
        folder: of the comparison; the caller holds its lock.
        comparison: folded from its plan and all of its journal; the scheduler keeps it up to date.

    Raises:
        UsageError: Optuna is not installed.
        TuitrainError: what was learned cannot be read.
    """

    def __init__(self, folder: ComparisonFolder, comparison: Comparison) -> None:
        plan = comparison.plan.search
        assert plan is not None
        self._plan = plan
        self._folder = folder
        self._comparison = comparison
        self._metric = comparison.plan.metric
        self._is_lower_better = is_lower_better(self._metric)
        self._num_coarse = num_coarse(plan)
        self._said = set(comparison.remarks)
        self._remarks: list[str] = []
        self._written_best = -1
        self._optuna = import_optuna()
        self._study = open_study(folder.study_path, is_lower_better=self._is_lower_better)
        self._open_trials: set[int] = set()
        """Numbers of trials that were given and not told yet."""
        self._again: deque[Member] = deque()
        """Were written down, and not launched."""
        self._orphans: deque[int] = deque()
        """Were thought of, and not written down."""
        self._take_over()

    @property
    def is_exhausted(self) -> bool:
        """Whether all trials were given."""
        return not self._again and not self._orphans and self._num_asked >= self._plan.num_trials

    def next(self) -> Member | None:
        """The next trial; None where the fine ones wait for the coarse ones."""
        if self._again:
            member = self._again.popleft()
            self._open_trials.add(_index_of(member))
            return member
        while self._orphans or self._num_asked < self._plan.num_trials:
            if not self._orphans and not self._may_ask():
                return None
            number = self._orphans.popleft() if self._orphans else len(self._trials())
            parameters = self._ask(number)
            try:
                data = self._preset_data(number, parameters)
            except PresetError as error:  # between two corners that are fine
                self._study.tell(number, state=self._optuna.trial.TrialState.FAIL)
                self._say(f"Trial {number + 1} cannot be trained: {error}")
                continue
            self._open_trials.add(number)
            label = f"trial {number + 1}"
            seed = data["train"]["seed"]
            return Member(key=f"trial-{number + 1:03}", arm=label, seed=seed, preset=data, parameters=parameters)
        return None

    def is_hopeless(self, member: Member, evaluations: Sequence[tuple[int, float]]) -> bool:
        """Whether the pruner wants a trial ended. Its resource is the number of evaluations, the one at step 0 aside.

        ASHA looks at a tenth of the run, and at three tenths; the median at every evaluation from a tenth on, when
        five trials are finished. Nobody is ended in the second half. Coarse trials are short anyway, and are not.
        """
        number = _index_of(member)
        if not self._plan.prune or not self._num_coarse <= number < len(self._trials()):
            return False
        state = self._trials()[number]
        if state.state.is_finished():
            return False
        expected = num_evaluations(member.preset)
        self._study.pruner = pruner_of(self._plan, expected)
        self._study.sampler = self._optuna.samplers.RandomSampler(seed=0)  # nothing is drawn here
        trial = self._optuna.trial.Trial(self._study, state._trial_id)
        values = [value for step, value in evaluations if step > 0]
        for index, value in enumerate(values[: int(expected * _LAST_LOOK)], start=1):
            if index in state.intermediate_values:
                continue
            trial.report(value, index)
            if trial.should_prune():
                return True
        return False

    def told(self, member: Member, state: MemberState, last: Mapping[str, float], best: Mapping[str, float]) -> None:
        """A trial is done with; one that was lost may go on and be told again."""
        del best
        number = _index_of(member)
        self._open_trials.discard(number)
        if state != "lost" and 0 <= number < len(self._trials()):
            self._tell(number, member, state, last)
        self._look_back()
        self._write_best()

    def remarks(self) -> list[str]:
        """Of trials that cannot be trained, of the narrower ranges, and of a best trial at the edge of its range."""
        found, self._remarks = self._remarks, []
        return found

    def _tell(self, number: int, member: Member, state: MemberState, last: Mapping[str, float]) -> None:
        trial_state = self._optuna.trial.TrialState
        value = last.get(self._metric, math.nan)
        worst = math.inf if self._is_lower_better else -math.inf
        has_value = self._metric in last
        is_diverged = has_value and not math.isfinite(value)
        if state in {"stopped", "failed"} and not is_diverged:
            is_diverged = self._died_of_no_number(member)
        known = self._trials()[number]
        if known.state.is_finished():
            if known.state == trial_state.FAIL and state == "finished" and has_value:  # it was tried again
                self._study.add_trial(
                    self._optuna.trial.create_trial(
                        value=worst if is_diverged else value, params=known.params, distributions=known.distributions,
                        user_attrs={_AGAIN: number},
                    )
                )  # fmt: skip
            return
        self._study.sampler = self._optuna.samplers.RandomSampler(seed=0)
        if is_diverged:
            self._study.tell(number, worst)
        elif state == "finished" and has_value:
            self._study.tell(number, value)
        elif state in {"pruned", "stopped"}:
            self._study.tell(number, state=trial_state.PRUNED)
        else:
            self._study.tell(number, state=trial_state.FAIL)

    def _died_of_no_number(self, member: Member) -> bool:
        view = self._comparison.members.get(member.key)
        if view is None or not view.run:
            return False
        with suppress(TuitrainError, OSError):
            for event in last_events_backwards(RunFolder(Path(view.run)).events_path):
                if isinstance(event, AlarmRaised) and event.action == "stop":
                    return event.kind.startswith("nonfinite")
                if isinstance(event, RunStarted):  # of an earlier session another end is told
                    return False
        return False

    def _take_over(self) -> None:
        """What an earlier scheduler left."""
        views = {_index_of(view.member): view for view in self._comparison.members.values()}
        running = self._optuna.trial.TrialState.RUNNING
        for view in views.values():
            if view.ended is None and not view.run:
                self._again.append(view.member)
        for trial in self._trials():
            if trial.state != running:
                continue
            known = views.get(trial.number)
            if known is None:
                self._orphans.append(trial.number)
            elif known.ended is None or known.ended == "lost":  # at work, or goes on
                self._open_trials.add(trial.number)
            else:
                self._tell(trial.number, known.member, known.ended, _last_of(known))
        self._look_back()

    def _trials(self) -> list[optuna.trial.FrozenTrial]:
        found: list[optuna.trial.FrozenTrial] = self._study.get_trials(deepcopy=False)
        return found

    @property
    def _num_asked(self) -> int:
        return sum(_AGAIN not in trial.user_attrs for trial in self._trials())

    def _may_ask(self) -> bool:
        """Fine trials wait until every coarse one is told."""
        if not self._num_coarse or self._num_asked < self._num_coarse:
            return True
        return not any(number < self._num_coarse for number in self._open_trials)

    def _ask(self, number: int) -> dict[str, Value]:
        """Think of a trial, or go on with one that was half thought of."""
        space = self._space_of(number)
        known = self._trials()
        self._study.sampler = sampler_of(self._plan, number, 0)
        if number < len(known):
            trial = self._optuna.trial.Trial(self._study, known[number]._trial_id)
        else:
            trial = self._study.ask()
        _ = trial.relative_params  # drawn here, together
        found: dict[str, Value] = {}
        for index, item in enumerate(space, start=1):
            # A sampler of its own, so that the value does not depend on how far an earlier one came.
            self._study.sampler = sampler_of(self._plan, number, index)
            found[item.key] = suggested(trial, item)
        return found

    def _space_of(self, number: int) -> tuple[SearchedParameter, ...]:
        if not self._num_coarse or number < self._num_coarse:
            return self._plan.space
        written_down = self._study.user_attrs.get(_FINE)
        if written_down is None:
            best = self._best(is_coarse=True)
            fine = narrowed(self._plan.space, self._parameters(best)) if best is not None else self._plan.space
            self._study.set_user_attr(_FINE, msgspec.to_builtins(fine))
            self._say(narrowed_words(fine))
            return fine
        return msgspec.convert(written_down, tuple[SearchedParameter, ...], strict=False)

    def _preset_data(self, number: int, parameters: Mapping[str, Value]) -> dict[str, Any]:
        preset = preset_at(self._plan.preset, parameters)
        return (shortened(preset.to_data()) if number < self._num_coarse else preset).to_data()

    def _parameters(self, trial: optuna.trial.FrozenTrial) -> dict[str, Value]:
        return {item.key: _read_back(item, trial.params[item.key]) for item in self._plan.space}

    def _best(self, *, is_coarse: bool) -> optuna.trial.FrozenTrial | None:
        """Of the finished trials of a stage; coarse and fine ones are of different lengths."""
        complete = self._optuna.trial.TrialState.COMPLETE
        sign = 1.0 if self._is_lower_better else -1.0
        found = [
            (sign * trial.value, trial.number, trial)
            for trial in self._trials()
            if trial.state == complete and trial.value is not None and math.isfinite(trial.value)
            and (trial.number < self._num_coarse) == is_coarse
        ]  # fmt: skip
        return min(found, key=lambda item: item[:2])[2] if found else None

    def _write_best(self) -> None:
        """Keep `best.toml` the preset of the best trial so far."""
        best = self._best(is_coarse=False)
        if best is None or best.number == self._written_best or best.value is None:
            return
        number = best.user_attrs.get(_AGAIN, best.number) + 1
        text = trial_preset_text(self._comparison.plan, number, best.value, self._parameters(best))
        with suppress(TuitrainError):  # a full disk: `tuitrain search --export` writes it later
            write_text(best_path(self._folder), text, force=True)
            self._written_best = best.number

    def _look_back(self) -> None:
        """Say where the best lies when a stage is done."""
        if self._open_trials or self._again or self._orphans:
            return
        num_asked = self._num_asked
        if self._num_coarse and num_asked == self._num_coarse:
            self._say_edges(is_coarse=True)
        if num_asked >= self._plan.num_trials:
            self._say_edges(is_coarse=False)

    def _say_edges(self, *, is_coarse: bool) -> None:
        best = self._best(is_coarse=is_coarse)
        if best is None:
            return
        whose = "of the coarse trials, the best" if is_coarse else "the best"
        for text in edge_remarks(self._plan.space, self._parameters(best), self._takes, whose):
            self._say(text)

    def _takes(self, key: str, value: Value) -> bool:
        try:
            preset_at(self._plan.preset, {key: value})
        except PresetError:
            return False
        return True

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._remarks.append(text)


def _index_of(member: Member) -> int:
    """What Optuna calls the number of a trial: from 0."""
    return number_of(member.key) - 1


def _read_back(item: SearchedParameter, value: Any) -> Value:
    if item.choices:
        return item.choices[[written(choice) for choice in item.choices].index(value)]
    return as_tried(item, value)


def _last_of(view: MemberView) -> dict[str, float]:
    return summarize(RunFolder(Path(view.run))).last if view.run else {}
