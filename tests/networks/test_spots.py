"""Spots as evidence: the strongest outside of the widened foreground, in any order, and their shares add up."""

import pytest
import torch
from torch import Tensor

from cvs_med.networks.spots import SpotEvidence, free, strength, strongest

SIDE = 128
COUNT = 1
"""How many of 128 x 128 pixels count: round(8e-5 * 128 * 128)."""


def planes(count: int = 2, side: int = SIDE) -> tuple[Tensor, Tensor, Tensor]:
    """Draw spots, a foreground of vertical lines, and a field of view that leaves the upper rows out."""
    generator = torch.Generator().manual_seed(0)
    spots = torch.rand(count, 1, side, side, generator=generator)
    foreground = torch.zeros(count, side, side)
    foreground[:, :, ::16] = 0.9
    inside = torch.ones(count, side, side)
    inside[:, :10] = 0
    return spots, foreground, inside


@pytest.mark.parametrize(("side", "count"), [(64, 1), (128, 1), (512, 21)])
def test_the_weighted_mean_is_that_of_the_strongest(side: int, count: int) -> None:
    spots, foreground, inside = planes(side=side)
    nothing, everywhere = torch.zeros_like(foreground), torch.ones_like(inside)
    expected = spots.flatten(1).sort(dim=1, descending=True).values[:, :count].mean(dim=1)
    torch.testing.assert_close(strength(spots, nothing, everywhere), expected)
    torch.testing.assert_close(strongest(spots, everywhere).sum(dim=(1, 2, 3)), torch.ones(2))


def test_nothing_counts_on_the_foreground_beside_it_or_outside() -> None:
    spots, foreground, inside = planes()
    spots[:, :, :, 16], spots[:, :, :, 17], spots[:, :, 3], spots[:, :, 40, 40] = 9, 8, 7, 5
    weights = strongest(free(spots, foreground, inside), inside)
    assert (weights[:, 0, 40, 40] == 1 / COUNT).all()
    assert weights.sum() == 2


def test_spots_of_the_same_strength_share_the_weight() -> None:
    spots, foreground, inside = planes()
    spots = torch.zeros_like(spots)
    spots[:, :, 50, 40], spots[:, :, 60, 72] = 1, 1
    weights = strongest(free(spots, foreground, inside), inside)
    torch.testing.assert_close(weights[:, 0, [50, 60], [40, 72]], torch.full((2, 2), 0.5))
    mirrored = strongest(free(spots.flip(-1), foreground.flip(-1), inside.flip(-1)), inside.flip(-1))
    torch.testing.assert_close(mirrored.flip(-1), weights)


@pytest.mark.parametrize("covered", [False, True])
def test_without_any_free_spot_the_weights_add_up_inside_and_the_strength_is_zero(covered: bool) -> None:
    spots, foreground, inside = planes()
    spots, foreground = (spots, torch.ones_like(foreground)) if covered else (torch.zeros_like(spots), foreground)
    weights = strongest(free(spots, foreground, inside), inside)
    assert (weights * inside[:, None]).sum().item() == pytest.approx(2, abs=1e-3)
    assert weights[:, :, :10].sum() == 0
    assert strength(spots, foreground, inside).tolist() == [0, 0]


def test_shares_add_up_to_a_linear_function_of_the_strength() -> None:
    part = SpotEvidence(3)
    part.calibrate(*planes(6))
    with torch.no_grad():
        part.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        shares = part(*planes())
        spots, foreground, inside = planes()
        found = strength(spots, foreground, inside)
    assert shares.shape == (2, 3, SIDE, SIDE)
    expected = ((found - part.mean) * part.scale)[:, None] * part.weight
    torch.testing.assert_close(shares.sum(dim=(2, 3)), expected, atol=1e-4, rtol=1e-4)


def test_the_strengths_of_training_photographs_are_standardised() -> None:
    part, (spots, foreground, inside) = SpotEvidence(2), planes(8)
    spots *= torch.linspace(0.2, 1, 8)[:, None, None, None]
    part.calibrate(spots, foreground, inside)
    standardised = (strength(spots, foreground, inside) - part.mean) * part.scale
    assert standardised.mean().item() == pytest.approx(0, abs=1e-4)
    assert standardised.std().item() == pytest.approx(2, rel=1e-3)


def test_only_the_weights_are_learnt_not_where_to_look() -> None:
    part, (spots, foreground, inside) = SpotEvidence(2), planes()
    foreground.requires_grad_()
    part(spots, foreground, inside)[:, 0].sum().backward()
    assert part.weight.grad is not None
    assert part.weight.grad[0] != 0
    assert foreground.grad is None
