"""The paper's equations, against the paper's own example and against torch's means."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cvs_med.label_maps import QS, Q, class_logits, evidence, label_map, with_signs

every_q = pytest.mark.parametrize("q", QS)


@st.composite
def maps(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Map logits (B, P + 1, H, W) of any size and strength, and the pixels that count: at least one an image."""
    batch, classes, height, width = (draw(st.integers(1, top)) for top in (3, 6, 40, 40))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    strength = draw(st.sampled_from([0.0, 0.1, 1.0, 10.0]))
    logits = strength * torch.randn(batch, classes + 1, height, width, generator=generator)
    inside = (torch.rand(batch, height, width, generator=generator) < draw(st.floats(0, 1))).float()
    inside[:, height // 2, width // 2] = 1
    return logits, inside


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(0, 2**32))
def test_foreground_of_digit_c_is_c_plus_one_and_background_is_zero(digits: list[int], seed: int) -> None:
    mask = torch.rand(len(digits), 8, 8, generator=torch.Generator().manual_seed(seed)) < 0.4
    labelled = label_map(mask, torch.tensor(digits))
    for digit, plane, foreground in zip(digits, labelled, mask, strict=True):
        assert (plane[foreground] == digit + 1).all()
        assert (plane[~foreground] == 0).all()


@pytest.mark.parametrize("mask", [torch.tensor([[[0, 255]]], dtype=torch.uint8), torch.tensor([[[0.0, 0.2]]])])
def test_whatever_is_not_zero_is_foreground(mask: Tensor) -> None:
    labelled = label_map(mask, torch.tensor([2]))
    assert labelled.tolist() == [[[0, 3]]]
    assert labelled.dtype == torch.int64


@every_q
@given(drawn=maps())
def test_evidence_adds_up_to_the_score(q: Q, drawn: tuple[Tensor, Tensor]) -> None:
    logits, inside = drawn
    for counted in (None, inside):
        summed = evidence(logits, q, counted).double().sum(dim=(2, 3))
        expected = summed.clamp_min(1e-12).log() if q == "probability" else summed
        torch.testing.assert_close(class_logits(logits, q, counted).double(), expected, atol=1e-5, rtol=1e-5)


@given(maps())
def test_mean_is_the_mean_of_the_class_maps(drawn: tuple[Tensor, Tensor]) -> None:
    logits, inside = drawn
    torch.testing.assert_close(class_logits(logits, "mean"), logits[:, 1:].mean(dim=(2, 3)), atol=1e-5, rtol=1e-5)
    for image, seen, found in zip(logits, inside.bool(), class_logits(logits, "mean", inside), strict=True):
        torch.testing.assert_close(found, image[1:, seen].mean(dim=1), atol=1e-5, rtol=1e-5)


@given(maps())
def test_probability_is_the_logarithm_of_the_mean_probability(drawn: tuple[Tensor, Tensor]) -> None:
    logits, inside = drawn
    pixels = logits.double().softmax(dim=1)[:, 1:]
    for image, seen, found in zip(pixels, inside.bool(), class_logits(logits, "probability", inside), strict=True):
        expected = image[:, seen].mean(dim=1).clamp_min(1e-12).log()
        torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-4)


@every_q
@given(drawn=maps())
def test_pixels_outside_have_no_share(q: Q, drawn: tuple[Tensor, Tensor]) -> None:
    logits, inside = drawn
    shares = evidence(logits, q, inside)
    assert (shares * (1 - inside)[:, None] == 0).all()


@pytest.mark.parametrize("q", ["mean", "probability"])
@given(drawn=maps(), seed=st.integers(0, 2**32))
def test_pixels_outside_change_nothing(q: Q, drawn: tuple[Tensor, Tensor], seed: int) -> None:
    logits, inside = drawn
    noise = 5 * torch.randn(logits.shape, generator=torch.Generator().manual_seed(seed))
    other = torch.where(inside[:, None] > 0, logits, noise)
    torch.testing.assert_close(class_logits(other, q, inside), class_logits(logits, q, inside))


@every_q
@given(drawn=maps())
def test_counting_every_pixel_is_the_same_as_naming_none(q: Q, drawn: tuple[Tensor, Tensor]) -> None:
    logits, inside = drawn
    torch.testing.assert_close(class_logits(logits, q, torch.ones_like(inside)), class_logits(logits, q))


@pytest.mark.parametrize("q", ["mean", "foreground"])
@given(values=st.lists(st.floats(-20, 20), min_size=2, max_size=6), drawn=maps())
def test_constant_maps_give_their_constant(q: Q, values: list[float], drawn: tuple[Tensor, Tensor]) -> None:
    inside = drawn[1]
    constant = torch.tensor(values)[None, :, None, None].expand(len(inside), -1, *inside.shape[1:])
    expected = torch.tensor(values)[1:].expand(len(inside), -1)
    torch.testing.assert_close(class_logits(constant, q, inside), expected, atol=1e-4, rtol=1e-4)


def test_foreground_q_gives_half_of_its_weight_to_the_foreground_and_half_to_all_pixels() -> None:
    logits = torch.zeros(1, 3, 64, 64)
    logits[:, 0] = 30  # Background, and sure of it: 15/16 of the image says class 1.
    logits[:, 2] = 4
    logits[:, :, :16, :16] = torch.tensor([-30.0, 3.0, -2.0])[None, :, None, None]
    expected = [3 * (0.5 + 0.5 / 16), -2 * (0.5 + 0.5 / 16) + 4 * 0.5 * 15 / 16]
    assert class_logits(logits, "foreground")[0].tolist() == pytest.approx(expected, abs=1e-4)


@given(maps())
def test_without_any_foreground_the_foreground_q_is_the_mean(drawn: tuple[Tensor, Tensor]) -> None:
    logits, inside = drawn
    logits[:, 0] = 200
    torch.testing.assert_close(
        class_logits(logits, "foreground", inside), class_logits(logits, "mean", inside), atol=1e-4, rtol=1e-4
    )


@every_q
def test_an_image_without_any_foreground_still_has_a_score(q: Q) -> None:
    logits = torch.full((1, 4, 8, 8), -50.0)
    logits[:, 0] = 50
    assert class_logits(logits, q).isfinite().all()


@every_q
def test_the_score_can_be_learnt_from(q: Q) -> None:
    logits = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(0)).requires_grad_()
    class_logits(logits, q).logsumexp(dim=1).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[:, 1:].abs().sum() > 0


@every_q
def test_half_precision_maps_are_added_up_in_32_bits(q: Q) -> None:
    logits = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)).bfloat16()
    assert evidence(logits, q).dtype == torch.float32
    torch.testing.assert_close(class_logits(logits, q), class_logits(logits.float(), q))


@pytest.mark.parametrize("q", ["mean", "foreground"])
@given(drawn=maps(), strength=st.floats(0, 20), seed=st.integers(0, 2**32))
def test_a_map_with_signs_tells_the_class_that_both_come_to(
    q: Q, drawn: tuple[Tensor, Tensor], strength: float, seed: int
) -> None:
    logits, inside = drawn
    of_signs = strength * torch.randn(logits[:, 1:, 0, 0].shape, generator=torch.Generator().manual_seed(seed)).double()
    told = with_signs(logits.double().softmax(dim=1), of_signs)
    expected = class_logits(logits, q, inside).double() + of_signs
    found = evidence(told.log(), q, inside, told).sum(dim=(2, 3)).double()
    torch.testing.assert_close(found.softmax(dim=1), expected.softmax(dim=1), atol=1e-4, rtol=0)


@given(maps())
def test_signs_change_no_foreground_and_without_any_nothing(drawn: tuple[Tensor, Tensor]) -> None:
    before = drawn[0].softmax(dim=1)
    scores = before.new_zeros(before.shape[0], before.shape[1] - 1)
    torch.testing.assert_close(with_signs(before, scores), before)
    scores[:, 0] = 200
    after = with_signs(before, scores)
    torch.testing.assert_close(after.sum(dim=1), torch.ones_like(after[:, 0]))
    assert (after[:, 0] == before[:, 0]).all()
    # A class that had nothing at all in 32 bits stays without.
    some = before[:, 1] > 1e-20
    torch.testing.assert_close(after[:, 1][some], 1 - before[:, 0][some], atol=1e-5, rtol=1e-4)
