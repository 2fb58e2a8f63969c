"""Masks of the same images from several folders, side by side (the paper's figures 5 and 6)."""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from cvs_med.datasets.masks import read_origin
from cvs_med.images import Mask, read_foreground, read_image, read_mask
from cvs_med.report.lettering import INK, SIZE, fit, font
from cvs_med.report.panels import WHITE
from cvs_med.tables import write_bytes
from cvs_med.types import Array, Case

_SIDE = 128
"""Longest side of a panel in pixels."""

_GAP = 8
_ROWS = 10
_NO_MASK = (225, 225, 225)

Column: TypeAlias = tuple[str, list[Image.Image | None]]


def write(path: Path, cases: Sequence[Case], folders: Sequence[Path], reference: str = "reference") -> None:
    """Write the grid of some cases as PNG.

    Args:
        path: the file.
        cases: images to choose from, with their reference masks where there are any.
        folders: of masks, a column each; see `datasets.masks`.
        reference: what to call the reference masks.

    Raises:
        DataError: an image, a mask, or how a folder's masks were made cannot be read.
    """
    stream = io.BytesIO()
    draw(chosen(cases, folders), folders, reference).save(stream, "PNG")
    write_bytes(path, stream.getvalue())


def chosen(cases: Sequence[Case], folders: Sequence[Path]) -> list[Case]:
    """Choose at most ten cases, of different classes as far as that goes, those first whose masks differ in origin.

    A mask that a network has learnt from stands unchanged in its folder and shows nothing of the network, so cases that
    are not among them come first, then those with a reference mask.
    """
    learnt = [origin.learnt for folder in folders if (origin := read_origin(folder)) and origin.learnt]
    given = {name for each in learnt for name in each.given}
    order = sorted(cases, key=lambda case: (case.id in given, case.mask is None))
    seen: Counter[int] = Counter()
    ranks: dict[str, tuple[int, int]] = {}
    for case in order:
        ranks[case.id] = seen[case.label], case.label
        seen[case.label] += 1
    return sorted(order, key=lambda case: ranks[case.id])[:_ROWS]


def draw(cases: Sequence[Case], folders: Sequence[Path], reference: str) -> Image.Image:
    """Draw a row for each case: image, reference mask if any case has one, and the mask of each folder.

    Where a folder has no mask of a case, its panel is grey.
    """
    columns: list[Column] = [("image", [panel(read_image(case.image)) for case in cases])]
    if any(case.mask for case in cases):
        columns.append((reference, [_reference(case) for case in cases]))
    for folder in folders:
        paths = [folder / f"{case.id}.png" for case in cases]
        columns.append((title(folder), [mask_panel(read_mask(path)) if path.exists() else None for path in paths]))
    return compose(columns)


def title(folder: Path) -> str:
    """Name the masks of a folder: Seg-M where they were propagated, else by their method, else by the folder."""
    origin = read_origin(folder)
    return origin.method if origin else folder.name


def compose(columns: Sequence[Column]) -> Image.Image:
    """Set columns side by side, each below its name; a panel that is None is grey."""
    top, step = SIZE + 2 * _GAP, _SIDE + _GAP
    names = [fit(name, 2 * _SIDE) for name, _ in columns]
    widths = [max(_SIDE, round(font().getlength(name))) + _GAP for name in names]
    picture = Image.new("RGB", (_GAP + sum(widths), top + len(columns[0][1]) * step), WHITE)
    pen = ImageDraw.Draw(picture)
    for column, (name, (_, panels)) in enumerate(zip(names, columns, strict=True)):
        left = _GAP + sum(widths[:column])
        pen.text((left, _GAP), name, INK, font())
        for row, panel in enumerate(panels):
            shown = panel or Image.new("RGB", (_SIDE, _SIDE), _NO_MASK)
            picture.paste(shown, (left + (_SIDE - shown.width) // 2, top + row * step + (_SIDE - shown.height) // 2))
    return picture


def _reference(case: Case) -> Image.Image | None:
    if case.mask is None:
        return None
    found = read_foreground(case, read_image(case.image).shape[:2])
    return None if found is None else mask_panel(found)


def mask_panel(mask: Mask) -> Image.Image:
    """Give a mask (H, W) in white on black, at the size of a panel."""
    return panel(np.repeat(mask[..., None] * np.uint8(255), 3, axis=-1))


def panel(pixels: Array) -> Image.Image:
    """Enlarge by a whole factor, so that pixels stay whole, or shrink by area."""
    image, longest = Image.fromarray(np.ascontiguousarray(pixels)), max(pixels.shape[:2])
    if longest <= _SIDE:
        factor = _SIDE // longest
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    return image.resize((max(1, image.width * _SIDE // longest), max(1, image.height * _SIDE // longest)),
                        Image.Resampling.BOX)
