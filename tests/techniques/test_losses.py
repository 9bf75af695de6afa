"""The losses: torch's, their formulas, and what smoothing, weights and shares of classes do to them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tuitrain.errors import UnknownNameError
from tuitrain.techniques.build.losses import Criterion, balanced_weights
from tuitrain.techniques.losses import LOSSES, loss_spec

GENERATOR = torch.Generator().manual_seed(0)
OUTPUTS = torch.randn(40, 5, generator=GENERATOR)
LABELS = torch.randint(0, 5, (40,), generator=GENERATOR)
SHARES = torch.softmax(torch.randn(40, 5, generator=GENERATOR), dim=1)
NUMBERS = 3.0 * torch.randn(40, 5, generator=GENERATOR)
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 0.0, 4.0])
KINDS = {name: spec.kind for name, spec in LOSSES.items()}


def criterion(name: str, weights: Tensor | None = None, smoothing: float = 0.0, **values: float) -> Criterion:
    defaults = {"huber": {"huber_delta": 1.0}, "focal": {"focal_gamma": 2.0}}.get(name, {})
    made = Criterion(name, {**defaults, **values}, 5, weights)
    made.label_smoothing = smoothing
    return made


def expected_loss(name: str) -> Tensor:
    """The mean loss in torch's own words."""
    one_hot = functional.one_hot(LABELS, 5).float()
    match name:
        case "mse":
            return functional.mse_loss(OUTPUTS, NUMBERS)
        case "l1":
            return functional.l1_loss(OUTPUTS, NUMBERS)
        case "huber":
            return functional.huber_loss(OUTPUTS, NUMBERS)
        case "gaussian-nll":
            mean, log_variance = OUTPUTS[:, :2], OUTPUTS[:, 2:4]
            return functional.gaussian_nll_loss(mean, NUMBERS[:, :2], log_variance.exp())
        case "cross-entropy":
            return functional.cross_entropy(OUTPUTS, LABELS)
        case "value":
            return OUTPUTS[:, 0].mean()
        case "bce":
            return 5.0 * functional.binary_cross_entropy_with_logits(OUTPUTS, one_hot)
        case _:
            p = torch.softmax(OUTPUTS, dim=1)[torch.arange(40), LABELS]
            return (-((1.0 - p) ** 2) * p.log()).mean()


def outputs_and_targets(name: str) -> tuple[Tensor, Tensor]:
    if name == "value":
        return OUTPUTS[:, :1], NUMBERS[:, :1]
    if name == "gaussian-nll":
        return OUTPUTS[:, :4], NUMBERS[:, :2]
    return OUTPUTS, LABELS if KINDS[name] == "classification" else NUMBERS


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_loss_is_that_of_torch_in_training_and_evaluation(name: str) -> None:
    """The mean that is minimised, and the sum of a batch that is evaluated, are one quantity."""
    outputs, targets = outputs_and_targets(name)
    expected = expected_loss(name).item()
    assert criterion(name).training_loss(outputs, targets).item() == pytest.approx(expected, rel=1e-5)
    found = criterion(name).summed_metrics(outputs, targets)
    assert found["loss"].item() / 40 == pytest.approx(expected, rel=1e-5)
    spec = loss_spec(name)
    assert all((spec.summary, spec.formula, spec.good_for, spec.watch))


def test_what_else_is_evaluated() -> None:
    """Accuracy of classes; the squared error of a regression that is judged by something else."""
    metrics = {name: criterion(name).summed_metrics(*outputs_and_targets(name)).keys() for name in LOSSES}
    assert metrics["mse"] == {"loss"}
    assert all(metrics[name] == {"loss", "mse"} for name in ("l1", "huber", "gaussian-nll"))
    assert all(metrics[name] == {"loss", "accuracy"} for name in ("cross-entropy", "bce", "focal"))
    found = criterion("gaussian-nll").summed_metrics(*outputs_and_targets("gaussian-nll"))
    assert found["mse"].item() / 40 == pytest.approx(functional.mse_loss(OUTPUTS[:, :2], NUMBERS[:, :2]).item())
    right = criterion("bce").summed_metrics(OUTPUTS, LABELS)["accuracy"]
    assert right == (OUTPUTS.argmax(1) == LABELS).sum()


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_label_smoothing_spreads_the_target_over_all_classes(smoothing: float) -> None:
    """(1 − ε) one-hot + ε/K, in cross entropy as torch does it, and in bce alike; never in evaluation."""
    target = (1 - smoothing) * functional.one_hot(LABELS, 5).float() + smoothing / 5
    smooth = criterion("cross-entropy", smoothing=smoothing)
    assert smooth.training_loss(OUTPUTS, LABELS).item() == pytest.approx(
        -(target * functional.log_softmax(OUTPUTS, 1)).sum(1).mean().item(), rel=1e-5
    )
    binary = criterion("bce", smoothing=smoothing)
    expected = 5 * functional.binary_cross_entropy_with_logits(OUTPUTS, target)
    assert binary.training_loss(OUTPUTS, LABELS).item() == pytest.approx(expected.item(), rel=1e-5)
    for made in (smooth, binary):
        plain = criterion(made.name).summed_metrics(OUTPUTS, LABELS)["loss"]
        assert torch.equal(made.summed_metrics(OUTPUTS, LABELS)["loss"], plain)


@pytest.mark.parametrize("name", ["cross-entropy", "bce", "focal"])
@pytest.mark.parametrize("weighted", [False, True])
def test_shares_of_classes_are_targets_as_classes_are(name: str, weighted: bool) -> None:
    """One-hot shares give the loss of the class; mixed ones are linear in the share."""
    made = criterion(name, WEIGHTS if weighted else None)
    one_hot, other = functional.one_hot(LABELS, 5).float(), functional.one_hot(LABELS.roll(1), 5).float()
    by_class, by_share = made.training_loss(OUTPUTS, LABELS), made.training_loss(OUTPUTS, one_hot)
    assert by_share.item() == pytest.approx(by_class.item(), rel=1e-5)
    mixed = made.training_loss(OUTPUTS, 0.3 * one_hot + 0.7 * other)
    # The mean over the weights of the samples: those of a mixed sample are mixed, too.
    is_over_weights = weighted and name != "bce"
    parts = [float(WEIGHTS[labels].sum()) if is_over_weights else 1.0 for labels in (LABELS, LABELS.roll(1))]
    shares = [0.3 * parts[0], 0.7 * parts[1]]
    both = shares[0] * by_share + shares[1] * made.training_loss(OUTPUTS, other)
    assert mixed.item() == pytest.approx(both.item() / sum(shares), rel=1e-5)
    assert made.training_loss(OUTPUTS, SHARES).isfinite()


@pytest.mark.parametrize("name", ["cross-entropy", "focal"])
def test_a_batch_whose_classes_all_weigh_nothing_has_no_loss(name: str) -> None:
    """And no gradient; torch's own gives 0/0."""
    outputs = OUTPUTS.clone().requires_grad_(True)
    loss = criterion(name, torch.zeros(5)).training_loss(outputs, LABELS)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0.0
    assert outputs.grad is not None
    assert outputs.grad.abs().max() == 0.0


def test_weights_of_classes_are_those_of_torch_and_never_evaluated() -> None:
    """A class of weight 0 is not learned; the evaluated loss is as without them."""
    outputs = OUTPUTS.clone().requires_grad_(True)
    made = criterion("cross-entropy", WEIGHTS)
    loss = made.training_loss(outputs, LABELS)
    assert loss.item() == pytest.approx(functional.cross_entropy(OUTPUTS, LABELS, weight=WEIGHTS).item())
    loss.backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    assert outputs.grad[LABELS == 3].abs().max() == 0.0
    plain = criterion("cross-entropy").summed_metrics(OUTPUTS, LABELS)["loss"]
    assert torch.equal(made.summed_metrics(OUTPUTS, LABELS)["loss"], plain)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=50))
def test_balanced_weights_make_each_class_count_alike(labels: list[int]) -> None:
    """Weight times number of samples is one number for all classes that there are; 0 for others."""
    weights = balanced_weights(torch.tensor(labels), 5)
    totals = [weights[label].item() * labels.count(label) for label in set(labels)]
    assert totals == pytest.approx([len(labels) / 5] * len(totals))
    assert all(weights[label] == 0.0 for label in range(5) if label not in labels)


def test_the_gradient_of_the_squared_error_is_twice_that_of_a_gaussian_of_variance_1() -> None:
    """Maximum likelihood under unit noise is least squares."""
    gradients = []
    for name in ("mse", "gaussian-nll"):
        mean = OUTPUTS.clone().requires_grad_(True)
        outputs = mean if name == "mse" else torch.cat([mean, torch.zeros_like(mean)], dim=1)
        criterion(name).training_loss(outputs, NUMBERS).backward()  # type: ignore[no-untyped-call]
        assert mean.grad is not None
        gradients.append(mean.grad)
    torch.testing.assert_close(gradients[0], 2.0 * gradients[1])


def test_focal_with_gamma_0_is_cross_entropy_and_else_looks_away_from_the_easy() -> None:
    """The larger gamma, the smaller the share of what is already right."""
    plain = functional.cross_entropy(OUTPUTS, LABELS).item()
    assert criterion("focal", focal_gamma=0.0).training_loss(OUTPUTS, LABELS).item() == pytest.approx(plain, rel=1e-5)
    easy, hard = torch.tensor([[4.0, 0.0]]), torch.tensor([[-1.0, 0.0]])
    target = torch.tensor([0])
    shares = []
    for gamma in (0.0, 1.0, 2.0):
        made = Criterion("focal", {"focal_gamma": gamma}, 2)
        shares.append((made.training_loss(easy, target) / made.training_loss(hard, target)).item())
    assert shares[0] > 5 * shares[1] > 25 * shares[2]


@pytest.mark.parametrize("name", ["cross-entropy", "bce", "focal"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_certain_outputs_give_finite_losses_and_slopes(name: str, gamma: float) -> None:
    """Also where a probability rounds to 0 or 1, on the right side and on the wrong one."""
    outputs = torch.tensor([[80.0, 0.0, 0.0], [0.0, 80.0, 0.0]], requires_grad=True)
    loss = Criterion(name, {"focal_gamma": gamma}, 3).training_loss(outputs, torch.tensor([0, 0]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()


def test_a_gaussian_with_next_to_no_variance_is_finite() -> None:
    """The log variance is bounded from below."""
    outputs = torch.tensor([[1.0, -1e4]], requires_grad=True)
    loss = criterion("gaussian-nll").training_loss(outputs, torch.tensor([[1.0]]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()


def test_an_unknown_loss_names_the_nearest() -> None:
    """As all tables do."""
    with pytest.raises(UnknownNameError, match="hubr") as caught:
        loss_spec("hubr")
    assert "huber" in caught.value.hint
