"""Small dark spots in a photograph of the fundus, at a finer scale than the network's square: nothing here was trained.

The first signs of diabetic retinopathy, microaneurysms and dot haemorrhages, are 20 to 100 micrometres wide: a pixel or
two where a field of 45 degrees is 512 pixels wide. A spot that is dark on all sides curves upwards in every direction,
a vessel only across it, so a spot's strength is the smaller eigenvalue of the Hessian (Frangi et al., "Multiscale
vessel enhancement filtering", MICCAI 1998, explain its eigenvalues). Vessels that cross or bend look like spots too:
where the vessels are is for a network's map to say; see `networks.spots`.
"""

from typing import Final

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter

from cvs_med.images import Mask
from cvs_med.levelling import Plane
from cvs_med.types import Array

UNIT: Final = 1 / 64
"""Strength, in local standard deviations of the brightness, of one step of the 8 bits that are kept."""

_WIDTH: Final = 0.0015
"""Standard deviation of the smoothing, as a share of the side: about 20 micrometres of a field of 45 degrees."""

_RIM: Final = 0.018
"""Width of the rim of the field of view that is left out, as a share of the side."""


def find(brightness: Plane, seen: Mask) -> Array:
    """Measure how much every pixel of a square looks like a small dark spot.

    Args:
        brightness: (F, F), see `levelling.level`; F is a multiple of S.
        seen: (S, S), true where the patient is seen, of the same square.

    Returns:
        (S, S), the strongest spot within each pixel, in steps of `UNIT`; zero on the rim and outside.
    """
    size, side = len(seen), len(brightness)
    # Derivatives of the smoothed brightness, in units of the smoothing, so that the strength knows no pixel.
    deviation = max(1.0, _WIDTH * side)
    smaller = _smaller_curvature(brightness, deviation) * deviation**2
    strongest = smaller.reshape(size, side // size, size, side // size).max(axis=(1, 3))
    inner = binary_erosion(seen, iterations=max(1, round(_RIM * size)))
    return np.asarray(np.rint(np.clip(strongest / UNIT, 0, 255)) * inner, dtype=np.uint8)


def _smaller_curvature(plane: Plane, deviation: float) -> Plane:
    """Give the smaller eigenvalue of the Hessian of a smoothed plane (F, F): of (a, b; b, c), m - sqrt(d^2 + b^2).

    Here m is the mean of a and c, and d half their difference.
    """
    down, across, mixed = (gaussian_filter(plane, deviation, order=order) for order in ((2, 0), (0, 2), (1, 1)))
    smaller: Plane = (down + across) / 2 - np.hypot((down - across) / 2, mixed)
    return smaller
