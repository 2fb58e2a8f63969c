"""From a decoded photograph to the square of pixels that a network works on, without a network library.

Crop, pad with zeros to a square, resize. Pillow resizes here rather than MONAI, since it works on 8-bit pixels as they
are: for one photograph of 3504 x 2336 the same recipe takes 0.14 s and 140 MB, in MONAI (which converts to 32-bit
floats first) 0.40 s and 470 MB. Its box filter is the area average that a vessel fraction needs.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from cvs_med import disc, fibres, levelling, spots
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
        signs: (K, S, S), in this order if anybody looked: how much each pixel looks like a small dark spot, see
            `spots.find`; what is seen of nerve fibres, see `fibres.find`.
        fine: (k * k, S, S), the levelled brightness of the square that is k times as large, folded, see `levelling`;
            None if nobody asked.
        fine_foreground: (k * k, S, S), `foreground` of that square.
    """

    image: Array
    foreground: Array
    field_of_view: Array
    geometry: Geometry
    signs: tuple[Array, ...] = ()
    fine: Array | None = None
    fine_foreground: Array | None = None

    @property
    def inside(self) -> Mask:
        """Where the patient is seen, (S, S)."""
        return self.field_of_view >= 128

    @property
    def planes(self) -> Array:
        """What a network looks at: the image (3, S, S), then the signs (K, S, S) and `fine` (k * k, S, S) if any."""
        signs = [sign[None] for sign in self.signs]
        return np.concatenate([self.image, *signs, *([] if self.fine is None else [self.fine])])


def square(
    pixels: Array,
    view: Mask,
    mask: Mask | None,
    *,
    size: int,
    crop: Crop,
    finer: int = 0,
    fine: bool = False,
    fibres: bool = False,
) -> Square:
    """Crop, pad and resize what was decoded; see `transforms.prepare`.

    Args:
        pixels: (H, W, 3) photograph.
        view: (H, W) field of view, somewhere true.
        mask: (H, W) foreground, if known.
        size: side S of the result in pixels.
        crop: what to keep of the photograph.
        finer: side k of a finer square in which spots are looked for, in multiples of `size`; 0 looks for none.
        fine: keep that square's brightness and foreground too.
        fibres: look for nerve fibres around the optic disc.
    """
    kept = _kept(pixels, view, crop)
    geometry = around(kept, size)
    with ThreadPoolExecutor(1) as beside:  # Pillow leaves Python to compute.
        resized = beside.submit(_resize, pixels, geometry)
        seen = _resize(view, geometry) >= 128
        foreground = np.zeros(seen.shape, np.uint8) if mask is None else _resize(mask, geometry)
        image = resized.result() * seen[..., None]
    found = Square(
        image=np.ascontiguousarray(image.transpose(2, 0, 1)),
        foreground=foreground * seen.astype(np.uint8),
        field_of_view=seen * np.uint8(255),
        geometry=geometry,
    )
    found = _with_finer(found, pixels, mask, around(kept, finer * size), fine=fine) if finer else found
    return _with_fibres(found, disc.locate(pixels, view)) if fibres else found


def _with_finer(found: Square, pixels: Array, mask: Mask | None, geometry: Geometry, *, fine: bool) -> Square:
    """Add what a finer square shows."""
    seen = found.inside
    brightness = levelling.level(_resize(pixels, geometry), seen)
    spotted = replace(found, signs=(spots.find(brightness, seen),))
    if not fine:
        return spotted
    times = geometry.size // len(seen)
    foreground = np.zeros((times * times, *seen.shape), np.uint8)
    if mask is not None:
        foreground = levelling.fold(_resize(mask, geometry), times) * seen
    return replace(spotted, fine=levelling.kept(brightness, seen), fine_foreground=foreground)


def _with_fibres(found: Square, native: disc.Disc) -> Square:
    """Add what is seen of nerve fibres around a disc, which is given in pixels of the photograph."""
    geometry = found.geometry
    (above, before), scale = geometry.padding, geometry.size / geometry.side
    row, column = native.row - geometry.top + above, native.column - geometry.left + before
    where = disc.Disc(round(row * scale), round(column * scale), native.diameter * scale)
    return replace(found, signs=(*found.signs, fibres.find(found.image.transpose(1, 2, 0), found.inside, where)))


def _kept(pixels: Array, view: Mask, crop: Crop) -> Mask:
    """Mark what a crop keeps, in the pixels of the photograph."""
    if crop == "disc":
        return disc.surroundings(pixels, view)
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
