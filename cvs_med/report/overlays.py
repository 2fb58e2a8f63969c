"""One picture per case: the photograph, what was seen in it, and what that says about the class.

Drawn with PIL alone: pixels stay whole (a vessel may be one pixel wide), and a case takes a fraction of a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import floor, log10
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cvs_med.report import panels
from cvs_med.report.case_maps import CaseMap
from cvs_med.types import Array, Prediction

_SMALLEST = 384
"""Side of a panel in pixels, at least: smaller maps are enlarged by a whole factor."""
_MARGIN = 16
_HEADER = 92
_FOOTER = 100
_TEXT = 16
_INK = (20, 20, 20)
_GREY = (95, 95, 95)
_RIGHT = (0, 90, 140)
_WRONG = (170, 50, 0)
_MOST_BARS = 12
_MINUS, _TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Overlay:
    """A case drawn.

    Attributes:
        whole: panels with title, probabilities and legend.
        strip: the panels alone, side by side, for a gallery that has its own words.
    """

    whole: Image.Image
    strip: Image.Image


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    picture: Image.Image


def draw(prediction: Prediction, case: CaseMap, class_names: Sequence[str]) -> Overlay:
    """Draw a case.

    Args:
        prediction: its row of predictions.csv.
        case: its maps.
        class_names: names of the P classes.
    """
    row = _panels(prediction, case, class_names)
    side = row[0].picture.height
    strip = Image.new("RGB", (len(row) * (side + _MARGIN) - _MARGIN, side), panels.WHITE)
    for number, panel in enumerate(row):
        strip.paste(panel.picture, (number * (side + _MARGIN), 0))
    whole = Image.new("RGB", (strip.width + 2 * _MARGIN, _HEADER + side + _FOOTER), panels.WHITE)
    whole.paste(strip, (_MARGIN, _HEADER))
    pen = ImageDraw.Draw(whole)
    _draw_header(pen, prediction, class_names, whole.width)
    for number, panel in enumerate(row):
        left = _MARGIN + number * (side + _MARGIN)
        pen.text((left, _HEADER - 24), _fit(panel.title, side), _INK, _font())
    if case.label_map is not None:
        _draw_legend(pen, case, class_names, (_MARGIN, _HEADER + side + 10, 2 * side))
    if case.evidence is not None:
        _draw_scale(whole, case, (_MARGIN + 2 * (side + _MARGIN), _HEADER + side + 10, side))
    return Overlay(whole, strip)


def _panels(prediction: Prediction, case: CaseMap, class_names: Sequence[str]) -> list[_Panel]:
    row = [_Panel("Image", _enlarge(case.image))]
    if case.label_map is not None:
        title = "Predicted map" if case.gold is None else "Predicted map against the gold mask"
        row.append(_Panel(title, _enlarge(panels.predicted_map(case.image, case.label_map, case.gold))))
    if case.evidence is not None:
        picture = panels.heat(case.evidence, panels.heat_limit(case.evidence))
        row.append(_Panel(f"Evidence for {class_names[prediction.predicted]}", _enlarge(picture)))
    if len(row) == 1:
        row.append(
            _Panel("Probabilities (this method has no map)", _bars(prediction, class_names, row[0].picture.height))
        )
    return row


def _enlarge(picture: Array) -> Image.Image:
    """Enlarge by a whole factor, so that every map pixel keeps its shape."""
    factor = -(-_SMALLEST // min(picture.shape[:2]))
    image = Image.fromarray(picture)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _draw_header(pen: ImageDraw.ImageDraw, prediction: Prediction, names: Sequence[str], width: int) -> None:
    right = prediction.predicted == prediction.label
    badge, colour = ("✓ RIGHT", _RIGHT) if right else ("✗ WRONG", _WRONG)
    edge = _MARGIN + _font(bold=True).getlength(badge) + 16
    # A wrong case is a filled badge, a right one an outline: told apart in black and white too.
    pen.rounded_rectangle((_MARGIN, 8, edge, 34), 5, None if right else colour, colour, 2)
    pen.text((_MARGIN + 8, 11), badge, colour if right else panels.WHITE, _font(bold=True))
    said = f"{prediction.case_id}   derived: {names[prediction.predicted]}   reference: {names[prediction.label]}"
    pen.text((edge + 12, 11), _fit(said, width - edge - 28, bold=True), _INK, _font(bold=True))
    order = np.argsort(prediction.probabilities)[::-1]
    shares = "   ".join(f"{names[c]} {prediction.probabilities[c]:.3f}" for c in order)
    pen.text((_MARGIN, 40), _fit(f"Probabilities:  {shares}", width - 2 * _MARGIN), _GREY, _font())


def _draw_legend(pen: ImageDraw.ImageDraw, case: CaseMap, names: Sequence[str], place: tuple[int, int, int]) -> None:
    """Name the colours of the classes that the map holds, from the left edge on, wrapping at the width."""
    present = [int(value) - 1 for value in np.unique(case.label_map) if value > 0] if case.label_map is not None else []
    entries = [(panels.class_colour(c), panels.extra_colour(c), names[c]) for c in present]
    if case.gold is not None:
        entries.append((panels.MISSED, panels.MISSED, "gold, missed"))
    left, top, width = place
    pen.text((left, top), "Map:", _INK, _font())
    x = left = left + 52
    for colour, extra, name in entries:
        text = _fit(name, width // 2)
        advance = int(_font().getlength(text)) + 60
        if x > left and x + advance > width:
            x, top = left, top + 24
        pen.rectangle((x, top + 2, x + 16, top + 16), colour, _GREY)
        pen.rectangle((x + 16, top + 2, x + 32, top + 16), colour if case.gold is None else extra, _GREY)
        pen.text((x + 38, top), text, _INK, _font())
        x += advance
    if case.gold is not None:
        pen.text((left, top + 24), "bright: also in the gold mask; dark: not in the gold mask", _GREY, _font())


def _draw_scale(whole: Image.Image, case: CaseMap, place: tuple[int, int, int]) -> None:
    """Draw the colour bar of the evidence, and say what it sums to."""
    if case.evidence is None:
        return
    left, top, width = place
    limit = panels.heat_limit(case.evidence)
    power = floor(log10(limit))
    whole.paste(Image.fromarray(panels.heat_bar(width, 14)), (left, top))
    pen = ImageDraw.Draw(whole)
    value = f"{limit / 10**power:.1f}"
    pen.text((left, top + 16), f"≤ {_MINUS}{value} against", _INK, _font())
    pen.text((left + width / 2, top + 16), "0", _INK, _font(), anchor="ma")
    pen.text((left + width, top + 16), f"for ≥ +{value}", _INK, _font(), anchor="ra")
    total = float(case.evidence.sum(dtype=np.float64)) if case.score is None else case.score
    unit = f"each pixel's share of the score, {_TIMES} 10{str(power).translate(_RAISED)};"
    pen.text((left, top + 40), _fit(unit, width), _GREY, _font())
    said = f"all pixels sum to the score, {total:.3f}".replace("-", _MINUS)
    pen.text((left, top + 62), _fit(said, width), _GREY, _font())


def _bars(prediction: Prediction, names: Sequence[str], side: int) -> Image.Image:
    """Draw a bar for each of the most probable classes."""
    image = Image.new("RGB", (side, side), panels.WHITE)
    pen = ImageDraw.Draw(image)
    order = np.argsort(prediction.probabilities)[::-1][:_MOST_BARS]
    height = min(side // len(order), 64)
    for row, c in enumerate(order):
        share, top = prediction.probabilities[c], row * height
        pen.text((0, top), _fit(f"{share:.3f}  {names[c]}", side), _INK, _font())
        pen.rectangle((0, top + 20, side - 1, top + height - 8), None, _GREY)
        pen.rectangle((0, top + 20, share * (side - 1), top + height - 8), panels.class_colour(int(c)), _GREY)
    return image


@cache
def _font(*, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Open the font that matplotlib brings along: the same letters on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), _TEXT)


def _fit(text: str, width: float, *, bold: bool = False) -> str:
    """Shorten a text to a width in pixels."""
    font = _font(bold=bold)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
