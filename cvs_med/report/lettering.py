"""Letters in the pictures that are drawn with PIL."""

from functools import cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

SIZE = 16
"""Height of the letters in pixels."""
INK = (20, 20, 20)
GREY = (95, 95, 95)


@cache
def font(*, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Open the font that matplotlib brings along: the same letters on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), SIZE)


def fit(text: str, width: float, *, bold: bool = False) -> str:
    """Shorten a text to a width in pixels."""
    letters = font(bold=bold)
    if letters.getlength(text) <= width:
        return text
    while text and letters.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
