"""Text: windows without copies, a loss a character, and networks that look at nothing later."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.preset.test_reading import problems_of
from tests.tasks.building import make_model, make_task
from tests.training.harness import build, finish, told
from tuitrain.errors import DataError
from tuitrain.tasks.build.sequences import RecurrentLayer
from tuitrain.tasks.tables import MODELS, dataset_spec
from tuitrain.tasks.text import ALPHABET, as_text, english, english_sides, text_spec
from tuitrain.techniques.build.losses import Criterion, balanced_weights
from tuitrain.training.state import captured

READERS = [name for name, spec in MODELS.items() if spec.needs_text]
SMALL: dict[str, Any] = {"hidden": (32,), "depth": 2}
ON_TEXT = (
    "task.dataset=english", "task.hidden=[16]", "task.context=8", "task.depth=2", "train.steps=12",
    "train.batch_size=4", "eval.batch_size=8", "eval.max_batches=1",
)  # fmt: skip


@pytest.fixture
def no_text_kept() -> Iterator[None]:
    """The text is read once; here it is read again, and the real one afterwards."""
    english.cache_clear()
    yield
    english.cache_clear()


def characters(count: int = 3, length: int = 64) -> torch.Tensor:
    return torch.randint(0, len(ALPHABET), (count, length), generator=torch.Generator().manual_seed(0))


def test_the_text_is_english_in_a_fixed_alphabet() -> None:
    """Every character has a place; the sides are the first nine tenths and the rest."""
    text = english()
    assert len(ALPHABET) == dataset_spec("english").num_outputs == 96
    assert text.max() < 96
    assert len(text) > 300_000
    assert " the " in as_text(text[:2000])
    train, validation = english_sides()
    assert np.array_equal(np.concatenate([train, validation]), text)
    assert len(validation) == pytest.approx(0.1 * len(text), abs=1)


@pytest.mark.parametrize("context", [1, 8, 64])
def test_windows_are_views_and_their_targets_the_next_characters(context: int) -> None:
    """One at every place to train on, side by side to validate; as many as the spec says."""
    spec = text_spec(dataset_spec("english"), context)
    trainer = build(*ON_TEXT, f"task.context={context}", "task.model=lstm", "train.steps=1")
    task = trainer.task
    train, validation = (torch.from_numpy(side.astype(np.int64)) for side in english_sides())
    for split, text, count, stride in (
        (task.train, train, spec.num_train, 1), (task.validation, validation, spec.num_validation, context),
    ):  # fmt: skip
        assert split.x.shape == split.y.shape == (count, context)
        assert split.x.untyped_storage().nbytes() <= 8 * len(text)
        for number in (0, 1, 700 // context, count - 1):
            first = number * stride
            assert torch.equal(split.x[number], text[first : first + context])
            assert torch.equal(split.y[number], text[first + 1 : first + context + 1])
    assert task.train.y[-1, -1] == train[-1]


def test_a_part_of_the_text_is_its_beginning() -> None:
    """Only so many windows."""
    task = make_task("english", "lstm", num_train=100, **SMALL)
    assert len(task.train) == len(task.train_sample(726)) == 100


@pytest.mark.parametrize(
    ("topics", "said"),
    [(None, "has no help texts"), ("text", "no dictionary"), ({"if": "too short"}, "only 9 characters")],
    ids=["none", "another kind", "short"],
)
@pytest.mark.usefixtures("no_text_kept")
def test_a_python_without_the_text_is_said_before_the_start(
    topics: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian has it in a package of its own."""
    module = ModuleType("pydoc_data.topics")
    if topics is not None:
        module.topics = topics  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", module)
    with pytest.raises(DataError, match=said):
        english()
    problems = problems_of("char-lstm")
    assert len(problems) == 1
    assert "task.dataset" in problems[0]
    assert said in problems[0]


@pytest.mark.usefixtures("no_text_kept")
def test_characters_beyond_the_alphabet_are_written_in_it_or_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Typographic quotes and dashes become plain ones; topics come in the order of their names."""
    module = ModuleType("pydoc_data.topics")
    module.topics = {"b": "x" * 60_000, "a": "“it’s”…\tß"}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", module)
    assert as_text(english()[:14]) == '"it\'s"...    x'


@pytest.mark.parametrize("name", READERS)
def test_the_first_loss_is_that_of_a_guess(name: str) -> None:
    """ln 96, within a few hundredths; every parameter has a finite gradient."""
    model, x = make_model_on_text(name), characters()
    outputs = model(x)
    assert outputs.shape == (3, 64, 96)
    loss = Criterion("cross-entropy", {}, 96).training_loss(outputs, x.roll(-1, 1))
    assert loss.item() == pytest.approx(math.log(96), abs=0.1)
    torch.autograd.backward(loss)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", READERS)
def test_a_later_character_never_tells_an_earlier_place(name: str) -> None:
    """Change the character at place 20: outputs before it stay, those from it on change."""
    model, x = make_model_on_text(name).eval(), characters()
    other = x.clone()
    other[:, 20] = (x[:, 20] + 1) % 96
    with torch.no_grad():
        one, two = model(x), model(other)
    torch.testing.assert_close(one[:, :20], two[:, :20], rtol=0.0, atol=1e-6)
    assert (one[:, 20:] - two[:, 20:]).abs().amax(dim=(0, 2)).min() > 0.0


@pytest.mark.parametrize("name", READERS)
def test_every_window_begins_anew(name: str) -> None:
    """What was read before, and what is read beside it, leaves nothing."""
    model, x = make_model_on_text(name).eval(), characters(4)
    with torch.no_grad():
        alone = model(x[2:3])
        model(characters(2).flip(0))
        torch.testing.assert_close(model(x)[2:3], alone, rtol=0.0, atol=1e-5)


def make_model_on_text(name: str, **options: Any) -> nn.Module:
    """Small."""
    return make_task("english", name, **{**SMALL, **options}).model


def test_places_matter_to_the_transformer() -> None:
    """Without them the last output would not know the order of the characters before."""
    model, x = make_model_on_text("char-transformer").eval(), characters(1, 8)
    swapped = x[:, [1, 0, *range(2, 8)]]
    with torch.no_grad():
        assert (model(x)[:, -1] - model(swapped)[:, -1]).abs().max() > 1e-5


def test_attention_is_the_softmax_over_what_is_not_later() -> None:
    """Written out head by head, as in the paper."""
    block = make_model_on_text("char-transformer", heads=2).get_submodule("block_1.attention")
    x = torch.randn(2, 6, 32, generator=torch.Generator().manual_seed(0))
    weight = block.get_parameter("query_key_value.weight")
    query, key, value = (x @ part.t() for part in weight.chunk(3))
    heads = []
    for head in (slice(0, 16), slice(16, 32)):
        scores = query[..., head] @ key[..., head].transpose(1, 2) / 4.0
        scores = scores.masked_fill(torch.ones(6, 6).triu(1).bool(), -math.inf)
        heads.append(scores.softmax(-1) @ value[..., head])
    expected = torch.cat(heads, -1) @ block.get_parameter("out.weight").t()
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-4)


def test_an_lstm_has_a_layer_for_each_width_and_begins_by_remembering() -> None:
    """The forget gate's bias is 1 more than torch's own."""
    model = make_model_on_text("lstm", hidden=(16, 8))
    layers = [module for module in model if isinstance(module, RecurrentLayer)]  # type: ignore[attr-defined]
    assert [(layer.input_size, layer.hidden_size) for layer in layers] == [(16, 16), (16, 8)]
    for layer in layers:
        bias = layer.get_parameter("bias_ih_l0").reshape(4, -1)
        assert (bias[1] == 1.0).all()
        assert layer.weight is layer.get_parameter("weight_hh_l0")


@pytest.mark.parametrize("name", ["cross-entropy", "bce", "focal"])
@pytest.mark.parametrize("weights", [None, torch.linspace(0.01, 1.0, 96)], ids=["equal", "weights"])
def test_every_character_counts_as_a_sample(name: str, weights: torch.Tensor | None) -> None:
    """The loss of windows is that of their characters, with smoothing and class weights; so are the metrics."""
    values = {"focal_gamma": 2.0} if name == "focal" else {}
    criterion = Criterion(name, values, 96, weights)
    criterion.label_smoothing = 0.0 if name == "focal" else 0.1
    outputs, targets = torch.randn(3, 64, 96, generator=torch.Generator().manual_seed(1)), characters()
    flat = outputs.reshape(-1, 96), targets.reshape(-1)
    torch.testing.assert_close(criterion.training_loss(outputs, targets), criterion.training_loss(*flat))
    windows, rows = criterion.summed_metrics(outputs, targets), criterion.summed_metrics(*flat)
    for metric in ("loss", "accuracy"):
        assert windows[metric].item() / 3 == pytest.approx(rows[metric].item() / (3 * 64), rel=1e-5)
    hits = (outputs.argmax(-1) == targets).float().mean().item()
    assert windows["accuracy"].item() / 3 == pytest.approx(hits)


def test_balanced_weights_count_characters() -> None:
    """Of the whole text, without copying its windows."""
    train = make_task("english", "lstm", **SMALL).train
    weights = balanced_weights(train.y, 96)
    counts = torch.bincount(train.y[:, 0], minlength=96)
    assert weights[counts.argmax()] == weights[counts > 0].min()
    assert weights[0] == pytest.approx(len(train) / (96 * int(counts[0])), rel=1e-5)


@pytest.mark.parametrize("name", READERS)
def test_evaluation_is_a_mean_over_characters(name: str) -> None:
    """Computed here from the outputs; the random state and the mode are left as they were."""
    trainer = build(*ON_TEXT, f"task.model={name}", "regularize.dropout=0.3")
    found = trainer.evaluator.evaluate(0)
    split = trainer.task.validation.drawn(8)
    trainer.task.model.eval()
    with torch.no_grad():
        outputs = trainer.task.model(split.x)
        loss = functional.cross_entropy(outputs.flatten(0, 1), split.y.flatten()).item()
        hits = (outputs.argmax(-1) == split.y).float().mean().item()
    assert found.sizes == (8, 8)
    assert found.metrics["eval/loss"] == pytest.approx(loss, rel=1e-5)
    assert found.metrics["eval/accuracy"] == pytest.approx(hits)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("regularize.dropout=0.3", "regularize.label_smoothing=0.1", "regularize.gradient_clip=1"),
        ("task.class_weights=balanced", "regularize.l1=1e-4", "regularize.max_norm=1"),
        ("task.loss=focal", "regularize.weight_noise=0.01"),
        ("optimizer.name=sam", "optimizer.lr=0.1", "optimizer.layer_decay=0.9", "optimizer.decay_only_weights=true"),
        ("task.num_train=16", "train.batch_size=full", "optimizer.name=lbfgs", "optimizer.lr=0.5", "train.steps=3"),
    ],
    ids=["plain", "noisy", "weighted", "focal", "layers", "lbfgs"],
)
def test_a_text_run_is_deterministic_and_its_layers_are_seen(name: str, overrides: tuple[str, ...]) -> None:
    """The same losses twice, all finite."""
    one, two = (told(*ON_TEXT, f"task.model={name}", *overrides) for _ in range(2))
    assert one.losses == two.losses
    assert all(math.isfinite(loss) for loss in one.losses)


@pytest.mark.parametrize("name", READERS)
def test_a_text_run_goes_on_bit_for_bit(name: str) -> None:
    """From a state at step 5, in the middle of an epoch, with dropout at work."""
    overrides = (*ON_TEXT, f"task.model={name}", "regularize.dropout=0.3", "regularize.max_norm=0.8")
    whole = told(*overrides)
    first = build(*overrides, "train.steps=5")
    finish(first)
    state = captured(first)
    state["total_steps"] = 12
    rest = finish(build(*overrides, state=state))
    assert rest.losses == whole.losses[5:]
    for one, other in zip(rest.trainer.task.model.parameters(), whole.trainer.task.model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("task.model=lstm",), 'task.model = "lstm" needs text, and mnist-5k is none. Try task.dataset=english'),
        (("task.model=char-transformer",), 'needs text, and mnist-5k is none. Try task.dataset=english'),
        (("task.dataset=english", "task.model=cnn"), 'needs images, and english has none. Try task.model=lstm'),
        (("task.dataset=english",), 'task.model = "mlp" cannot read text. Try task.model=lstm or "char-transformer"'),
        (("task.dataset=english", "task.model=autoencoder"), 'task.model = "autoencoder" cannot read text'),
        ((*ON_TEXT, "task.model=lstm", "regularize.mixup=0.2"), "regularize.mixup has no meaning for the characters"),
        ((*ON_TEXT, "task.model=lstm", "regularize.input_noise=1"), "regularize.input_noise has no meaning"),
        ((*ON_TEXT, "task.model=lstm", "regularize.shift=1"), "regularize.shift has no meaning"),
        ((*ON_TEXT, "task.model=lstm", "regularize.dropconnect=0.1"), "regularize.dropconnect has no meaning"),
        ((*ON_TEXT, "task.model=lstm", "task.preprocess=raw"), "task.preprocess does not act on the characters"),
        ((*ON_TEXT, "task.model=lstm", "task.label_noise=0.1"), "task.label_noise does not act on the characters"),
        ((*ON_TEXT, "task.model=lstm", "task.norm=layer"), "task.norm does not act on lstm, which has its own"),
        ((*ON_TEXT, "task.model=lstm", "task.init=xavier"), "task.init does not act on lstm, which has its own"),
        ((*ON_TEXT, "task.model=lstm", "task.hidden=[]"), "task.hidden is empty"),
        ((*ON_TEXT, "task.model=lstm", "optimizer.name=muon"), "works on hidden 2-D weights, and this lstm has none"),
        ((*ON_TEXT, "task.model=lstm", "train.batch_size=full"), 'train.batch_size = "full" is'),
        ((*ON_TEXT, "task.model=char-transformer", "task.heads=3"), "task.heads = 3 do not share a width of 16 evenly"),
        ((*ON_TEXT, "task.model=lstm", "task.context=0"), "task.context = 0 should be greater than or equal to 1"),
    ],
)  # fmt: skip
def test_what_does_not_go_with_text_is_said_before_the_start(overrides: tuple[str, ...], said: str) -> None:
    """One problem, with its key and a way out."""
    problems = problems_of("mnist-mlp", *overrides)
    assert len(problems) == 1, problems
    assert said in problems[0]
    assert "Try" in problems[0] or "Leave it out" in problems[0]


def test_make_model_of_a_text_takes_its_context_from_the_spec() -> None:
    """64 places in the table."""
    assert make_model("english", "char-transformer", hidden=(8,), depth=2, heads=2)(characters(1, 64)).shape[1] == 64
