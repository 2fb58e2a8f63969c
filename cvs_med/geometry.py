"""Where the square of pixels that a network works on lies in the photograph."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cvs_med.images import Mask

if TYPE_CHECKING:  # Places are computed without a network library; only maps on their way back need it.
    from torch import Tensor


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

    def to_native(self, maps: "Tensor", *, nearest: bool = False) -> "Tensor":
        """Bring maps back to the pixels of the photograph.

        Args:
            maps: (..., S, S), any number of leading axes.
            nearest: take the nearest working pixel, for numbers that must not be mixed, rather than interpolate.

        Returns:
            (..., H, W), 32-bit floats; zero outside the crop box.
        """
        from torch.nn.functional import interpolate

        planes = maps.reshape(1, -1, *maps.shape[-2:]).float()
        how = {"mode": "nearest-exact"} if nearest else {"mode": "bilinear", "antialias": self.size > self.side}
        square = interpolate(planes, (self.side, self.side), **how)[0]
        native = square.new_zeros(len(square), self.height, self.width)
        above, before = self.padding
        crop = square[:, above : above + self.crop_height, before : before + self.crop_width]
        native[:, self.top : self.top + self.crop_height, self.left : self.left + self.crop_width] = crop
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
