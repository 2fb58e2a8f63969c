import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_dice import compute_surface_dice
from scipy.ndimage import binary_erosion, distance_transform_edt, gaussian_filter
from scipy.spatial.distance import directed_hausdorff

from cvs_med.errors import StatisticsError
from cvs_med.statistics.surfaces import hausdorff_95, normalised_surface_distance

SPACINGS = st.tuples(st.floats(0.2, 3), st.floats(0.2, 3))


def _disc(row: float, column: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:48, :64]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def _region(seed: int) -> np.ndarray:
    return gaussian_filter(np.random.default_rng(seed).normal(size=(48, 64)), 4) > 0.05


def _distances(first: np.ndarray, second: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Measure from every pixel of one outline to the nearest of the other, by scipy's distance transform."""
    outlines = [np.pad(mask, 1) & ~binary_erosion(np.pad(mask, 1)) for mask in (first, second)]
    return distance_transform_edt(~outlines[1], sampling=spacing)[outlines[0]]


@given(st.integers(0, 5_000), st.integers(5_001, 10_000), SPACINGS)
def test_distances_agree_with_scipys_distance_transform(first: int, second: int, spacing: tuple[float, float]) -> None:
    one, other = _region(first), _region(second)
    there, back = _distances(one, other, spacing), _distances(other, one, spacing)
    expected = max(np.percentile(there, 95), np.percentile(back, 95))
    assert hausdorff_95(one, other, spacing) == pytest.approx(expected)
    # A tolerance that no distance hits, or rounding could move one across it.
    tolerance = float(np.median(there)) + 1e-3
    share = np.mean(np.concatenate([there, back]) <= tolerance)
    assert normalised_surface_distance(one, other, tolerance, spacing) == pytest.approx(share)


# MONAI 1.6 calls its own deprecated function; the warning is not ours.
@pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges:FutureWarning")
@budget(max_examples=20)
@given(st.integers(0, 5_000), st.integers(5_001, 10_000), SPACINGS)
def test_distances_agree_with_monai(first: int, second: int, spacing: tuple[float, float]) -> None:
    one, other = _region(first), _region(second)
    batch = [torch.from_numpy(mask)[None, None].float() for mask in (one, other)]
    distance = compute_hausdorff_distance(*batch, include_background=True, percentile=95, spacing=list(spacing))
    assert hausdorff_95(one, other, spacing) == pytest.approx(float(distance), rel=1e-5)
    tolerance = float(np.median(_distances(one, other, spacing))) + 1e-3
    share = compute_surface_dice(*batch, [tolerance], include_background=True, spacing=list(spacing))
    assert normalised_surface_distance(one, other, tolerance, spacing) == pytest.approx(float(share), abs=1e-6)


def test_discs_of_one_centre_are_as_far_apart_as_their_radii() -> None:
    assert hausdorff_95(_disc(24, 32, 20), _disc(24, 32, 15)) == pytest.approx(5, abs=0.5)
    assert hausdorff_95(_disc(24, 32, 20), _disc(24, 32, 15), (0.1, 0.1)) == pytest.approx(0.5, abs=0.05)


def test_five_percent_of_an_outline_may_stray() -> None:
    clean = _disc(24, 24, 20)
    stray = clean.copy()
    stray[24, 60] = True
    outlines = [np.argwhere(mask & ~binary_erosion(mask)) for mask in (stray, clean)]
    assert directed_hausdorff(*outlines)[0] == 16
    assert hausdorff_95(stray, clean) == 0


@given(st.integers(0, 10_000))
def test_the_same_region_is_no_distance_away(seed: int) -> None:
    region = _region(seed)
    assert hausdorff_95(region, region) == 0
    assert normalised_surface_distance(region, region, 0) == 1


@given(st.integers(0, 5_000), st.integers(5_001, 10_000))
def test_a_larger_tolerance_is_never_worse_and_masks_can_be_exchanged(first: int, second: int) -> None:
    one, other = _region(first), _region(second)
    shares = [normalised_surface_distance(one, other, tolerance) for tolerance in (0, 1, 2, 5, 80)]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert shares == [normalised_surface_distance(other, one, tolerance) for tolerance in (0, 1, 2, 5, 80)]


def test_one_empty_mask_is_as_far_as_can_be() -> None:
    empty, disc = np.zeros((48, 64), dtype=bool), _disc(24, 32, 9)
    for masks in ((empty, disc), (disc, empty)):
        assert hausdorff_95(*masks) == pytest.approx(np.hypot(47, 63))
        assert hausdorff_95(*masks, (2.0, 0.5)) == pytest.approx(np.hypot(94, 31.5))
        assert normalised_surface_distance(*masks, 3) == 0


def test_two_empty_masks_have_no_outline() -> None:
    empty = np.zeros((48, 64), dtype=bool)
    assert hausdorff_95(empty, empty) is None
    assert normalised_surface_distance(empty, empty, 3) is None


@pytest.mark.parametrize(
    ("predicted", "spacing", "found"),
    [
        (np.ones((4, 5)), (1.0, 1.0), r"shapes \(4, 5\) and \(4, 4\)"),
        (np.ones((4, 4)), (1.0, 0.0), r"\(1.0, 0.0\)"),
        (np.ones((4, 4)), (1.0,), r"\(1.0,\)"),
    ],
)
def test_what_has_no_distance_is_refused(predicted: np.ndarray, spacing: tuple[float, float], found: str) -> None:
    with pytest.raises(StatisticsError, match=f"expected .* found {found}"):
        hausdorff_95(predicted, np.ones((4, 4)), spacing)


def test_a_negative_tolerance_is_refused() -> None:
    with pytest.raises(StatisticsError, match="a tolerance of 0 or more, found -1"):
        normalised_surface_distance(np.ones((4, 4)), np.ones((4, 4)), -1)
