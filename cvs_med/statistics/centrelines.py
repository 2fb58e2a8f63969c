"""Do two masks of vessels follow the same lines?"""

from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.morphology import skeletonize

from cvs_med.statistics.checks import require


def centreline_dice(
    predicted: npt.NDArray[Any], gold: npt.NDArray[Any], inside: npt.NDArray[Any] | None = None
) -> float | None:
    """Compute the centreline Dice (clDice) of two binary masks.

    It is the harmonic mean of two shares: of the predicted centreline inside the reference mask, and of the reference
    centreline inside the predicted mask. A thin vessel counts as much as a thick one of the same length, and a vessel
    that is drawn too wide costs nothing.

    Args:
        predicted: (H, W), non-zero is foreground.
        gold: (H, W), non-zero is foreground.
        inside: (H, W), the pixels that count (such as the field of view); all of them if None. Both masks are cut to
            it before their centrelines are drawn.

    Returns:
        A share; 0 where one mask is empty, None where both are.

    Raises:
        StatisticsError: shapes differ, or are not (H, W).

    Source: S. Shit et al., clDice, a novel topology-preserving loss function for tubular structure segmentation,
    CVPR 2021, 16560-16569; centrelines: T. Y. Zhang, C. Y. Suen, Communications of the ACM 27 (1984) 236-239.
    """
    region = np.ones(gold.shape, dtype=bool) if inside is None else inside != 0
    same = predicted.shape == gold.shape == region.shape and gold.ndim == 2
    require(same, "masks (H, W) of one shape", f"shapes {predicted.shape}, {gold.shape}, {region.shape}")
    first, second = (predicted != 0) & region, (gold != 0) & region
    if not first.any() and not second.any():
        return None
    precision, sensitivity = _share_inside(first, second), _share_inside(second, first)
    total = precision + sensitivity
    return 2 * precision * sensitivity / total if total else 0.0


def _share_inside(drawn: npt.NDArray[np.bool_], mask: npt.NDArray[np.bool_]) -> float:
    """Give the share of the centreline of one mask that lies inside another; 0 without a centreline."""
    line = skeletonize(drawn)  # type: ignore[no-untyped-call]  # scikit-image ships no types for it
    return float(mask[line].mean()) if line.any() else 0.0
