"""A search: what its trials are, what they teach it, and that a kill at any moment changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.comparing.fake_engine import FakeEngine, FakeExecutor
from tests.comparing.made_up import made_up_run
from tuitrain.board.comparison import Comparison
from tuitrain.board.trials import number_of
from tuitrain.comparing.coarse import shortened
from tuitrain.comparing.folder import ComparisonFolder, Journal, create_comparison, read_plan
from tuitrain.comparing.scheduler import Scheduler
from tuitrain.comparing.search import SearchSupply
from tuitrain.comparing.search_plan import search_plan
from tuitrain.comparing.space import preset_at
from tuitrain.comparing.study import num_evaluations
from tuitrain.errors import PresetError
from tuitrain.preset import list_presets, load_preset
from tuitrain.protocol.codec import encode_event
from tuitrain.protocol.comparing import Member, MemberAdded, MemberEnded, MemberLaunched, MemberState, Remarked
from tuitrain.protocol.events import AlarmRaised, RunEnded

pytest.importorskip("optuna")

RATE, MOMENTUM = "optimizer.lr=log:1e-5:1", "optimizer.momentum=lin:0:0.9"
DIGITS = load_preset("lr-good")


def loss_of(member: Member) -> float:
    """A bowl over the logarithm of the rate, lowest at 0.01; momentum hardly matters."""
    return (math.log10(float(member.parameters["optimizer.lr"])) + 2.0) ** 2 + 0.01 * float(  # type: ignore[arg-type]
        member.parameters.get("optimizer.momentum", 0.0)  # type: ignore[arg-type]
    )


class KilledError(Exception):
    """The scheduler was killed here."""


class Loop:
    """A scheduler without runs: journals what a real one does, in its order, and can be killed at any of its steps."""

    def __init__(self, folder: ComparisonFolder, kill_at: int = -1, value: Callable[[Member], float] = loss_of) -> None:
        self.folder, self.value = folder, value
        self.words: list[object] = []
        self.trained: dict[str, int] = {}
        self.kill_at, self.num_steps = kill_at, 0

    def here(self) -> None:
        """A moment at which it can be killed."""
        self.num_steps += 1
        if self.num_steps - 1 == self.kill_at:
            raise KilledError

    def write(self, word: object) -> None:
        self.here()
        self.words.append(word)
        self.comparison.add(word)  # type: ignore[arg-type]

    def open(self) -> SearchSupply:
        """What a scheduler does first."""
        self.comparison = Comparison(read_plan(self.folder))
        for word in self.words:
            self.comparison.add(word)  # type: ignore[arg-type]
        return SearchSupply(self.folder, self.comparison)

    def run(self, num_parallel: int = 1) -> None:
        """Until nothing is left; runs that an earlier one launched are followed to their end."""
        supply = self.open()
        work = [view.member for view in self.comparison.members.values() if view.run and view.ended is None]
        while work or not supply.is_exhausted:
            while len(work) < num_parallel and (member := supply.next()) is not None:
                self.here()
                if member.key not in self.comparison.members:
                    self.write(MemberAdded(time=0.0, member=member))
                self.write(MemberLaunched(time=0.0, key=member.key, run=str(self.folder.path / member.key)))
                self.trained[member.key] = self.trained.get(member.key, 0) + 1
                work.append(member)
            self.here()
            member = work.pop(0)
            self.end(supply, member, "finished", {"eval/loss": self.value(member)})
            for text in supply.remarks():
                self.write(Remarked(time=0.0, text=text))

    def end(self, supply: SearchSupply, member: Member, state: MemberState, last: dict[str, float]) -> None:
        self.write(MemberEnded(time=0.0, key=member.key, state=state))
        self.here()
        supply.told(member, state, last, last)

    @property
    def parameters(self) -> list[dict[str, object]]:
        """Of the trials, by number."""
        views = sorted(self.comparison.members.values(), key=lambda view: number_of(view.key))
        return [dict(view.member.parameters) for view in views]


def folder_of(path: Path, monkeypatch: pytest.MonkeyPatch, *space: str, **options: object) -> ComparisonFolder:
    """A search that was planned."""
    monkeypatch.setenv("TUITRAIN_HOME", str(path))
    return create_comparison(search_plan(DIGITS, space or (RATE, MOMENTUM), name="s", **options))  # type: ignore[arg-type]


METHODS = ["random", "grid", "tpe", "coarse-to-fine"]


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_trials(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time, to the last digit; another seed gives others, but on a grid only in another order."""
    found = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        loop = Loop(folder_of(tmp_path / name, monkeypatch, method=method, num_trials=9, seed=seed))
        loop.run()
        found.append(loop.parameters)
    assert len(found[0]) == 9
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert len({str(point) for point in found[0]}) == 9


@pytest.mark.parametrize("method", METHODS)
def test_a_kill_at_any_moment_loses_no_trial_and_runs_none_twice(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before each line of the journal in turn: the trials are those of a search that was not killed."""
    whole = Loop(folder_of(tmp_path / "whole", monkeypatch, method=method, num_trials=4))
    whole.run()
    monkeypatch.setattr("tuitrain.comparing.search._last_of", lambda view: {"eval/loss": loss_of(view.member)})
    for moment in range(whole.num_steps):
        loop = Loop(folder_of(tmp_path / str(moment), monkeypatch, method=method, num_trials=4), kill_at=moment)
        with pytest.raises(KilledError):
            loop.run()
        (loop.folder.path / "study.log.lock").symlink_to("study.log")  # held when it was killed
        with loop.folder.study_path.open("ab") as study:
            study.write(b'{"op_code": 4, "wor')  # torn
        loop.run()
        assert loop.parameters == whole.parameters, moment
        assert set(loop.trained.values()) == {1}, moment
        states = [trial.state.name for trial in loop.open()._study.trials]
        assert states == ["COMPLETE"] * 4, moment


def test_a_trial_that_was_half_thought_of_is_thought_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between two parameters, it gets the values that it would have had."""
    for method in METHODS:
        whole = Loop(folder_of(tmp_path / f"{method}-whole", monkeypatch, method=method, num_trials=4))
        whole.run()
        loop = Loop(folder_of(tmp_path / method, monkeypatch, method=method, num_trials=4))
        lines = whole.folder.study_path.read_bytes().splitlines(keepends=True)
        first = next(index for index, line in enumerate(lines) if b'"param_name"' in line)
        loop.folder.study_path.write_bytes(b"".join(lines[: first + 1]))
        loop.run()
        assert loop.parameters == whole.parameters, method


def test_several_at_once_try_the_same_trials_of_random_and_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They depend on their number alone; a fine trial waits for every coarse one."""
    for method in ("random", "grid", "coarse-to-fine"):
        found = []
        for num_parallel in (1, 3):
            path = tmp_path / f"{method}-{num_parallel}"
            loop = Loop(folder_of(path, monkeypatch, method=method, num_trials=9))
            loop.run(num_parallel)
            found.append(loop.parameters)
        assert found[0] == found[1], method


def test_tpe_ends_nearer_to_the_best_than_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It learns from what it is told: the later half of its trials is better."""
    means = {}
    for method in ("random", "tpe"):
        loop = Loop(folder_of(tmp_path / method, monkeypatch, method=method, num_trials=30))
        loop.run()
        values = [loss_of(view.member) for view in loop.comparison.members.values()][15:]
        means[method] = sum(values) / len(values)
    assert means["tpe"] < 0.5 * means["random"]


def test_tpe_stays_away_from_where_trials_diverge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the upper half of the range no loss is a number: told as infinitely bad, hardly any later trial is there."""

    def is_diverging(member: Member) -> bool:
        return float(member.parameters["optimizer.lr"]) > 0.1  # type: ignore[arg-type]

    loop = Loop(
        folder_of(tmp_path, monkeypatch, "optimizer.lr=log:1e-5:1e3", method="tpe", num_trials=30),
        value=lambda member: math.nan if is_diverging(member) else 1.0,
    )
    loop.run()
    diverged = [is_diverging(view.member) for view in loop.comparison.members.values()]
    assert sum(diverged[:10]) >= 3
    assert sum(diverged[15:]) <= 2


def test_what_becomes_of_a_trial_is_told_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished, diverged, pruned, failed; a lost one stays open, and a failed one that is tried again still teaches."""
    loop = Loop(folder_of(tmp_path, monkeypatch, RATE, num_trials=6))
    supply = loop.open()
    told: list[tuple[MemberState, dict[str, float]]] = [
        ("finished", {"eval/loss": 1.0}), ("finished", {"eval/loss": math.nan}), ("pruned", {"eval/loss": 3.0}),
        ("failed", {}), ("lost", {}), ("stopped", {"eval/loss": math.inf}),
    ]  # fmt: skip
    members = []
    for state, last in told:
        member = supply.next()
        assert member is not None
        members.append(member)
        supply.told(member, state, last, {})
    names = ["COMPLETE", "COMPLETE", "PRUNED", "FAIL", "RUNNING", "COMPLETE"]
    assert [trial.state.name for trial in supply._study.trials] == names
    assert [supply._study.trials[index].value for index in (0, 1, 5)] == [1.0, math.inf, math.inf]
    supply.told(members[3], "finished", {"eval/loss": 0.5}, {})
    supply.told(members[4], "finished", {"eval/loss": 0.7}, {})
    assert supply._study.best_value == 0.5
    assert supply._study.trials[4].value == 0.7
    assert supply.next() is None
    assert supply.is_exhausted


@pytest.mark.parametrize(("kind", "state"), [("nonfinite_loss", "COMPLETE"), ("loss_spike", "FAIL")])
def test_what_a_trial_died_of_is_its_end(
    kind: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of numbers that are none: infinitely bad, though its last evaluation was fine; of another fault: nothing."""
    supply = Loop(folder_of(tmp_path, monkeypatch, RATE, num_trials=1)).open()
    member = supply.next()
    assert member is not None
    run = made_up_run(tmp_path, "died", num_steps=20, has_end=False)
    with run.events_path.open("ab") as file:
        for event in (
            AlarmRaised(step=20, kind=kind, message="", value=math.nan, action="stop"),
            AlarmRaised(step=20, kind="disk", message="", value=0.0),
            RunEnded(step=20, reason="failed", last={"eval/loss": 0.1}),
        ):
            file.write(encode_event(event) + b"\n")
    supply._comparison._add_member(member)
    supply._comparison.members[member.key].run = str(run.path)
    supply.told(member, "failed", {"eval/loss": 0.1}, {})
    (trial,) = supply._study.trials
    assert (trial.state.name, trial.value) == (state, math.inf if state == "COMPLETE" else None)


@pytest.mark.parametrize("prune", ["asha", "median"])
def test_a_hopeless_trial_is_ended_early_and_a_good_one_is_not(
    prune: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After good trials a bad one is seen at a tenth of the run; the evaluation at step 0 never counts."""
    supply = Loop(folder_of(tmp_path, monkeypatch, RATE, num_trials=9, prune=prune)).open()

    def curve(level: float, num: int = 20) -> list[tuple[int, float]]:
        return [(0, 9.0), *((10 * index, level + 1.0 / index) for index in range(1, num + 1))]

    for level in (0.5, 0.4, 0.3, 0.2, 0.1):
        member = supply.next()
        assert member is not None
        assert not supply.is_hopeless(member, curve(level))
        supply.told(member, "finished", {"eval/loss": level}, {})
    good, bad = supply.next(), supply.next()
    assert good is not None
    assert bad is not None
    for num in range(1, 21):
        assert not supply.is_hopeless(good, curve(0.05, num))
    assert not supply.is_hopeless(bad, curve(5.0, 1))
    assert supply.is_hopeless(bad, curve(5.0, 2))
    again = Loop(ComparisonFolder(tmp_path / "comparisons" / "s")).open()
    assert not again.is_hopeless(good, curve(0.05))


def test_coarse_trials_are_short_and_fine_ones_lie_around_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third over the whole space for a quarter of the run; then a third of the range at full length, as is said."""
    loop = Loop(folder_of(tmp_path, monkeypatch, RATE, method="coarse-to-fine", num_trials=12))
    loop.run()
    members = [view.member for view in loop.comparison.members.values()]
    coarse, fine = members[:4], members[4:]
    lengths = [member.preset["train"]["epochs"] for member in members]  # type: ignore[index]
    assert lengths == [DIGITS.train.epochs / 4] * 4 + [DIGITS.train.epochs] * 8  # type: ignore[operator]
    best = min(coarse, key=loss_of)

    def place(member: Member) -> float:
        return math.log10(float(member.parameters["optimizer.lr"]))  # type: ignore[arg-type]

    assert all(abs(place(member) - place(best)) <= 5 / 6 + 1e-3 for member in fine)
    assert any("at full length: optimizer.lr" in text for text in loop.comparison.remarks)


def test_a_best_trial_at_the_edge_of_its_range_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Best at the low end of the rate: search further down; where the preset takes nothing beyond, nothing is said."""
    space = ("optimizer.lr=log:0.01:1", "regularize.dropout=lin:0:0.5")
    loop = Loop(
        folder_of(tmp_path / "edge", monkeypatch, *space, method="grid", num_trials=9),
        value=lambda member: loss_of(member) + float(member.parameters["regularize.dropout"]),  # type: ignore[arg-type]
    )
    loop.run()
    said = [text for text in loop.comparison.remarks if "edge" in text]
    assert said == ["The best optimizer.lr, 0.01, lies at the edge of 0.01 to 1: search further down."]
    loop = Loop(folder_of(tmp_path / "middle", monkeypatch, RATE, method="grid", num_trials=6))
    loop.run()
    assert not [text for text in loop.comparison.remarks if "edge" in text]


def test_a_point_that_no_preset_takes_between_good_corners_costs_one_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, fails, and the search goes on."""
    folder = folder_of(tmp_path, monkeypatch, RATE, num_trials=3)
    real = preset_at
    calls: list[object] = []

    def refusing(data: object, parameters: object) -> object:
        calls.append(parameters)
        if len(calls) == 2:
            raise PresetError(["no such thing"])
        return real(data, parameters)  # type: ignore[arg-type]

    monkeypatch.setattr("tuitrain.comparing.search.preset_at", refusing)
    loop = Loop(folder)
    loop.run()
    assert len(loop.comparison.members) == 2
    assert any("Trial 2 cannot be trained: no such thing" in text for text in loop.comparison.remarks)


def test_the_number_of_evaluations_is_told_from_the_preset() -> None:
    """As many as the preset says; 20 where it says nothing."""
    assert num_evaluations({"train": {"steps": 500}, "eval": {"every_steps": 50}}) == 10
    assert num_evaluations({"train": {"epochs": 5.0}, "eval": {"every_epochs": 0.5}}) == 10
    assert num_evaluations({"train": {"epochs": 5.0}, "eval": {}}) == 20
    # Steps and epochs mixed, as by train.steps on the command line: 4000 samples are 63 batches of 64.
    mixed = load_preset("mnist-mlp", ["train.steps=1500", "train.batch_size=64"]).to_data()
    assert (mixed["eval"]["every_epochs"], num_evaluations(mixed)) == (0.25, 100)
    mixed = {**mixed, "train": {"epochs": 10.0, "batch_size": 64}, "eval": {"every_steps": 10}}
    assert num_evaluations(mixed) == 63


def test_every_preset_can_be_shortened_with_its_schedule() -> None:
    """A quarter of the steps; what the schedule counts in steps, and moments, come at the same share of the run."""
    for preset in list_presets():
        short = shortened(preset.to_data())
        before, after = preset.train, short.train
        if before.steps is not None:
            assert after.steps == max(1, round(before.steps / 4)), preset.name
        else:
            assert after.epochs == (before.epochs or 10.0) / 4, preset.name
        assert short.schedule.warmup == preset.schedule.warmup / 4, preset.name
        assert [moment.at_step for moment in short.moment] == [round(item.at_step / 4) for item in preset.moment]
    step = load_preset("mnist-mlp", ["train.steps=400", "schedule.name=step", "schedule.step_size=100"])
    assert shortened(step.to_data()).schedule.further["step_size"] == 25


def test_a_trial_taken_out_before_it_was_launched_does_not_hold_up_the_fine_ones() -> None:
    """The scheduler was killed between writing it down and launching it, and a person took it out meanwhile."""
    plan = search_plan(
        DIGITS, [RATE], name="s", method="coarse-to-fine", num_trials=6, prune="", metric="eval/loss", seed=0,
        num_parallel=1, executor="local",
    )  # fmt: skip
    folder, engine = create_comparison(plan), FakeEngine()
    member = SearchSupply(folder, Comparison(plan)).next()
    assert member is not None
    journal, comparison = Journal(folder), Comparison(plan)
    comparison.add(MemberAdded(time=0.0, member=member))
    folder.wish(member.key)
    it = Scheduler(folder, comparison, journal, SearchSupply(folder, comparison), FakeExecutor(engine))
    for _ in range(20):
        it.look()
        for run in engine.working:
            engine.end(run)
    assert it.is_done
    assert [view.state for view in comparison.members.values()] == ["cancelled", *["finished"] * 5]
