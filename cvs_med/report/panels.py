"""The pictures inside an overlay, as (S, S, 3) arrays: one array pixel is one map pixel.

Colours are Okabe and Ito's, which the common forms of colour blindness tell apart; whatever is said by colour is also
said in words or by brightness.
"""

import matplotlib
import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter

from cvs_med.types import Array

WHITE = (255, 255, 255)
MISSED = WHITE
"""Gold pixels that were not predicted."""
RING = (0, 0, 0)
"""Around a pixel that weighs far more than its surroundings."""

_PALETTE = (
    (0, 158, 115), (230, 159, 0), (86, 180, 233), (213, 94, 0), (204, 121, 167), (240, 228, 66), (0, 114, 178),
    (255, 190, 210), (190, 255, 150), (150, 90, 255),
)  # fmt: skip
_HEAT = (matplotlib.colormaps["RdBu_r"](np.linspace(0, 1, 257))[:, :3] * 255).round().astype(np.uint8)


_FAR_MORE = 20
_RADIUS = 3


def class_colour(number: int) -> tuple[int, int, int]:
    """Give the colour of a class; the eleventh class starts the palette again."""
    return _PALETTE[number % len(_PALETTE)]


def extra_colour(number: int) -> tuple[int, int, int]:
    """Give the colour of a class where the gold mask has nothing: half as bright."""
    red, green, blue = class_colour(number)
    return red // 2, green // 2, blue // 2


def predicted_map(image: Array, label_map: Array, gold: Array | None) -> Array:
    """Colour the predicted foreground by class over a grey photograph.

    With a gold mask, what it lacks is darker and what was missed is white: a line around vessels of one or two pixels
    would cover them, this covers nothing.
    """
    grey = image.mean(axis=2, keepdims=True)
    picture = np.repeat((30 + 0.45 * grey).astype(np.uint8), 3, axis=2)
    for value in np.unique(label_map[label_map > 0]):
        here = label_map == value
        picture[here] = class_colour(int(value) - 1)
        if gold is not None:
            picture[here & (gold == 0)] = extra_colour(int(value) - 1)
    if gold is not None:
        picture[(gold != 0) & (label_map == 0)] = MISSED
    return picture


def heat_limit(evidence: npt.NDArray[np.float32]) -> float:
    """Give the evidence that gets the full colour: all but the strongest 0.5 % of the pixels lie below it."""
    return float(np.quantile(np.abs(evidence), 0.995)) or 1.0


def singled_out(evidence: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Mark the pixels that weigh far more than what gets the full colour, and would drown among the others: spots."""
    found: npt.NDArray[np.bool_] = np.abs(evidence) >= _FAR_MORE * heat_limit(evidence)
    return found


def rings(pixels: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Draw a ring around every marked pixel that leaves what is next to it in sight."""
    inner, outer = (maximum_filter(pixels, size=2 * radius + 1) for radius in (_RADIUS, _RADIUS + 1))
    drawn: npt.NDArray[np.bool_] = outer & ~inner
    return drawn


def heat(evidence: npt.NDArray[np.float32], limit: float) -> Array:
    """Colour shares from blue (below zero) over white (zero) to red (above zero); `limit` gets the full colour."""
    middle = len(_HEAT) // 2
    place = np.clip(evidence * (middle / limit) + (middle + 0.5), 0, 2 * middle)  # cutting off then rounds
    return np.asarray(np.take(_HEAT, place.astype(np.uint16), axis=0))


def heat_bar(width: int, height: int) -> Array:
    """Draw the scale of `heat`, from minus to plus the limit; (height, width, 3)."""
    ramp = np.linspace(-1, 1, width, dtype=np.float32)[None]
    return np.repeat(heat(ramp, 1.0), height, axis=0)
