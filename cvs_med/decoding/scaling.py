"""From values of any range to 8 bits."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cvs_med.types import Array

Values: TypeAlias = npt.NDArray[np.generic]

_ROWS = 256
"""Rows that are scaled at once."""

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
    low, high = _ends(values) if window is None else (window[0] - window[1] / 2, window[0] + window[1] / 2)
    return stretch(values, low, high)


def stretch(values: Values, low: float, high: float) -> Array:
    """Show `low` and below as 0, `high` and above as 255; an image of one value as 0. `high` may be the lower one."""
    if low == high:
        return np.zeros(values.shape, dtype=np.uint8)
    shown = np.empty(values.shape, dtype=np.uint8)
    # A few rows at a time: as 64-bit floats a whole 16-bit photograph would need twenty times its size.
    for start in range(0, len(values), _ROWS):
        rows = slice(start, start + _ROWS)
        with np.errstate(all="ignore"):  # Infinite values are clipped or become black.
            shares = np.clip((values[rows].astype(np.float64) - low) / (high - low), 0, 1)
        shown[rows] = np.rint(np.nan_to_num(shares) * 255)
    return shown


def _ends(values: Values) -> tuple[float, float]:
    finite = values[np.isfinite(values)] if np.issubdtype(values.dtype, np.inexact) else values
    if not finite.size:
        return 0.0, 0.0
    low, high = np.percentile(finite.astype(_counted(finite), copy=False), PERCENTILES)
    return (float(low), float(high)) if low < high else (float(finite.min()), float(finite.max()))


def _counted(values: Values) -> np.dtype[np.generic]:
    """Give a type that holds the difference of any two values, as small as can be; numpy interpolates between them."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "i" and size < 8:
        return np.dtype(f"i{2 * size}")
    return values.dtype if kind == "u" or (kind == "f" and size in (4, 8)) else np.dtype(np.float64)
