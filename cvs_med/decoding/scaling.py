"""From values of any range to 8 bits."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cvs_med.types import Array

Values: TypeAlias = npt.NDArray[np.generic]

PERCENTILES = (0.5, 99.5)
"""What becomes black and white where nothing says it: all but a few extreme pixels lie between."""


def to_eight_bits(values: Values, window: tuple[float, float] | None = None) -> Array:
    """Give the picture of values (H, W) or (H, W, 3).

    Args:
        values: whole or real numbers; of real ones, what is no finite number becomes black.
        window: centre and width of the values that are shown. Without it, 8-bit values stay as they are, and others
            are stretched between two percentiles of this one image.
    """
    if window is None and values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    numbers = values.astype(np.float64)
    if window is None:
        return stretch(numbers, *_ends(numbers))
    centre, width = window
    return stretch(numbers, centre - width / 2, centre + width / 2)


def stretch(numbers: npt.NDArray[np.float64], low: float, high: float) -> Array:
    """Show `low` and below as 0, `high` and above as 255; an image of one value as 0. `high` may be the lower one."""
    if low == high:
        return np.zeros(numbers.shape, dtype=np.uint8)
    with np.errstate(all="ignore"):  # Infinite values are clipped or become black.
        shares = np.clip((numbers - low) / (high - low), 0, 1)
    return np.rint(np.nan_to_num(shares) * 255).astype(np.uint8)


def _ends(numbers: npt.NDArray[np.float64]) -> tuple[float, float]:
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return 0.0, 0.0
    low, high = np.percentile(finite, PERCENTILES)
    return (float(low), float(high)) if low < high else (float(finite.min()), float(finite.max()))
