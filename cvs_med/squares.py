"""From a decoded photograph to the square of pixels that a network works on, without a network library.

Crop, pad with zeros to a square, resize. Pillow resizes here rather than MONAI, since it works on 8-bit pixels as they
are: for one photograph of 3504 x 2336 the same recipe takes 0.14 s and 140 MB, in MONAI (which converts to 32-bit
floats first) 0.40 s and 470 MB. Its box filter is the area average that a vessel fraction needs.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from cvs_med import spots
from cvs_med.disc import surroundings
from cvs_med.geometry import Geometry, around
from cvs_med.images import Mask
from cvs_med.types import Array

Crop: TypeAlias = Literal["field_of_view", "disc", "none"]


@dataclass(frozen=True, slots=True, eq=False)
class Square:
    """One photograph as a square of S x S pixels, 8 bits each.

    Attributes:
        image: (3, S, S), zero outside the field of view.
        foreground: (S, S), the fraction of each pixel that is foreground, times 255; zero without a mask.
        field_of_view: (S, S), 255 where the patient is seen and 0 elsewhere.
        geometry: the way back.
        spots: (S, S), how much each pixel looks like a small dark spot, see `spots.find`; None if nobody looked.
    """

    image: Array
    foreground: Array
    field_of_view: Array
    geometry: Geometry
    spots: Array | None = None

    @property
    def inside(self) -> Mask:
        """Where the patient is seen, (S, S)."""
        return self.field_of_view >= 128

    @property
    def planes(self) -> Array:
        """What a network looks at: the image, (3, S, S), or with the spots behind it (4, S, S)."""
        return self.image if self.spots is None else np.concatenate([self.image, self.spots[None]])


def square(pixels: Array, view: Mask, mask: Mask | None, *, size: int, crop: Crop, finer: int = 0) -> Square:
    """Crop, pad and resize what was decoded; see `transforms.prepare`.

    Args:
        pixels: (H, W, 3) photograph.
        view: (H, W) field of view, somewhere true.
        mask: (H, W) foreground, if known.
        size: side S of the result in pixels.
        crop: what to keep of the photograph.
        finer: side of the square in which spots are looked for, in multiples of `size`; 0 looks for none.
    """
    kept = _kept(pixels, view, crop)
    geometry = around(kept, size)
    with ThreadPoolExecutor(1) as beside:  # Pillow leaves Python to compute.
        resized = beside.submit(_resize, pixels, geometry)
        seen = _resize(view, geometry) >= 128
        foreground = np.zeros(seen.shape, np.uint8) if mask is None else _resize(mask, geometry)
        image = resized.result() * seen[..., None]
    return Square(
        image=np.ascontiguousarray(image.transpose(2, 0, 1)),
        foreground=foreground * seen.astype(np.uint8),
        field_of_view=seen * np.uint8(255),
        geometry=geometry,
        spots=spots.find(_resize(pixels, around(kept, finer * size)), seen) if finer else None,
    )


def _kept(pixels: Array, view: Mask, crop: Crop) -> Mask:
    """Mark what a crop keeps, in the pixels of the photograph."""
    if crop == "disc":
        return surroundings(pixels, view)
    return view if crop == "field_of_view" else np.ones_like(view)


def _resize(pixels: Array | Mask, geometry: Geometry) -> Array:
    """Crop, pad and resize: by area when shrinking, bilinear when enlarging (a mask then keeps its two values).

    Pillow makes rows shorter before it makes them fewer; the black rows are added in between, where they are short.
    """
    is_mask = pixels.dtype == np.bool_
    enlarging = Image.Resampling.NEAREST if is_mask else Image.Resampling.BILINEAR
    method = Image.Resampling.BOX if geometry.size < geometry.side else enlarging
    image = Image.fromarray(pixels * np.uint8(255) if is_mask else pixels)
    (above, before), size = geometry.padding, geometry.size
    right, bottom = geometry.left + geometry.crop_width, geometry.top + geometry.crop_height
    box = image.crop((geometry.left, geometry.top, right, bottom))
    # What a crop takes from beyond its image is black.
    wide = box if box.width == geometry.side else box.crop((-before, 0, geometry.side - before, box.height))
    narrow = wide.resize((size, wide.height), method)
    return np.asarray(narrow.crop((0, -above, size, geometry.side - above)).resize((size, size), method))
