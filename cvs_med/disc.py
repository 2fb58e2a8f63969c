"""Where the optic disc lies in a photograph of the fundus, by classical means: nothing here was trained.

Two signs, both at the size of a disc, which is about a seventh of the field of view: it is brighter than what is around
it, and the vessels run towards it. Exudates are bright too, but vessels do not meet there; vessels cross elsewhere, but
not on a bright spot. So both signs are added. The numbers were chosen by looking at the 45 photographs of HRF.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.signal import fftconvolve
from skimage.feature import hessian_matrix

from cvs_med.images import Mask
from cvs_med.types import Array

DIAMETER: Final = 1 / 7
"""Diameter of a disc, as a share of that of the field of view."""

DISC_DIAMETERS: Final = 2.8
"""Side of the box around an optic disc, in diameters of a disc: room for a search that is off by most of one."""

_WORKING: Final = 280
"""Diameter of the field of view in the pixels that are searched."""

_SMALLEST: Final = 16
"""Side, in searched pixels, below which nothing is searched: no fundus is so long and narrow."""

_FINEST: Final = 1.5
"""Standard deviation, in searched pixels, of the thick vessels that are followed."""

_STRONGEST: Final = 0.98
"""Share of the pixels below the strength at which a vessel counts whole: a strong edge counts no more."""

Plane = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Disc:
    """An optic disc, in pixels of its photograph.

    Attributes:
        row: of its centre.
        column: of its centre.
        diameter: as is usual for a field of view of this size; it is not measured.
    """

    row: int
    column: int
    diameter: float


def locate(pixels: Array, view: Mask) -> Disc:
    """Find the optic disc of a fundus photograph.

    Args:
        pixels: (H, W, 3), red, green and blue.
        view: (H, W), true where the patient is seen; somewhere true.

    Returns:
        The most likely place; there is always one, also in a photograph without a disc; of a strip its middle.
    """
    field = float(np.ptp(np.flatnonzero(view.any(axis=0)))) + 1
    shrunk, seen = _shrink(pixels, view, _WORKING / field)
    if min(seen.shape) < _SMALLEST:
        return Disc(view.shape[0] // 2, view.shape[1] // 2, field * DIAMETER)
    signs = _brightness(shrunk, seen), _meeting(shrunk, seen)
    score = np.where(_inner(seen), sum(_normed(sign, seen) for sign in signs), -np.inf)
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    height, width = seen.shape
    return Disc(
        int((row + 0.5) * view.shape[0] / height), int((column + 0.5) * view.shape[1] / width), field * DIAMETER
    )


def surroundings(pixels: Array, view: Mask) -> Mask:
    """Mark the square around the optic disc, (H, W), as far as it lies in the photograph; arguments as of `locate`."""
    found = locate(pixels, view)
    half = round(found.diameter * DISC_DIAMETERS / 2)
    kept = np.zeros_like(view)
    kept[max(0, found.row - half) : found.row + half + 1, max(0, found.column - half) : found.column + half + 1] = True
    return kept


def _shrink(pixels: Array, view: Mask, factor: float) -> tuple[Plane, Mask]:
    """Give photograph and field of view at the size that is searched."""
    size = max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor))
    method = Image.Resampling.BOX if factor < 1 else Image.Resampling.BILINEAR
    shrunk = np.asarray(Image.fromarray(pixels).resize(size, method), dtype=np.float64) / 255
    seen = np.asarray(Image.fromarray(view.astype(np.uint8) * np.uint8(255)).resize(size, method)) >= 128
    return shrunk, seen


def _inner(seen: Mask) -> Mask:
    """Leave out the rim, where light is uneven and no disc is seen whole."""
    inner: Mask = binary_erosion(seen, iterations=round(_WORKING * DIAMETER / 3))
    return inner if inner.any() else seen


def _brightness(pixels: Plane, seen: Mask) -> Plane:
    """Compare a spot of a disc's size with its surroundings, in red and green: blue is hardly lit."""
    light = pixels[..., :2].mean(axis=-1)
    radius = _WORKING * DIAMETER / 2
    return _blurred(light, seen, radius / 2) - _blurred(light, seen, 1.5 * radius)


def _meeting(pixels: Plane, seen: Mask) -> Plane:
    """Add up, around every point, how far the vessels run towards it rather than across.

    A vessel of direction a, seen in direction b, counts cos(2a - 2b): one if it runs towards us, minus one if across.
    That is cos 2a cos 2b + sin 2a sin 2b, so that two convolutions do it for all points at once.
    """
    green = np.where(seen, pixels[..., 1], _blurred(pixels[..., 1], seen, 10))
    rows, mixed, columns = hessian_matrix(green, sigma=_FINEST, use_gaussian_derivatives=False)  # type: ignore[no-untyped-call] # scikit-image lacks types
    across = np.hypot(rows - columns, 2 * mixed)
    # The larger curvature of a dark line is across it; bright lines and spots do not count.
    strength = np.clip((rows + columns + across) / 2, 0, None) * _inner(seen)
    strength = np.minimum(strength, np.quantile(strength[seen], _STRONGEST)) / np.maximum(across, 1e-9)
    # Across a vessel is a quarter turn from along it: the doubled angle changes its sign.
    double_cosine, double_sine = strength * (rows - columns), -2 * strength * mixed
    reach = np.arange(-_WORKING // 3, _WORKING // 3 + 1)
    y, x = np.meshgrid(reach, reach, indexing="ij")
    distance = np.maximum(np.hypot(y, x), 1)
    ring = np.exp(-distance / (_WORKING * DIAMETER)) * (distance > _WORKING * DIAMETER / 4) / distance**2
    total: Plane = fftconvolve(double_cosine, ring * (x**2 - y**2), mode="same")
    total = total + fftconvolve(double_sine, ring * 2 * x * y, mode="same")
    return total


def _blurred(plane: Plane, seen: Mask, deviation: float) -> Plane:
    """Blur what is seen without what lies beyond."""
    weight = gaussian_filter(seen.astype(np.float64), deviation)
    blurred: Plane = gaussian_filter(plane * seen, deviation) / np.maximum(weight, 1e-3)
    return blurred


def _normed(plane: Plane, seen: Mask) -> Plane:
    """Count in standard deviations over the field of view."""
    values = plane[seen]
    normed: Plane = (plane - values.mean()) / (values.std() + 1e-9)
    return normed
