"""How far apart are the outlines of two regions?

An outline is the pixels of a mask that touch its outside by a side. Distances are searched among outline pixels, by
scipy. They agree with MONAI's, whose functions warn of their own deprecation and leave empty masks undefined.
"""

from math import hypot
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

from cvs_med.statistics.checks import require
from cvs_med.types import Floats


def hausdorff_95(
    predicted: npt.NDArray[Any], gold: npt.NDArray[Any], spacing: tuple[float, float] = (1.0, 1.0)
) -> float | None:
    """Give the distance that 95 % of each outline keep from the other outline; of the two directions, the larger.

    Args:
        predicted: (H, W), non-zero is the region.
        gold: (H, W), non-zero is the region.
        spacing: height and width of a pixel; the distance has its unit.

    Returns:
        0 where the outlines are the same. Where one mask is empty, the length of the image's diagonal: the largest
        distance there is, so that saying nothing does not pay. None where both are empty.

    Raises:
        StatisticsError: shapes differ or are not (H, W), or the spacing is not above 0.

    Source: D. P. Huttenlocher, G. A. Klanderman, W. J. Rucklidge, IEEE Transactions on Pattern Analysis and Machine
    Intelligence 15 (1993) 850-863; empty masks: A. Reinke et al., Understanding metric-related pitfalls in image
    analysis validation, Nature Methods 21 (2024) 182-194.
    """
    first, second = _outlines(predicted, gold, spacing)
    if first.size and second.size:
        return max(float(np.quantile(away, 0.95)) for away in _distances(first, second))
    if first.size or second.size:
        return hypot((gold.shape[0] - 1) * spacing[0], (gold.shape[1] - 1) * spacing[1])
    return None


def normalised_surface_distance(
    predicted: npt.NDArray[Any], gold: npt.NDArray[Any], tolerance: float, spacing: tuple[float, float] = (1.0, 1.0)
) -> float | None:
    """Give the share of both outlines that lies within a tolerance of the other outline.

    Args:
        predicted: (H, W), non-zero is the region.
        gold: (H, W), non-zero is the region.
        tolerance: what counts as close, in the unit of the spacing: as far as two experts' outlines lie apart.
        spacing: height and width of a pixel.

    Returns:
        A share; 0 where one mask is empty, None where both are.

    Raises:
        StatisticsError: shapes differ or are not (H, W), the spacing is not above 0, or the tolerance is negative.

    Source: S. Nikolov et al., Clinically applicable segmentation of head and neck anatomy for radiotherapy, Journal of
    Medical Internet Research 23 (2021) e26151.
    """
    first, second = _outlines(predicted, gold, spacing)
    require(0 <= tolerance < float("inf"), "a tolerance of 0 or more", tolerance)
    if first.size and second.size:
        return float(np.mean(np.concatenate(_distances(first, second)) <= tolerance))
    return 0.0 if first.size or second.size else None


def _outlines(
    predicted: npt.NDArray[Any], gold: npt.NDArray[Any], spacing: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Give the places of the outlines' pixels, (K, 2), in the unit of the spacing."""
    same = predicted.shape == gold.shape and gold.ndim == 2
    require(same, "masks (H, W) of one shape", f"shapes {predicted.shape} and {gold.shape}")
    require(len(spacing) == 2 and min(spacing) > 0, "a height and a width above 0 as spacing", spacing)
    # Beyond the image is outside: a mask at the margin has its outline there.
    scale = np.array(spacing, dtype=np.float64)
    first, second = (np.argwhere(mask & ~binary_erosion(mask)) * scale for mask in (predicted != 0, gold != 0))
    return first, second


def _distances(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Measure from each pixel of an outline to the nearest one of the other, both ways."""
    there, back = KDTree(second).query(first)[0], KDTree(first).query(second)[0]
    return there, back
