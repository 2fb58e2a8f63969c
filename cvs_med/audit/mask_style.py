"""Probe of how a mask is drawn: where its border lies beside the edge that can be seen.

On HRF the vessels' steepest edge lies on the border of the mask in healthy photographs, and outside it in the diseased
ones: the healthy masks are drawn wider, so that much of what their area tells is a matter of annotation.
"""

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from cvs_med.audit.sample import Measures, Probe, Sample, halved
from cvs_med.images import Mask
from cvs_med.types import Floats

REFERENCE_HEIGHT = 2336
"""Height of HRF's photographs, whose pixels are the unit of lengths; other images are measured in proportion."""

LEAST_HALF_WIDTH = 6.0
INNERMOST, OUTERMOST = -6, 7
FEWEST_PIXELS = 200
"""Pixels beside wide parts below which nothing is said."""


def border(sample: Sample) -> Measures:
    """Give where the steepest edge lies: pixels outside the mask's border (negative: inside), in units of HRF."""
    if sample.mask is None:
        return {}
    mask, green = halved(sample.mask) >= 0.5, halved(sample.image[..., 1])
    unit = mask.shape[0] / REFERENCE_HEIGHT
    distance, beside = _beside_wide_parts(mask, unit)
    beside &= halved(sample.view) == 1
    if np.count_nonzero(beside) < FEWEST_PIXELS:
        return {}
    return {"offset": _centroid(_outward(green, distance)[beside], distance[beside] / unit)}


def _beside_wide_parts(mask: Mask, unit: float) -> tuple[Floats, Mask]:
    """Give the signed distance to the mask's border, positive outside, and the pixels beside its wide parts."""
    inside = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    distance: Floats = distance_transform_edt(~mask) - inside
    distance -= np.sign(distance) / 2  # Pixels on both sides of the border lie half a pixel from it.
    core = inside >= max(LEAST_HALF_WIDTH * unit, 2.0)
    if not core.any():
        return distance, core
    reach = distance_transform_edt(~core) <= (LEAST_HALF_WIDTH + OUTERMOST) * unit + 1
    near: Mask = reach & (distance >= INNERMOST * unit) & (distance <= OUTERMOST * unit)
    return distance, near


def _outward(green: Floats, distance: Floats) -> Floats:
    """Differentiate the brightness, slightly smoothed, in the direction away from the mask."""
    ahead, across = np.gradient(gaussian_filter(green, 1.0))
    down, right = np.gradient(distance)
    slope: Floats = (ahead * down + across * right) / np.maximum(np.hypot(down, right), 1e-6)
    return slope


def _centroid(slope: Floats, distance: Floats) -> float | None:
    """Average the distances, each weighted by the mean slope there where it rises."""
    bins = np.rint(distance).astype(np.int64) - INNERMOST
    counts = np.bincount(bins)
    means = np.bincount(bins, weights=slope) / np.maximum(counts, 1)
    weights = np.maximum(means, 0) * (counts > 0)
    places = np.arange(len(weights)) + INNERMOST
    return float((weights * places).sum() / weights.sum()) if weights.sum() > 0 else None


STYLE = Probe(
    "mask-style",
    "where the mask's border lies beside the visible edge",
    "The masks of the classes are drawn by different habits: have some of each drawn again by one person who does "
    "not know the class, and do not read the mask's area as a finding.",
    border,
)
