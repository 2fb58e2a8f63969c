import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, gaussian_filter, label

from cvs_med.errors import StatisticsError
from cvs_med.statistics.centrelines import centreline_dice
from cvs_med.statistics.metrics import dice


def _blobs(seed: int) -> np.ndarray:
    """Draw a mask of smooth regions."""
    return gaussian_filter(np.random.default_rng(seed).normal(size=(40, 50)), 2) > 0.1


def _line(row: int, width: int = 1, columns: slice = slice(5, 45)) -> np.ndarray:
    mask = np.zeros((40, 50), dtype=bool)
    mask[row : row + width, columns] = True
    return mask


@given(st.integers(0, 10_000))
def test_a_mask_follows_itself(seed: int) -> None:
    mask = _blobs(seed)
    assert centreline_dice(mask, mask) == 1


@given(st.integers(0, 5_000), st.integers(5_001, 10_000))
def test_masks_can_be_exchanged(first: int, second: int) -> None:
    there, back = centreline_dice(_blobs(first), _blobs(second)), centreline_dice(_blobs(second), _blobs(first))
    assert there == pytest.approx(back)
    assert there is not None
    assert 0 <= there <= 1


@pytest.mark.parametrize("covered", [10, 20, 39])
def test_on_lines_of_one_pixel_it_is_dice(covered: int) -> None:
    part = _line(20, columns=slice(5, 5 + covered))
    assert centreline_dice(part, _line(20)) == pytest.approx(dice(part, _line(20)))


def test_a_vessel_drawn_too_wide_costs_nothing_and_half_a_vessel_costs_half_its_length() -> None:
    thin, wide = _line(20), binary_dilation(_line(20), iterations=2)
    assert centreline_dice(wide, thin) == 1
    assert dice(wide, thin) < 0.4
    half = _line(20, columns=slice(5, 25))
    assert centreline_dice(half, thin) == pytest.approx(2 * 0.5 / 1.5)


def test_thin_vessels_count_by_length_not_by_area() -> None:
    both = _line(10, width=7) | _line(30)
    without_thin = _line(10, width=7)
    assert dice(without_thin, both) > 0.9
    found = centreline_dice(without_thin, both)
    # The centreline of the wide one is a little shorter than 40, that of the thin one is 40.
    assert found == pytest.approx(2 * 0.46 / 1.46, abs=0.02)


def test_a_shifted_line_shares_nothing() -> None:
    assert centreline_dice(_line(20), _line(22)) == 0


def test_only_what_lies_inside_counts() -> None:
    inside = np.zeros((40, 50), dtype=np.uint8)
    inside[:25] = 255
    assert centreline_dice(_line(20) | _line(30), _line(20), inside) == 1
    assert centreline_dice(_line(20) | _line(30), _line(20)) == pytest.approx(2 / 3)
    assert centreline_dice(_line(30), _line(35), inside) is None


def test_empty_masks() -> None:
    empty = np.zeros((40, 50), dtype=bool)
    assert centreline_dice(empty, empty) is None
    assert centreline_dice(_line(20), empty) == 0
    assert centreline_dice(empty, _line(20)) == 0


@given(st.integers(0, 10_000))
def test_every_region_has_a_centreline(seed: int) -> None:
    # What the measure rests on: no region, however small, vanishes when it is thinned.
    regions, count = label(_blobs(seed), structure=np.ones((3, 3)))
    for number in range(1, count + 1):
        assert centreline_dice(regions == number, regions == number) == 1


def test_other_shapes_are_refused() -> None:
    with pytest.raises(StatisticsError, match=r"shapes \(4, 4\), \(4, 5\)"):
        centreline_dice(np.zeros((4, 4)), np.zeros((4, 5)))
    with pytest.raises(StatisticsError, match=r"expected masks \(H, W\)"):
        centreline_dice(np.zeros((4, 4, 3)), np.zeros((4, 4, 3)))
