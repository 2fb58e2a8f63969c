"""Spots as evidence: each once, the strongest outside of the widened foreground, in any order; their shares add up."""

import pytest
import torch
from torch import Tensor

from cvs_med.networks.spots import SpotEvidence, free, strongest

SIDE = 128
COUNT = 10
"""How many spots count."""


def planes(count: int = 2, side: int = SIDE) -> tuple[Tensor, Tensor, Tensor]:
    """Draw spots, a foreground of vertical lines, and a field of view that leaves the upper rows out."""
    generator = torch.Generator().manual_seed(0)
    spots = torch.rand(count, 1, side, side, generator=generator)
    foreground = torch.zeros(count, side, side)
    foreground[:, :, ::16] = 0.9
    inside = torch.ones(count, side, side)
    inside[:, :10] = 0
    return spots, foreground, inside


def cases(spots: Tensor, foreground: Tensor, inside: Tensor) -> list[list[Tensor]]:
    return [[plane[number : number + 1] for plane in (spots, foreground, inside)] for number in range(len(spots))]


def calibrated(*drawn: Tensor, classes: int = 2) -> SpotEvidence:
    part = SpotEvidence(classes)
    part.calibrate(cases(*drawn))
    return part


def dots(*places: tuple[int, int, float]) -> Tensor:
    spots = torch.zeros(2, 1, SIDE, SIDE)
    for row, column, value in places:
        spots[:, :, row, column] = value
    return spots


def test_the_weighted_mean_is_that_of_the_strongest() -> None:
    spots, foreground, inside = planes()
    nothing, everywhere = torch.zeros_like(foreground), torch.ones_like(inside)
    found = free(spots, nothing, everywhere)
    expected = found.flatten(1).sort(dim=1, descending=True).values[:, :COUNT].mean(dim=1)
    weights = strongest(found, everywhere)
    torch.testing.assert_close((found * weights).sum(dim=(1, 2, 3)), expected)
    torch.testing.assert_close(weights.sum(dim=(1, 2, 3)), torch.ones(2))


def test_a_spot_counts_once_however_large_it_is() -> None:
    spots = dots((50, 40, 0.5), (80, 70, 0.9))
    spots[:, :, 79:82, 69:72] += 0.05
    found = free(spots, torch.zeros(2, SIDE, SIDE), torch.ones(2, SIDE, SIDE))
    assert found[0, 0].nonzero().tolist() == [[50, 40], [80, 70]]
    assert found[0, 0, 80, 70].item() == pytest.approx(0.95)


def test_nothing_counts_on_the_foreground_beside_it_or_outside() -> None:
    spots, foreground, inside = planes()
    spots[:, :, :, 16], spots[:, :, :, 17], spots[:, :, 3], spots[:, :, 40, 40] = 9, 8, 7, 5
    weights = strongest(free(spots, foreground, inside), inside)
    assert (weights[:, 0, 40, 40] == 1 / COUNT).all()
    assert (weights[:, 0, :, 16] == 0).all()
    assert (weights[:, 0, :, 17] == 0).all()
    assert (weights[:, 0, :10] == 0).all()


def test_spots_of_the_same_strength_share_the_weight() -> None:
    _, foreground, inside = planes()
    places = [(20 + 8 * number, 40 + 16 * (number % 5), 1.0) for number in range(2 * COUNT // 2 + 2)]
    spots = dots(*places)
    weights = strongest(free(spots, foreground, inside), inside)
    shared = torch.stack([weights[:, 0, row, column] for row, column, _ in places])
    torch.testing.assert_close(shared, torch.full_like(shared, 1 / len(places)))
    mirrored = strongest(free(spots.flip(-1), foreground.flip(-1), inside.flip(-1)), inside.flip(-1))
    torch.testing.assert_close(mirrored.flip(-1), weights)


def strength(part: SpotEvidence, *drawn: Tensor) -> Tensor:
    """Give what the shares of the first class come to, taken back from its standard: (B,)."""
    torch.nn.init.ones_(part.weight)
    with torch.no_grad():
        return part(*drawn)[:, 0].sum(dim=(1, 2)) / part.scale + part.mean


@pytest.mark.parametrize("covered", [False, True])
def test_without_any_free_spot_the_weights_add_up_inside_and_the_strength_is_zero(covered: bool) -> None:
    spots, foreground, inside = planes()
    spots, foreground = (spots, torch.ones_like(foreground)) if covered else (torch.zeros_like(spots), foreground)
    weights = strongest(free(spots, foreground, inside), inside)
    assert (weights * inside[:, None]).sum().item() == pytest.approx(2, abs=1e-3)
    assert weights[:, :, :10].sum() == 0
    assert strength(SpotEvidence(2), spots, foreground, inside).tolist() == [0, 0]


def test_shares_add_up_to_a_linear_function_of_the_strength() -> None:
    several, *others = planes(6)
    part = calibrated(several * torch.linspace(0.5, 1, 6)[:, None, None, None], *others, classes=3)
    with torch.no_grad():
        part.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        shares = part(*planes())
        found = free(*planes()).flatten(1).topk(COUNT, dim=1).values.minimum(part.limit).mean(dim=1)
    assert shares.shape == (2, 3, SIDE, SIDE)
    expected = ((found - part.mean) * part.scale)[:, None] * part.weight
    torch.testing.assert_close(shares.sum(dim=(2, 3)), expected, atol=1e-4, rtol=1e-4)


def test_the_strengths_of_training_photographs_are_standardised() -> None:
    spots, foreground, inside = planes(8)
    spots *= torch.linspace(0.2, 1, 8)[:, None, None, None]
    part = calibrated(spots, foreground, inside)
    standardised = (strength(part, spots, foreground, inside) - part.mean) * part.scale
    assert standardised.mean().item() == pytest.approx(0, abs=1e-3)
    assert standardised.std(unbiased=False).item() == pytest.approx(2, rel=1e-3)


def test_a_speck_stronger_than_all_of_training_is_one_spot_of_ten() -> None:
    spots, foreground, inside = planes(4)
    part = calibrated(0.5 * spots, foreground, inside)
    before = strength(part, 0.4 * spots, foreground, inside)
    speck = 0.4 * spots
    speck[:, :, 40, 40] = 1.0
    after = strength(part, speck, foreground, inside)
    assert (after - before <= part.limit / COUNT + 1e-6).all()
    assert (after > before).all()


def test_photographs_alike_are_not_blown_up() -> None:
    spots, foreground, inside = (plane[:1].expand(5, *plane.shape[1:]) for plane in planes())
    part = calibrated(spots, foreground, inside)
    assert part.scale <= 2 / (0.1 / 255) + 1


def test_only_the_weights_are_learnt_not_where_to_look() -> None:
    part, (spots, foreground, inside) = SpotEvidence(2), planes()
    foreground.requires_grad_()
    part(spots, foreground, inside)[:, 0].sum().backward()
    assert part.weight.grad is not None
    assert part.weight.grad[0] != 0
    assert foreground.grad is None
