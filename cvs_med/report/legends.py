"""What stands below the panels of an overlay: the classes' colours, and the scales of the heat maps."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from cvs_med.report import panels
from cvs_med.report.lettering import GREY, INK, fit, font
from cvs_med.types import Array

_LINE = 24
_SWATCH = 16
_MINUS, _TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def map_legend(label_map: Array, gold: Array | None, names: Sequence[str], width: int) -> Image.Image:
    """Name the colours of the classes that a map holds, and say what bright, dark and white mean beside a gold mask.

    Args:
        label_map: (S, S), 0 to P.
        gold: (S, S) reference mask, if known.
        names: of the P classes.
        width: of the legend in pixels; as many lines are used as the names need.
    """
    present = [int(value) - 1 for value in np.unique(label_map) if value > 0]
    dark = panels.class_colour if gold is None else panels.extra_colour
    entries = [((panels.class_colour(c), dark(c)), names[c]) for c in present]
    if gold is not None:
        entries.append(((panels.MISSED, panels.MISSED), "gold, missed"))
    texts = [fit(name, width - 2 * _SWATCH - 6) for _, name in entries]
    places = _places([2 * _SWATCH + 6 + int(font().getlength(text)) for text in texts], width)
    said = _map_said(bool(present), gold)
    lines = 1 + max((line for _, line in places), default=-1)
    image, pen = _sheet(width, _LINE * (lines + len(said)))
    for (x, line), (colours, _), text in zip(places, entries, texts, strict=True):
        _draw_entry(pen, (x, _LINE * line), colours, text)
    for number, text in enumerate(said):
        pen.text((0, _LINE * (lines + number)), fit(text, width), GREY, font())
    return image


def heat_legend(
    shares: npt.NDArray[np.float32], ends: tuple[str, str], said: tuple[str, str], width: int
) -> Image.Image:
    """Draw the scale of a heat map.

    Args:
        shares: (S, S) what the heat map shows.
        ends: what a pixel does at the blue and at the red end.
        said: what a pixel's number is, and what all pixels sum to.
        width: of the legend in pixels.
    """
    limit = panels.heat_limit(shares)
    # Rounded before it is split: 9.96 is 1.0 times ten, not 10.0 times one.
    value, _, power = f"{limit:.1e}".partition("e")
    lines = [f"{said[0]}, {_TIMES} 10{str(int(power)).translate(_RAISED)};", said[1], *_singled_out_said(shares)]
    image, pen = _sheet(width, 18 + _LINE * (2 + len(lines)))
    image.paste(Image.fromarray(panels.heat_bar(width, 14)), (0, 0))
    for x, anchor, text in ((0, "la", f"≤ {_MINUS}{value}"), (width / 2, "ma", "0"), (width, "ra", f"≥ +{value}")):
        pen.text((x, 18), text, INK, font(), anchor=anchor)
    for x, anchor, text in zip((0, width), ("la", "ra"), ends, strict=True):
        pen.text((x, 18 + _LINE), fit(text, width / 2 - 8), INK, font(), anchor=anchor)
    for number, text in enumerate(lines, start=2):
        pen.text((0, 18 + _LINE * number), fit(text, width), GREY, font())
    return image


def _singled_out_said(shares: npt.NDArray[np.float32]) -> list[str]:
    ringed = shares[panels.singled_out(shares)]
    return [f"ringed: {len(ringed)} pixels, together {signed(float(ringed.sum()))} of it"] if len(ringed) else []


def signed(value: float) -> str:
    """Say a sum with three decimals and a sign that is no hyphen."""
    return f"{value:+.3f}".replace("-", _MINUS)


def _map_said(any_foreground: bool, gold: Array | None) -> list[str]:
    said = [] if any_foreground else ["no pixel was predicted as foreground"]
    if gold is not None and any_foreground:
        said.append("bright: also in the gold mask; dark: not in it")
    return said


def _places(widths: Sequence[int], limit: int) -> list[tuple[int, int]]:
    """Set entries one after the other; where the line is full, begin the next. Gives left edge and line of each."""
    places: list[tuple[int, int]] = []
    x = line = 0
    for width in widths:
        if x > 0 and x + width > limit:
            x, line = 0, line + 1
        places.append((x, line))
        x += width + 20
    return places


def _draw_entry(
    pen: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    colours: tuple[tuple[int, int, int], tuple[int, int, int]],
    text: str,
) -> None:
    left, top = corner
    for number, colour in enumerate(colours):
        x = left + number * _SWATCH
        pen.rectangle((x, top + 2, x + _SWATCH, top + 2 + _SWATCH), colour, GREY)
    pen.text((left + 2 * _SWATCH + 6, top), text, INK, font())


def _sheet(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width, height), panels.WHITE)
    return image, ImageDraw.Draw(image)
