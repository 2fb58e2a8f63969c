"""Small dark spots in a photograph of the fundus, at a finer scale than the network's square: nothing here was trained.

The first signs of diabetic retinopathy, microaneurysms and dot haemorrhages, are 20 to 100 micrometres wide: a pixel or
two where a field of 45 degrees is 512 pixels wide. A spot that is dark on all sides curves upwards in every direction,
a vessel only across it, so a spot's strength is the smaller eigenvalue of the Hessian (Frangi et al., "Multiscale
vessel enhancement filtering", MICCAI 1998, explain its eigenvalues). Vessels that cross or bend look like spots too:
where the vessels are is for a network's map to say; see `networks.spots`.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import binary_erosion, gaussian_filter
from skimage.feature import hessian_matrix, hessian_matrix_eigvals

from cvs_med.images import Mask
from cvs_med.types import Array

UNIT: Final = 1 / 64
"""Strength, in local standard deviations of the brightness, of one step of the 8 bits that are kept."""

_WIDTH: Final = 0.0015
"""Standard deviation of the smoothing, as a share of the side: about 20 micrometres of a field of 45 degrees."""

_LIGHT: Final = 0.015
"""Standard deviation, as a share of the side, of what is even lighting and is taken off."""

_CONTRAST: Final = 0.036
"""Standard deviation, as a share of the side, over which the contrast is made even."""

_RIM: Final = 0.018
"""Width of the rim of the field of view that is left out, as a share of the side."""

Plane = npt.NDArray[np.float32]


def find(fine: Array, seen: Mask) -> Array:
    """Measure how much every pixel of a square looks like a small dark spot.

    Args:
        fine: (F, F, 3), the photograph as a square; F is a multiple of S.
        seen: (S, S), true where the patient is seen, of the same square.

    Returns:
        (S, S), the strongest spot within each pixel, in steps of `UNIT`; zero on the rim and outside.
    """
    size, side = len(seen), len(fine)
    level = _levelled(fine[..., 1].astype(np.float32), seen)
    # Derivatives of the smoothed brightness, in units of the smoothing, so that the strength knows no pixel.
    deviation = max(1.0, _WIDTH * side)
    hessian = hessian_matrix(level, sigma=deviation, use_gaussian_derivatives=True)  # type: ignore[no-untyped-call] # scikit-image lacks types
    smaller = hessian_matrix_eigvals(hessian)[1] * deviation**2  # type: ignore[no-untyped-call] # see above
    strongest = smaller.reshape(size, side // size, size, side // size).max(axis=(1, 3))
    inner = binary_erosion(seen, iterations=max(1, round(_RIM * size)))
    return np.asarray(np.rint(np.clip(strongest / UNIT, 0, 255)) * inner, dtype=np.uint8)


def _levelled(light: Plane, seen: Mask) -> Plane:
    """Make lighting and contrast of (F, F) even within the field of view: brightness in local standard deviations."""
    size, side = len(seen), len(light)
    coarse = _resized(light, size)
    middle = _smoothed(coarse, seen, _LIGHT * size)
    squares = _resized(np.square(light - _resized(middle, side)), size)
    spread = np.sqrt(np.maximum(_smoothed(squares, seen, _CONTRAST * size), 1))
    return (light - _resized(middle, side)) / _resized(spread, side)


def _smoothed(plane: Plane, seen: Mask, deviation: float) -> Plane:
    """Smooth what is seen without what lies beyond."""
    weight = gaussian_filter(seen.astype(np.float32), deviation)
    smoothed: Plane = gaussian_filter(plane * seen, deviation) / np.maximum(weight, 0.01)
    return smoothed


def _resized(plane: Plane, side: int) -> Plane:
    """Resize a square: by area when shrinking, bilinear when enlarging."""
    method = Image.Resampling.BOX if side < len(plane) else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(plane).resize((side, side), method))
