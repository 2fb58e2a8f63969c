"""The deterministic way from a case on disk to a square of pixels as tensors; the square itself is `squares`'."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Required, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from cvs_med import harmonising
from cvs_med.errors import DataError, Problem
from cvs_med.geometry import Geometry
from cvs_med.images import read_field_of_view, read_foreground, read_image
from cvs_med.squares import Crop, Square, square
from cvs_med.types import Array, Case, Packed

RECIPE_VERSION = 1
"""Part of the cache's key; raise it whenever `prepare` gives other pixels for the same files."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One case as a square of S x S pixels, 8 bits each.

    Attributes:
        image: (3, S, S), zero outside the field of view.
        foreground: (S, S), the fraction of each pixel that is foreground, times 255; zero without a mask.
        field_of_view: (S, S), 255 where the patient is seen and 0 elsewhere.
        geometry: the way back.
        has_mask: whether the case has a foreground mask.
        signs: (K, S, S), see `squares.Square`; None if nobody looked.
        fine: (k * k, S, S), see `squares.Square`; None if nobody asked.
        fine_foreground: (k * k, S, S), see `squares.Square`.
    """

    image: Tensor
    foreground: Tensor
    field_of_view: Tensor
    geometry: Geometry
    has_mask: bool
    signs: Tensor | None
    fine: Tensor | None
    fine_foreground: Tensor | None


class How(TypedDict, total=False):
    """What may be asked for; see `Preparation`."""

    size: Required[int]
    crop: Required[Crop]
    finer: int
    fine: bool
    fibres: bool
    harmonise: bool


@dataclass(frozen=True, slots=True)
class Preparation:
    """How photographs are prepared.

    Attributes:
        size: side S of the result in pixels.
        crop: "field_of_view" cuts the bounding box of the field of view out, "disc" a square around the optic disc,
            see `disc.locate`; "none" keeps the whole photograph.
        finer: where to look for spots; see `squares.square`.
        fine: keep the finer square; see `squares.square`.
        fibres: look for nerve fibres; see `squares.square`.
        harmonise: make colours and compression those of any other photograph first; see `harmonising.harmonise`.
    """

    size: int
    crop: Crop
    finer: int = 0
    fine: bool = False
    fibres: bool = False
    harmonise: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether a photograph is only cropped and resized, and not around an optic disc."""
        return self.crop != "disc" and not (self.finer or self.fibres or self.harmonise)

    @property
    def added(self) -> dict[str, tuple[int, ...]]:
        """Name what signs and a finer square add to a case, with their channels."""
        folded, signs = (self.finer**2,), bool(self.finer) + self.fibres
        found: dict[str, tuple[int, ...]] = {"signs": (signs,)} if signs else {}
        return found | ({"fine": folded, "fine_foreground": folded} if self.finer and self.fine else {})


def prepare(case: Case, **asked: Unpack[How]) -> Prepared:
    """Read a case, crop it, pad it to a square with zeros and resize it.

    Args:
        case: image and, where there are any, mask and field of view, all of one size.
        **asked: see `Preparation`.

    Raises:
        DataError: a file cannot be read, a mask has another size than its photograph or is empty.
    """
    pixels = read_image(case.image)
    shape = pixels.shape[0], pixels.shape[1]
    view = read_field_of_view(case, shape, pixels)
    mask = read_foreground(case, shape)
    how = Preparation(**asked)
    pixels = harmonising.harmonise(pixels, view) if how.harmonise else pixels
    found = square(
        pixels, view, mask, size=how.size, crop=how.crop, finer=how.finer, fine=how.fine, fibres=how.fibres
    )
    return _prepared(found, has_mask=mask is not None)


def _prepared(found: Square, *, has_mask: bool) -> Prepared:
    image, foreground, view = map(torch.from_numpy, (found.image, found.foreground, found.field_of_view))
    planes = (np.stack(found.signs) if found.signs else None, found.fine, found.fine_foreground)
    added = [None if plane is None else torch.from_numpy(plane) for plane in planes]
    return Prepared(image, foreground, view, found.geometry, has_mask, *added)


def prepare_packed(cases: Sequence[Case], *, size: int) -> tuple[Tensor, Tensor, Geometry] | None:
    """Enlarge the small pictures of packed files all at once, to the very pixels that `prepare` gives for each.

    Args:
        cases: what to prepare, all of one size.
        size: side S of the result in pixels.

    Returns:
        Photographs (N, 3, S, S), foreground (N, S, S) of 0 and 255, which is zero without a mask, and the way back that
        all share. None where this cannot be done: files, fields of view, several sizes, no square, or a smaller S.

    Raises:
        DataError: masks cannot be read; all of them are listed.
    """
    photographs = [case.image.pixels for case in cases if isinstance(case.image, Packed) and not case.field_of_view]
    shapes = {pixels.shape for pixels in photographs}
    if len(photographs) < len(cases) or len(shapes) != 1:
        return None
    height, width, _ = shapes.pop()
    if height != width or size < height:
        return None
    images = torch.from_numpy(np.stack(photographs)).permute(0, 3, 1, 2)
    masks = torch.from_numpy(_masks(cases, (height, width)))[:, None]
    # With "antialias", PyTorch follows Pillow's arithmetic on 8-bit pixels.
    return (
        _in_chunks(images, size, mode="bilinear", antialias=True),
        _in_chunks(masks, size, mode="nearest-exact")[:, 0],
        Geometry(height, width, 0, 0, height, width, size),
    )


def _masks(cases: Sequence[Case], shape: tuple[int, int]) -> Array:
    """Stack masks of 0 and 255, (N, H, W); the faults of all files are gathered before raising."""
    masks = np.zeros((len(cases), *shape), dtype=np.uint8)
    problems: list[Problem] = []
    for case, mask in zip(cases, masks, strict=True):
        try:
            found = read_foreground(case, shape)
            mask[:] = 0 if found is None else found * np.uint8(255)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return masks


def _in_chunks(pictures: Tensor, size: int, **how: Any) -> Tensor:  # noqa: ANN401 - passed on as they are
    """Resize (N, C, H, H) to (N, C, S, S), a thousand at a time, since each needs working memory."""
    resized = torch.empty(*pictures.shape[:2], size, size, dtype=torch.uint8)
    for start in range(0, len(pictures), 1000):
        chunk = slice(start, start + 1000)
        resized[chunk] = interpolate(pictures[chunk], size=(size, size), **how)
    return resized
