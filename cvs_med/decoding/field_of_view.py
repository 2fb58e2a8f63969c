"""Where an image shows the patient, found in the image: the bright disc of a fundus, the fan of an ultrasound."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_fill_holes, label

from cvs_med.types import Array

DARKEST = 16
"""Brightness up to which a pixel may be the dark surroundings, of 255."""
_LEAST = 0.05


def find(image: Array) -> npt.NDArray[np.bool_]:
    """Find the largest piece that is brighter than the dark surroundings, with its holes filled.

    Args:
        image: (H, W, 3), 8 bits.

    Returns:
        (H, W), somewhere true; everything where no piece covers a twentieth of the image.
    """
    bright = image.max(axis=2)
    pieces, _ = label(bright > DARKEST)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    if sizes.max() < _LEAST * bright.size:
        return np.ones(bright.shape, dtype=np.bool_)
    return np.asarray(binary_fill_holes(pieces == sizes.argmax()), dtype=np.bool_)
