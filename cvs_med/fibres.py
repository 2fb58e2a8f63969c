"""Where light returns from the layer of nerve fibres around the optic disc: nothing here was trained.

The layer sends back blue light, which hardly reaches what lies below it, and little red. It is thickest above and below
the disc, where glaucoma wears it down first, and thin beside it (Hoyt, Frisen, Newman, "Fundoscopy of nerve fiber layer
defects in glaucoma", Invest Ophthalmol 1973). So blue beside red is compared above and below with left and right:
within one photograph, that no camera's colours matter. Vessels are not the layer: where they are is for a network's map
to say; see `networks.fibres`.
"""

from typing import Final

import numpy as np

from cvs_med.disc import Disc
from cvs_med.images import Mask
from cvs_med.types import Array

UNIT: Final = 1 / 15
"""Natural logarithm of blue beside red, of one of the 63 steps that are kept."""

DARKEST: Final = -3.6
"""That logarithm of step 1; 63 is past 0.5, more blue than any fundus."""

STEPS: Final = 64
"""Numbers of a sector: 0 where nothing is compared, 1 to 63 for what is seen there."""

_RING: Final = 1.2, 2.8
"""The ring that is compared, in radii of the disc: beyond its rim, and where bundles still lie close."""

_STEEP, _FLAT = 45.0, 30.0
"""Degrees against the horizontal: steeper is above or below the disc, flatter is beside it."""


def find(image: Array, seen: Mask, disc: Disc) -> Array:
    """Keep what is seen in the sectors around the disc.

    Args:
        image: (S, S, 3), red, green and blue.
        seen: (S, S), true where the patient is seen.
        disc: in pixels of the same square.

    Returns:
        (S, S): 0 outside of the sectors; within, `STEPS` times the number of the sector (above, below, left, right) and
        1 to 63 for blue beside red, in steps of `UNIT` from `DARKEST`.
    """
    rows, columns = np.ogrid[: seen.shape[0], : seen.shape[1]]
    down, across = rows - disc.row, columns - disc.column
    radii = np.hypot(down, across) / (disc.diameter / 2)
    degrees = np.degrees(np.arctan2(np.abs(down), np.abs(across)))
    sector = np.where(degrees > _STEEP, np.where(down < 0, 0, 1), np.where(across < 0, 2, 3))
    compared = seen & (radii > _RING[0]) & (radii < _RING[1]) & ((degrees > _STEEP) | (degrees < _FLAT))
    red, blue = (np.log(np.maximum(image[..., channel], 1).astype(np.float64)) for channel in (0, 2))
    step = np.clip(np.rint((blue - red - DARKEST) / UNIT) + 1, 1, STEPS - 1)
    return np.asarray(compared * (STEPS * sector + step), dtype=np.uint8)
