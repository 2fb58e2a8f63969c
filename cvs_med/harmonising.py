"""Photographs made alike in what a camera, a date or a file's compression leaves in them, so that none tells the class.

Mean and contrast of each colour inside the field of view become the same for all photographs; then each is compressed
again with the same coarse tables, so that fine compression shows no more than coarse did. What is left of a difference
between two classes is in shapes and in the relations of neighbouring pixels. It is a test of a result, and no remedy:
colour can be a sign of the disease too.
"""

import io
from typing import Final

import numpy as np
from PIL import Image

from cvs_med.images import Mask
from cvs_med.types import Array

MEANS: Final = (160.0, 60.0, 30.0)
"""Mean of red, green and blue inside the field of view, of 255: usual for a photograph of the fundus."""

DEVIATIONS: Final = (30.0, 16.0, 9.0)
"""Their standard deviations."""

QUALITY: Final = 85
"""Of the compression, as libjpeg counts; all photographs of HRF were compressed with finer tables."""


def harmonise(pixels: Array, view: Mask) -> Array:
    """Make a photograph (H, W, 3) alike to all others, by what is inside its field of view (H, W).

    Returns:
        (H, W, 3), zero outside the field of view but for traces of the compression.
    """
    inside = pixels[view].astype(np.float32)
    scales = np.array(DEVIATIONS, np.float32) / np.maximum(inside.std(axis=0), 1)
    shifts = np.array(MEANS, np.float32) - inside.mean(axis=0) * scales
    # One value of a colour becomes one other, so that a table of 256 does.
    tables = np.clip(np.rint(np.arange(256, dtype=np.float32)[:, None] * scales + shifts), 0, 255).astype(np.uint8)
    alike = np.stack([tables[:, colour][pixels[..., colour]] for colour in range(3)], axis=2)
    return _compressed(alike * view[..., None])


def _compressed(pixels: Array) -> Array:
    """Compress a photograph and decode it again."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=QUALITY, subsampling=2)
    return np.asarray(Image.open(stream))
