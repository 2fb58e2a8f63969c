"""The sheet that everything is painted on: coordinates in picture heights, smooth noise, and ways to lay colour on.

Lengths are fractions of the picture's height h, the origin is its centre, x runs to the right and y downwards, so a
scene is the same at every size. A picture is float32 (H, W, 3); 0 is black and 1 the camera's white.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Plane: TypeAlias = npt.NDArray[np.float32]
Colour: TypeAlias = tuple[float, float, float]
Point: TypeAlias = tuple[float, float]

ASPECT = 1.5
HALF_WIDTH = ASPECT / 2


@dataclass(frozen=True)
class Sheet:
    """A grid of pixel centres.

    Attributes:
        size: height in pixels.
        x: (H, W) abscissa of every pixel, in heights.
        y: (H, W) ordinate of every pixel, in heights.
    """

    size: int
    x: Plane
    y: Plane

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.x.shape[0], self.x.shape[1]

    def around(self, centre: Point) -> tuple[Plane, Plane]:
        """Return the coordinates of every pixel relative to `centre`."""
        return self.x - np.float32(centre[0]), self.y - np.float32(centre[1])

    def patch(self, centre: Point, reach: float) -> tuple[slice, slice]:
        """Return the rows and columns within `reach` heights of `centre` (empty when outside the sheet)."""
        rows, columns = self.shape
        top, left = (centre[1] - reach + 0.5) * self.size, (centre[0] - reach + HALF_WIDTH) * self.size
        span = 2 * reach * self.size + 2
        return _clipped(top, span, rows), _clipped(left, span, columns)


def _clipped(start: float, span: float, limit: int) -> slice:
    first = int(np.floor(start))
    return slice(min(max(first, 0), limit), min(max(first + int(np.ceil(span)), 0), limit))


def blank_sheet(size: int) -> Sheet:
    """Return the grid of a picture `size` pixels high and 3/2 as wide."""
    rows, columns = size, round(size * ASPECT)
    y = ((np.arange(rows) + 0.5) / size - 0.5).astype(np.float32)
    x = ((np.arange(columns) + 0.5) / size - columns / size / 2).astype(np.float32)
    grid_y, grid_x = np.meshgrid(y, x, indexing="ij")
    return Sheet(size, grid_x, grid_y)


def cloud(rng: np.random.Generator, shape: tuple[int, int], cells: float) -> Plane:
    """Return smooth noise (mean about 0, deviation about 1) with `cells` bumps along the height.

    The random numbers lie on a coarse grid that does not depend on `shape`, so every size shows the same clouds.
    """
    coarse = rng.standard_normal((max(2, round(cells)), max(2, round(cells * ASPECT)))).astype(np.float32)
    smooth = Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32) * np.float32(1.6)


def bell(distance: Plane, width: float) -> Plane:
    """Return exp(-(distance / width)^2 / 2)."""
    height: Plane = np.exp(-0.5 * np.square(distance / np.float32(width)), dtype=np.float32)
    return height


def step(value: Plane, softness: float) -> Plane:
    """Return a smooth step from 0 (value far below 0) to 1 (far above), `softness` wide."""
    ramp = np.clip(value / np.float32(softness) + np.float32(0.5), 0, 1)
    smooth: Plane = ramp * ramp * (3 - 2 * ramp)
    return smooth


def shade(picture: Plane, amount: Plane, colour: Colour) -> None:
    """Filter the picture in place: where `amount` is 1, each channel is multiplied by `colour`."""
    for channel, factor in enumerate(colour):
        picture[..., channel] *= 1 - amount * np.float32(1 - factor)


def cover(picture: Plane, amount: Plane, colour: Colour) -> None:
    """Blend the picture in place towards `colour` where `amount` is 1."""
    for channel, target in enumerate(colour):
        layer = picture[..., channel]
        layer += amount * (np.float32(target) - layer)
