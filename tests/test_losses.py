"""The losses, against torch's cross-entropy and a Dice done by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from cvs_med.losses import dice_loss, map_loss, total
from cvs_med.protocol_sections import Loss
from cvs_med.types import Output

SHAPE = (2, 9, 11)
EVERYWHERE = torch.ones(SHAPE)


@st.composite
def batches(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """Map logits, label map and what is inside, three classes."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    logits = 3 * torch.randn(SHAPE[0], 4, *SHAPE[1:], generator=generator)
    inside = (torch.rand(SHAPE, generator=generator) < draw(st.floats(0.1, 1))).float()
    inside[:, 0, 0] = 1
    return logits, torch.randint(4, SHAPE, generator=generator), inside


def sure(label_map: Tensor, strength: float = 40) -> Tensor:
    """Map logits of a network that is right, and sure of it."""
    return strength * torch.nn.functional.one_hot(label_map, 4).movedim(-1, 1).float()


def foreground(logits: Tensor) -> Tensor:
    """Probability that a pixel is no background."""
    return 1 - logits.softmax(dim=1)[:, 0]


@given(batches())
def test_the_plain_map_loss_is_torch_s_cross_entropy(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    logits, labels, inside = batch
    torch.testing.assert_close(map_loss(logits, labels, EVERYWHERE, Loss()), cross_entropy(logits, labels))
    counted = labels.masked_fill(inside == 0, -100)
    torch.testing.assert_close(map_loss(logits, labels, inside, Loss()), cross_entropy(logits, counted))


@given(batches(), st.floats(0.1, 20))
def test_the_weighted_map_loss_is_torch_s_weighted_cross_entropy(
    batch: tuple[Tensor, Tensor, Tensor], weight: float
) -> None:
    logits, labels, inside = batch
    inside[:, 0, :2] = 1
    expected = cross_entropy(
        logits, labels.masked_fill(inside == 0, -100), weight=torch.tensor([1, weight, weight, weight])
    )
    found = map_loss(logits, labels, inside, Loss(foreground_weight=weight))
    total_weight = (torch.where(labels > 0, weight, 1.0) * inside).sum()
    torch.testing.assert_close(found, expected * (total_weight / total_weight.clamp_min(1)))


@given(batches(), st.integers(0, 2**32))
def test_pixels_outside_the_field_of_view_do_not_matter(batch: tuple[Tensor, Tensor, Tensor], seed: int) -> None:
    logits, labels, inside = batch
    generator = torch.Generator().manual_seed(seed)
    other_logits = torch.where(inside[:, None] > 0, logits, torch.randn(logits.shape, generator=generator))
    other_labels = torch.where(inside > 0, labels, torch.randint(4, SHAPE, generator=generator))
    settings = Loss(dice_weight=1, foreground_weight=3)
    torch.testing.assert_close(
        map_loss(other_logits, other_labels, inside, settings), map_loss(logits, labels, inside, settings)
    )


@given(batches())
def test_dice_is_that_of_foreground_against_background(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    logits, labels, inside = batch
    predicted = (logits.double().exp()[:, 1:].sum(dim=1) / logits.double().exp().sum(dim=1))[inside > 0]
    gold = (labels > 0).double()[inside > 0]
    overlap = (2 * (predicted * gold).sum() + 1) / ((predicted**2).sum() + (gold**2).sum() + 1)
    found = dice_loss(foreground(logits), labels, inside)
    torch.testing.assert_close(found.double(), 1 - overlap, atol=1e-5, rtol=1e-5)


@given(batches())
def test_a_perfect_map_costs_nothing(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    _, labels, inside = batch
    assert dice_loss(foreground(sure(labels)), labels, inside) < 1e-6
    assert map_loss(sure(labels), labels, inside, Loss(dice_weight=1)) < 1e-6


@given(batches())
def test_a_map_that_is_wrong_everywhere_costs_nearly_all_of_the_dice(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    labels = batch[1]
    wrong = torch.where(labels > 0, 0, 1)
    assert dice_loss(foreground(sure(wrong)), labels, EVERYWHERE) > 0.98


@given(batches(), st.floats(0.1, 10), st.floats(0.1, 5))
def test_both_losses_together_have_the_value_and_gradient_of_each_alone(
    batch: tuple[Tensor, Tensor, Tensor], weight: float, dice_weight: float
) -> None:
    logits, labels, inside = batch
    together, apart = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    settings = Loss(foreground_weight=weight, dice_weight=dice_weight)
    found = map_loss(together, labels, inside, settings)
    per_pixel = cross_entropy(apart, labels, torch.tensor([1, weight, weight, weight]), reduction="none")
    counted = torch.where(labels > 0, weight, 1.0) * inside
    expected = (per_pixel * inside).sum() / counted.sum().clamp_min(1)
    expected = expected + dice_weight * dice_loss(foreground(apart), labels, inside)
    torch.testing.assert_close(found, expected)
    torch.autograd.backward([found, expected])
    torch.testing.assert_close(together.grad, apart.grad, atol=1e-6, rtol=1e-4)


def test_dice_forgives_the_wrong_class_of_the_right_vessel() -> None:
    labels = torch.randint(1, 4, SHAPE, generator=torch.Generator().manual_seed(0))
    assert dice_loss(foreground(sure(labels % 3 + 1)), labels, EVERYWHERE) < 1e-6


def test_no_vessel_and_none_predicted_is_perfect() -> None:
    nothing = torch.zeros(SHAPE, dtype=torch.int64)
    assert dice_loss(foreground(sure(nothing)), nothing, EVERYWHERE) < 1e-6
    assert map_loss(sure(nothing), nothing, 0 * EVERYWHERE, Loss(dice_weight=1)).isfinite()


@given(batches(), st.floats(0.01, 5), st.floats(0.1, 5))
def test_the_whole_is_the_weighted_sum_of_its_parts(
    batch: tuple[Tensor, Tensor, Tensor], map_weight: float, class_weight: float
) -> None:
    logits, label_map, inside = batch
    labels = torch.tensor([0, 2])
    class_logits = logits.mean(dim=(2, 3))[:, 1:]
    settings = Loss(map_weight=map_weight, class_weight=class_weight, dice_weight=0.5)
    parts = total(Output(class_logits, logits), label_map, labels, inside, settings)
    torch.testing.assert_close(parts["loss_class"], cross_entropy(class_logits, labels))
    torch.testing.assert_close(parts["loss_map"], map_loss(logits, label_map, inside, settings))
    torch.testing.assert_close(
        parts["loss"], map_weight * parts["loss_map"] + class_weight * parts["loss_class"]
    )


def test_a_map_without_weight_is_not_compared() -> None:
    logits, labels = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 2])
    class_logits, nothing = logits.mean(dim=(2, 3))[:, 1:], torch.zeros(2, 5, 5, dtype=torch.int64)
    settings = Loss(map_weight=0, dice_weight=1, class_weight=0.5)
    parts = total(Output(class_logits, logits), nothing, labels, nothing.float(), settings)
    assert parts.keys() == {"loss", "loss_class"}
    torch.testing.assert_close(parts["loss"], 0.5 * cross_entropy(class_logits, labels))


def test_without_a_map_the_class_is_all_there_is() -> None:
    logits, labels = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]]), torch.tensor([0, 1])
    nothing = torch.zeros(2, 4, 4, dtype=torch.int64)
    parts = total(Output(logits, None), nothing, labels, nothing.float(), Loss(class_weight=0))
    assert parts.keys() == {"loss"}
    torch.testing.assert_close(parts["loss"], cross_entropy(logits, labels))


@pytest.mark.parametrize("dice_weight", [0, 1])
def test_half_precision_logits_are_compared_in_32_bits(dice_weight: float) -> None:
    generator = torch.Generator().manual_seed(3)
    logits, labels = torch.randn(2, 4, 9, 11, generator=generator).bfloat16(), torch.tensor([1, 2])
    label_map = torch.randint(4, SHAPE, generator=generator)
    settings = Loss(dice_weight=dice_weight)
    found = total(Output(logits[:, 1:, 0, 0], logits), label_map, labels, EVERYWHERE, settings)
    assert found["loss"].dtype == torch.float32
    torch.testing.assert_close(found["loss_map"], map_loss(logits.float(), label_map, EVERYWHERE, settings))
