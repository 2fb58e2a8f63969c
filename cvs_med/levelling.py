"""A photograph's brightness without uneven light, on a square finer than the network's: what fine vessels show on.

The green channel has the most contrast of vessels and of small dark spots. Its lighting and its contrast are made even
within the field of view, so that a dark line is as dark in one photograph as in another.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

from cvs_med.images import Mask
from cvs_med.types import Array

_LIGHT: Final = 0.015
"""Standard deviation, as a share of the side, of what is even lighting and is taken off."""

_CONTRAST: Final = 0.036
"""Standard deviation, as a share of the side, over which the contrast is made even."""

_STEP: Final = 1 / 24
"""Brightness, in local standard deviations, of one step of the 8 bits that are kept."""

_MIDDLE: Final = 128
"""What of the 8 bits stands for the local mean."""

Plane = npt.NDArray[np.float32]


def level(fine: Array, seen: Mask) -> Plane:
    """Make lighting and contrast even within the field of view.

    Args:
        fine: (F, F, 3), the photograph as a square; F is a multiple of S.
        seen: (S, S), true where the patient is seen, of the same square.

    Returns:
        (F, F), brightness in local standard deviations.
    """
    light = fine[..., 1].astype(np.float32)
    size, side = len(seen), len(light)
    coarse = _resized(light, size)
    middle = _smoothed(coarse, seen, _LIGHT * size)
    light -= _resized(middle, side)
    squares = _resized(np.square(light), size)
    spread = np.sqrt(np.maximum(_smoothed(squares, seen, _CONTRAST * size), 1))
    light /= _resized(spread, side)
    return light


def kept(brightness: Plane, seen: Mask) -> Array:
    """Keep a levelled brightness (F, F) in 8 bits, folded: (k * k, S, S), zero outside the field of view (S, S)."""
    bits = np.clip(np.rint(brightness / _STEP + _MIDDLE), 0, 255).astype(np.uint8)
    found: Array = fold(bits, len(bits) // len(seen)) * seen
    return found


def fold(plane: Array, times: int) -> Array:
    """Put each block of k x k pixels of (F, F) into one pixel of k * k channels, (k * k, S, S): `pixel_unshuffle`."""
    size = len(plane) // times
    blocks = plane.reshape(size, times, size, times).transpose(1, 3, 0, 2)
    return np.ascontiguousarray(blocks.reshape(times * times, size, size))


def _smoothed(plane: Plane, seen: Mask, deviation: float) -> Plane:
    """Smooth what is seen without what lies beyond."""
    weight = gaussian_filter(seen.astype(np.float32), deviation)
    smoothed: Plane = gaussian_filter(plane * seen, deviation) / np.maximum(weight, 0.01)
    return smoothed


def _resized(plane: Plane, side: int) -> Plane:
    """Resize a square: by area when shrinking, bilinear when enlarging."""
    method = Image.Resampling.BOX if side < len(plane) else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(plane).resize((side, side), method))
