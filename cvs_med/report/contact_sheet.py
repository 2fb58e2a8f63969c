"""A contact sheet: small images of every class beside each other, with the outlines of their masks."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion

from cvs_med.images import Mask
from cvs_med.report import panels
from cvs_med.report.lettering import GREY, INK, fit, font
from cvs_med.types import Array

SIDE = 160
"""Side of the square that a small image fits in."""
MOST_OF_A_CLASS = 18
_IN_A_ROW = 6
_GAP = 8
_TITLE = 30
_CAPTION = 20


def small(image: Array, mask: Mask | None, label: int) -> Image.Image:
    """Shrink an image (H, W, 3), and draw the outline of its mask (H, W) in the colour of its class."""
    picture = Image.fromarray(image)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    if mask is None:
        return picture
    covered = Image.fromarray(mask).convert("L").resize(picture.size, Image.Resampling.BOX)
    # Pixels that are but touched count, or thin vessels would have no outline.
    inside = np.asarray(covered) > 0
    pixels = np.array(picture)
    pixels[inside & ~binary_erosion(inside)] = panels.class_colour(label)
    return Image.fromarray(pixels)


def draw(rows: list[tuple[str, list[tuple[str, Image.Image]]]]) -> Image.Image:
    """Draw the sheet.

    Args:
        rows: title of each class, and name and small image of its cases.
    """
    heights = [_TITLE + -(-len(cases) // _IN_A_ROW) * (SIDE + _CAPTION + _GAP) for _, cases in rows]
    width = _IN_A_ROW * (SIDE + _GAP) + _GAP
    sheet = Image.new("RGB", (width, sum(heights) + _GAP), panels.WHITE)
    pen = ImageDraw.Draw(sheet)
    top = _GAP
    for (title, cases), height in zip(rows, heights, strict=True):
        pen.text((_GAP, top), fit(title, width - 2 * _GAP, bold=True), INK, font(bold=True))
        for number, (name, picture) in enumerate(cases):
            left = _GAP + number % _IN_A_ROW * (SIDE + _GAP)
            upper = top + _TITLE + number // _IN_A_ROW * (SIDE + _CAPTION + _GAP)
            sheet.paste(picture, (left, upper))
            pen.text((left, upper + SIDE), fit(name, SIDE), GREY, font())
        top += height
    return sheet
