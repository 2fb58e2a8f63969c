"""Where an image shows the patient, found in its pixels: the disc of a fundus photograph, the fan of an ultrasound."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from cvs_med.types import Array

Mask: TypeAlias = npt.NDArray[np.bool_]

_SIDE = 512
"""Longer side of the reduced photograph in which it is looked for."""
_DARK = 0.12
"""Share of the photograph's bright level (its 95th percentile) below which a pixel is surroundings."""
_LEAST = 0.05
"""Share of the image that a field of view covers at least; what is smaller is something bright in a dark image."""


def find(pixels: Array) -> Mask:
    """Find the field of view: the largest bright area, its holes filled.

    The surroundings of a fundus photograph are all but black, even in red, the retina's brightest channel.

    Args:
        pixels: (H, W, 3) photograph.

    Returns:
        (H, W), somewhere true; everywhere true for an image without dark surroundings, or a black one.
    """
    height, width = pixels.shape[:2]
    factor = max(height, width) / _SIDE
    size = (width, height) if factor <= 1 else (round(width / factor) or 1, round(height / factor) or 1)
    reduced = Image.fromarray(pixels).reduce(max(1, int(factor))).resize(size, Image.Resampling.BILINEAR)
    brightest = np.maximum.reduce(np.split(np.asarray(reduced), 3, axis=2))[..., 0]
    level = float(np.percentile(brightest, 95))
    found = _largest(_most_around(brightest > _DARK * level)) if level > 0 else brightest == 0
    native = Image.fromarray(found.astype(np.uint8) * np.uint8(255)).resize((width, height), Image.Resampling.BILINEAR)
    mask = np.asarray(native) >= 128
    return mask if np.count_nonzero(mask) >= _LEAST * mask.size else np.ones_like(mask)


def _most_around(bright: Mask) -> Mask:
    """Mark where most of the 3 x 3 pixels around are bright, so where their median is."""
    padded = np.pad(bright.astype(np.uint8), 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] >= 5)


def _largest(bright: Mask) -> Mask:
    """Keep the largest connected part and what it encloses."""
    parts, count = ndimage.label(bright)
    if count == 0:
        return np.ones_like(bright)
    sizes = np.bincount(parts.ravel())[1:]
    return np.asarray(ndimage.binary_fill_holes(parts == int(sizes.argmax()) + 1), dtype=np.bool_)
