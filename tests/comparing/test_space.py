"""What is searched: read, checked at every corner, cut into a grid."""

from __future__ import annotations

import msgspec
import pytest

from tuitrain.comparing.search_plan import search_plan
from tuitrain.comparing.space import grid_values, num_points_of, parse_space, preset_at, share_of, value_at
from tuitrain.errors import PresetError, UsageError
from tuitrain.preset import load_preset
from tuitrain.protocol.codec import to_jsonable
from tuitrain.protocol.comparing import ComparisonPlan, SearchedParameter
from tuitrain.protocol.plan import Value

DIGITS = load_preset("lr-good")
RATE = SearchedParameter(key="optimizer.lr", low=1e-5, high=1e-1, is_log=True)


def refused(*texts: str) -> str:
    """What is said of a space that cannot be searched."""
    with pytest.raises(UsageError) as caught:
        parse_space(texts, DIGITS)
    return str(caught.value)


def test_every_form_of_a_range_is_read() -> None:
    """Scale, ends, wholeness, points of a grid and choices of any kind."""
    texts = [
        "optimizer.lr=log:1e-4:1e-1:7", "optimizer.momentum=uniform:0.1:0.9", "train.batch_size=logint:16:128",
        "task.hidden=[64],[128, 64]", "task.activation=relu,tanh", "optimizer.nesterov=false,true",
    ]  # fmt: skip
    found = parse_space(texts, DIGITS)
    rate, momentum, size, hidden, activation, nesterov = found
    assert rate.is_log
    assert (rate.low, rate.high, rate.num_points) == (1e-4, 1e-1, 7)
    assert not momentum.is_log
    assert size.is_integer
    assert size.is_log
    assert hidden.choices == ([64.0], [128.0, 64.0])
    assert activation.choices == ("relu", "tanh")
    assert nesterov.choices == (False, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("optimizer.lr=log:1e-1:1e-5", "low 0.1 is above high 1e-05. Try: log:1e-5:1e-1"),
        ("optimizer.lr=log:0:1", "low 0 has no logarithm"),
        ("optimizer.lrr=log:1e-5:1", 'Did you mean "optimizer.lr"?'),
        ("lr=log:1e-5:1", 'Did you mean "optimizer.lr"?'),
        ("optimizer.lr=lgo:1e-5:1", "Did you mean log:"),
        ("optimizer.lr=log:1e-5", "takes LOW:HIGH"),
        ("optimizer.lr=log:one:2", '"one" is not a number'),
        ("optimizer.lr=log:0.1:0.1", "low and high are both 0.1"),
        ("optimizer.lr=0.1", "one value alone is not searched"),
        ("optimizer.lr=0.1,0.10,0.2", "the same value is there twice"),
        ("optimizer.lr", "is not of the form key=values"),
        ("train.batch_size=int:1.5:8", "from a whole number to a whole number"),
        ("optimizer.lr=log:1e-5:1:1", "1 points are no grid"),
        ("regularize.dropout=lin:0:1.5", "regularize.dropout = 1.5 is not in"),
        ("train.batch_size=lin:16:64", "is not a whole number"),
        ("task.activation=relu,tahn", 'Did you mean "tanh"?'),
    ],
)
def test_a_space_that_cannot_be_is_said_with_what_to_try(text: str, said: str) -> None:
    """Of the text itself, and of what the preset refuses at a corner."""
    assert said in refused(text)


def test_all_mistakes_come_at_once() -> None:
    """Those of the texts and those of the corners, each once, though several corners have it."""
    lines = refused(
        "optimizer.lr=log:1:1e-5", "optimizer.lr=1,2", "task.hidden=[64],[32]", "regularize.dropout=lin:0:2"
    ).splitlines()
    assert len(lines) == 3
    assert "is given twice" in lines[1]
    assert "dropout = 2.0" in lines[2]


def test_a_combination_that_only_one_corner_has_is_found() -> None:
    """Nesterov needs momentum: refused only where both lie at their ends, and only sgd knows it."""
    assert "nesterov = true needs momentum" in refused("optimizer.nesterov=true,false", "optimizer.momentum=lin:0:0.9")


def test_everything_wrong_with_a_search_is_said_before_it_begins() -> None:
    """Method, pruner, number of trials, metric and space together."""
    with pytest.raises(PresetError) as caught:
        search_plan(
            DIGITS, ["optimizer.lr=log:1:0.1"], name="x", method="gird", prune="hyper", num_trials=0, metric="eval/mse"
        )
    assert len(caught.value.problems) == 5
    assert '"grid"' in str(caught.value)
    assert "metric of digits" in str(caught.value)


def test_a_grid_without_a_number_of_points_is_refused() -> None:
    """A range is not finite; trials or points make it so."""
    with pytest.raises(UsageError, match="no finite number of points"):
        num_points_of([RATE], 0)
    assert num_points_of([RATE], 9) == [9]


def test_trials_are_shared_out_evenly_over_the_dimensions_of_a_grid() -> None:
    """The same number each, as many as fit; what was given stands, and choices are what they are."""
    other = SearchedParameter(key="optimizer.momentum", low=0.0, high=0.9)
    words = SearchedParameter(key="task.activation", choices=("relu", "tanh"))
    given = SearchedParameter(key="optimizer.lr", low=1e-5, high=1e-1, is_log=True, num_points=5)
    assert num_points_of([RATE, other], 10) == [3, 3]
    assert num_points_of([RATE, other, words], 18) == [3, 3, 2]
    assert num_points_of([given, words], 0) == [5, 2]
    with pytest.raises(UsageError, match=r"5 × 2 = 10 points"):
        num_points_of([given, words], 9)
    with pytest.raises(UsageError, match="needs 4 trials at least"):
        num_points_of([RATE, other], 3)


def test_points_of_a_grid_are_even_on_the_scale_and_reach_both_ends() -> None:
    """A decade a step on a log axis; whole numbers stay whole."""
    assert grid_values(RATE, 5) == [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
    whole = SearchedParameter(key="task.depth", low=2, high=4, is_integer=True)
    assert grid_values(whole, 3) == [2, 3, 4]
    assert all(isinstance(value, int) for value in grid_values(whole, 3))


def test_a_value_and_its_share_of_the_range_are_each_others_inverse() -> None:
    """On a log scale the middle of 1e-5 to 0.1 is 1e-3."""
    assert value_at(RATE, 0.5) == 1e-3
    assert share_of(RATE, 1e-3) == pytest.approx(0.5)


def test_a_preset_at_a_point_is_that_of_the_command_line() -> None:
    """The same path: another optimizer starts its section afresh, a text stays a text."""
    point: dict[str, Value] = {
        "optimizer.lr": 0.003,
        "optimizer.name": "adam",
        "task.hidden": [64],
        "task.activation": "tanh",
    }
    ours = preset_at(DIGITS.to_data(), point)
    theirs = load_preset(
        "lr-good", ["optimizer.lr=0.003", "optimizer.name=adam", "task.hidden=[64]", "task.activation=tanh"]
    )
    assert ours.to_data() == theirs.to_data()


def test_a_loss_is_not_searched_by_its_own_number() -> None:
    """The one with the smallest numbers would be the best; by the accuracy they are comparable."""
    with pytest.raises(PresetError, match=r"another number with another task\.loss\. Try: --metric eval/accuracy"):
        search_plan(load_preset("digits-bce"), ["task.loss=cross-entropy,bce"], name="s")
    search_plan(load_preset("digits-bce"), ["task.loss=cross-entropy,bce"], name="s", metric="eval/accuracy")


def test_a_list_is_the_same_after_the_plan_was_written_and_read() -> None:
    """JSON has one kind of number: widths that were whole stay so, or no trial could be trained."""
    plan = search_plan(load_preset("mnist-mlp"), ["task.hidden=[16],[32,16]"], name="s")
    read = msgspec.json.decode(msgspec.json.encode(to_jsonable(plan)), type=ComparisonPlan, strict=False)
    assert read.search is not None
    found = [preset_at(read.search.preset, {"task.hidden": choice}) for choice in read.search.space[0].choices]
    assert [preset.task.hidden for preset in found] == [[16], [32, 16]]
    with pytest.raises(PresetError, match="lists of numbers"):
        search_plan(load_preset("mnist-mlp"), ['task.freeze=["a"],["b"]'], name="s")
