"""Where the square of pixels that a network works on lies in the photograph."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from cvs_med.images import Mask

Number = TypeVar("Number", np.float32, np.uint8)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the square of working pixels lies in the photograph, in native pixels.

    Attributes:
        height: rows of the photograph.
        width: columns of the photograph.
        top: first row of the crop box.
        left: first column of the crop box.
        crop_height: rows of the crop box.
        crop_width: columns of the crop box.
        size: side of the working square, S.
    """

    height: int
    width: int
    top: int
    left: int
    crop_height: int
    crop_width: int
    size: int

    @property
    def side(self) -> int:
        """Side of the padded square in native pixels."""
        return max(self.crop_height, self.crop_width)

    @property
    def padding(self) -> tuple[int, int]:
        """Rows above and columns left of the crop box in the padded square."""
        return (self.side - self.crop_height) // 2, (self.side - self.crop_width) // 2

    def to_native(self, maps: npt.NDArray[Number], *, nearest: bool = False) -> npt.NDArray[Number]:
        """Bring maps back to the pixels of the photograph.

        Args:
            maps: (..., S, S), any number of leading axes; 32-bit floats, or 8 bits to be taken `nearest`.
            nearest: take the nearest working pixel, for numbers that must not be mixed, rather than interpolate.

        Returns:
            (..., H, W), of the same type; zero outside the crop box.
        """
        planes = maps.reshape(-1, *maps.shape[-2:])
        native = np.zeros((len(planes), self.height, self.width), dtype=planes.dtype)
        above, before = self.padding
        # Pillow's bilinear filter is an area-weighted one when it shrinks, so that no working pixel is lost.
        method = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
        for plane, target in zip(planes, native, strict=True):
            square = np.asarray(Image.fromarray(plane).resize((self.side, self.side), method))
            crop = square[above : above + self.crop_height, before : before + self.crop_width]
            target[self.top : self.top + self.crop_height, self.left : self.left + self.crop_width] = crop
        return native.reshape(*maps.shape[:-2], self.height, self.width)


def around(kept: Mask, size: int) -> Geometry:
    """Place the square around the bounding box of the pixels to keep.

    Args:
        kept: (H, W), somewhere true.
        size: side S of the working square.
    """
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    crop_height, crop_width = int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left
    return Geometry(kept.shape[0], kept.shape[1], top, left, crop_height, crop_width, size)
