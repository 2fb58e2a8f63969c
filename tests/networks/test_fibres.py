"""Nerve fibres as evidence: sectors weighed alike, vessels left out, exact shares that add up."""

import pytest
import torch
from torch import Tensor

from cvs_med.fibres import STEPS, UNIT
from cvs_med.networks.fibres import FibreEvidence

SIDE = 64
QUARTER = SIDE // 2
SECTORS = ((0, 0), (0, QUARTER), (QUARTER, 0), (QUARTER, QUARTER))
"""First row and column of above, below, left and right: here the four quarters of the plane."""


def planes(count: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Draw steps in four sectors, a foreground of vertical lines, and a field of view that leaves columns out."""
    generator = torch.Generator().manual_seed(seed)
    kept = torch.zeros(count, 1, SIDE, SIDE)
    for number, (row, column) in enumerate(SECTORS):
        steps = torch.randint(1, 20 + 10 * number, (count, 1, QUARTER, QUARTER), generator=generator)
        kept[:, :, row : row + QUARTER, column : column + QUARTER] = STEPS * number + steps
    foreground, inside = torch.zeros(count, SIDE, SIDE), torch.ones(count, SIDE, SIDE)
    foreground[:, :, 5::16] = 0.9
    inside[:, :, -3:] = 0
    return kept / 255, foreground, inside


def cases(*drawn: Tensor) -> list[list[Tensor]]:
    return [[plane[number : number + 1] for plane in drawn] for number in range(len(drawn[0]))]


def calibrated(*drawn: Tensor) -> FibreEvidence:
    part = FibreEvidence(2)
    part.calibrate(cases(*drawn))
    torch.nn.init.ones_(part.weight)
    return part


def by_hand(plane: Tensor, foreground: Tensor, inside: Tensor) -> float:
    """Compare the means of the sectors of one image, in steps."""
    code = (plane[0] * 255).round().long()
    covered = foreground >= 0.5
    near = covered | covered.roll(1, 1) | covered.roll(-1, 1)
    free = ~near & (inside > 0) & (code % STEPS > 0)
    means = [(code % STEPS)[free & (code // STEPS == number)].double().mean() for number in range(4)]
    return float((means[0] + means[1] - means[2] - means[3]) / 2)


def strength(part: FibreEvidence, *drawn: Tensor) -> Tensor:
    """Give what the shares of the first class come to, taken back from its standard: (B,)."""
    torch.nn.init.ones_(part.weight)
    with torch.no_grad():
        return part(*drawn)[:, 0].sum(dim=(1, 2)) / part.scale + part.mean


def test_the_strength_is_the_difference_of_the_sectors_means() -> None:
    drawn = planes()
    strengths = strength(FibreEvidence(2), *drawn)
    expected = [UNIT * by_hand(*(plane[number] for plane in drawn)) for number in range(3)]
    torch.testing.assert_close(strengths, torch.tensor(expected), atol=1e-5, rtol=1e-4)


def test_shares_add_up_to_the_standardised_strength() -> None:
    drawn = planes(6)
    part = calibrated(*drawn)
    shares = part(*drawn)
    found = torch.tensor([UNIT * by_hand(*(plane[number] for plane in drawn)) for number in range(6)])
    standardised = (found - part.mean) * part.scale
    torch.testing.assert_close(shares.sum(dim=(2, 3)), standardised[:, None].expand(-1, 2), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(standardised.mean(), torch.tensor(0.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(standardised.std(unbiased=False), torch.tensor(2.0), atol=1e-3, rtol=0)


def test_vessels_and_what_is_not_seen_have_no_share() -> None:
    drawn = planes()
    shares = calibrated(*drawn)(*drawn)
    assert not shares[:, :, :, 4:7].any()
    assert not shares[..., -3:].any()


def test_colours_of_a_camera_do_not_count() -> None:
    kept, foreground, inside = planes()
    bluer = kept + 5 / 255
    part = FibreEvidence(2)
    torch.testing.assert_close(
        strength(part, bluer, foreground, inside), strength(part, kept, foreground, inside), atol=1e-5, rtol=1e-4
    )


def test_mirrored_photographs_are_alike() -> None:
    drawn = planes()
    part = FibreEvidence(2)
    for axis in (-1, -2):
        mirrored = (plane.flip(axis) for plane in drawn)
        torch.testing.assert_close(strength(part, *mirrored), strength(part, *drawn), atol=1e-5, rtol=1e-4)


def test_a_stronger_photograph_than_any_of_training_counts_as_the_strongest() -> None:
    drawn = planes()
    part = calibrated(*drawn)
    kept = drawn[0].clone()
    kept[:, :, :QUARTER, :QUARTER] = 63 / 255
    shares = part(kept, *drawn[1:])
    most = (part.most - part.mean) * part.scale
    torch.testing.assert_close(shares.sum(dim=(2, 3)), most.expand(3, 2), atol=1e-4, rtol=1e-4)


def test_beyond_the_limits_no_pixel_changes_its_side() -> None:
    drawn = planes(6)
    part = calibrated(*drawn)
    usual = part(*drawn)
    for limit in (-1.0, 1.0):  # As if all of training were weaker, or stronger, than these.
        part.least.fill_(float(part.mean) + limit)
        part.most.fill_(float(part.mean) + limit)
        found = part(*drawn)
        torch.testing.assert_close(found.sum(dim=(2, 3)), (limit * part.scale).expand(6, 2), atol=1e-3, rtol=1e-4)
        moved = limit * (found - usual)  # All pixels are moved the same way, none is mirrored.
        assert (moved >= 0).all()
        assert torch.equal(moved > 0, usual != 0)


@pytest.mark.parametrize("number", range(4))
def test_with_an_empty_sector_nothing_is_said(number: int) -> None:
    drawn = planes()
    part = calibrated(*drawn)
    kept, (row, column) = drawn[0].clone(), SECTORS[number]
    kept[:, :, row : row + QUARTER, column : column + QUARTER] = 0
    assert not part(kept, *drawn[1:]).any()


def test_photographs_that_cannot_be_compared_do_not_change_the_standard() -> None:
    kept, foreground, inside = planes(4)
    whole = calibrated(kept[:3], foreground[:3], inside[:3])
    kept[3] = 0
    part = calibrated(kept, foreground, inside)
    for name in ("mean", "scale", "least", "most"):
        torch.testing.assert_close(getattr(part, name), getattr(whole, name))


def test_where_none_can_be_compared_all_numbers_stay_finite() -> None:
    kept, foreground, inside = planes()
    part = calibrated(torch.zeros_like(kept), foreground, inside)
    assert all(value.isfinite().all() for value in part.state_dict().values())
    assert not part(kept, foreground, inside).isnan().any()


def test_no_gradient_reaches_the_foreground() -> None:
    kept, foreground, inside = planes()
    foreground.requires_grad_()
    calibrated(kept, foreground.detach(), inside)(kept, foreground, inside)[:, 0].sum().backward()
    assert foreground.grad is None
