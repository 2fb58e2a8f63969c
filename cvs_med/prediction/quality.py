"""Numbers about a photograph as such: is it bright, sharp, and round enough to be looked at at all?"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from cvs_med.images import Mask
from cvs_med.types import Array, Floats


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured property.

    Attributes:
        name: what it is called.
        low: what a photograph is that has too little of it.
        high: what a photograph is that has too much of it.
        least: deviation that is never held against a photograph, in units of the measure: nearly all training
            photographs may agree.
    """

    name: str
    low: str
    high: str
    least: float


MEASURES = (
    Measure("brightness", "too dark", "too bright", 8),
    Measure("contrast", "too little contrast", "too much contrast", 3),
    Measure("sharpness", "out of focus", "too noisy or grainy", 0.06),
    Measure("red", "too little red", "too much red", 0.03),
    Measure("blue", "too little blue", "too much blue", 0.03),
    Measure("field of view", "too small a field of view", "too large a field of view", 0.03),
    Measure("roundness", "a field of view of another shape", "a field of view of another shape", 0.03),
)
"""brightness and contrast: mean and standard deviation of grey, 0 to 255. sharpness: logarithm (base 10) of the
Laplacian's mean absolute value. red, blue: share of the colour's sum. field of view: its share of the square.
roundness: its share of its bounding box. All but the last two are taken inside the field of view."""


def measure(image: Array, field_of_view: Array) -> Floats:
    """Measure a square image (3, S, S) inside its field of view (S, S), 8 bits each; in the order of `MEASURES`."""
    seen = field_of_view >= 128
    counted = seen if seen.any() else np.ones_like(seen)
    red, green, blue = (float(plane[counted].sum(dtype=np.int64)) for plane in image)
    total = max(red + green + blue, 1.0)
    grey = image.mean(axis=0, dtype=np.float32)
    inside = grey[counted]
    area, box = _extent(seen)
    return np.array([inside.mean(), inside.std(), _sharpness(grey, seen), red / total, blue / total, area, box])


def _sharpness(grey: npt.NDArray[np.float32], seen: Mask) -> float:
    """Take the edges of the picture, not that of the field of view."""
    inner = ndimage.binary_erosion(seen, iterations=max(2, len(seen) // 64), border_value=0)
    edges = np.abs(ndimage.laplace(grey))
    return float(np.log10((edges[inner] if inner.any() else edges).mean() + 0.1))


def _extent(seen: Mask) -> tuple[float, float]:
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return 0.0, 0.0
    box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    return float(seen.mean()), float(seen.sum() / box)
