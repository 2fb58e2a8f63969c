"""Letters in pictures and PDF: the font that matplotlib brings along, the same on every machine."""

from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.font_manager import get_font
from PIL import ImageFont

SIZE = 16
"""Height of the letters in pixels."""
INK = (20, 20, 20)
GREY = (95, 95, 95)


@cache
def font(*, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Open the font."""
    return ImageFont.truetype(file("DejaVuSans-Bold" if bold else "DejaVuSans"), SIZE)


def file(name: str) -> Path:
    """Find the file of a font of the family."""
    return Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf")


def legible(text: str) -> str:
    """Write the letters that the font lacks as their numbers, such as [65E5], so that two names stay two."""
    return "".join(letter if letter.isspace() or _known(letter) else f"[{ord(letter):04X}]" for letter in text)


@cache
def _known(letter: str) -> bool:
    return get_font(file("DejaVuSans")).get_char_index(ord(letter)) != 0


def fit(text: str, width: float, *, bold: bool = False) -> str:
    """Make a text legible and shorten it to a width in pixels."""
    letters, text = font(bold=bold), legible(text)
    if letters.getlength(text) <= width:
        return text
    while text and letters.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
