"""What signs have in common: the surroundings of a pixel, and how far the foreground covers them."""

import pytest
import torch

from cvs_med.networks.signs import SIGNS, covered, highest
from cvs_med.networks.spots import SpotEvidence


@pytest.mark.parametrize("reach", [1, 4])
def test_the_highest_around_a_pixel_is_what_pooling_gives(reach: int) -> None:
    drawn = torch.rand(2, 1, 50, 60, generator=torch.Generator().manual_seed(0))
    pooled = torch.nn.functional.max_pool2d(drawn, 2 * reach + 1, stride=1, padding=reach)
    assert torch.equal(highest(drawn, reach), pooled)


def test_foreground_covers_its_neighbours_where_it_is_at_least_half() -> None:
    foreground = torch.zeros(1, 40, 40)
    foreground[0, 10, 10], foreground[0, 30, 30] = 0.5, 0.49
    around = range(9, 12)
    assert covered(foreground)[0, 0].nonzero().tolist() == [[row, column] for row in around for column in around]


def test_the_margin_grows_with_the_photograph() -> None:
    foreground = torch.zeros(1, 1000, 1000)
    foreground[0, 500, 500] = 1
    assert covered(foreground).sum() == 9**2


def test_signs_are_no_level_of_an_encoder() -> None:
    assert SIGNS < 0


def test_strengths_have_a_spread_of_two_and_alike_ones_count_for_little() -> None:
    part = SpotEvidence(2)
    strengths = torch.tensor([0.1, 0.4, 0.7])
    part.standardise(strengths, 1e-3)
    torch.testing.assert_close(((strengths - part.mean) * part.scale).std(unbiased=False), torch.tensor(2.0))
    part.standardise(torch.full((3,), 0.4), 1e-3)
    assert part.scale.item() == pytest.approx(2000)
