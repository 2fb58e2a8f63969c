"""One picture per case: the photograph, what was seen in it, and what that says about the class.

Drawn with PIL alone: pixels stay whole (a vessel may be one pixel wide), and a case takes a fraction of a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from cvs_med.report import legends, panels
from cvs_med.report.case_maps import CaseMap, Margin, Shares
from cvs_med.report.lettering import GREY, INK, fit, font
from cvs_med.types import Array, Prediction

_SMALLEST = 384
"""Side of a panel in pixels, at least: smaller maps are enlarged by a whole factor."""
_MARGIN = 16
_HEADER = 68
_TITLE = 24
_MOST_IN_A_ROW = 3
RIGHT = (0, 90, 140)
WRONG = (170, 50, 0)
_MOST_BARS = 12


@dataclass(frozen=True, slots=True)
class Overlay:
    """A case drawn.

    Attributes:
        whole: panels with title, probabilities and legends.
        pictures: those of the panels alone, in rows.
    """

    whole: Image.Image
    pictures: Sequence[Sequence[Image.Image]]

    @property
    def strip(self) -> Image.Image:
        """Give the panels alone, in the same rows, for a gallery that has its own words."""
        return _stack([_beside(row) for row in self.pictures])


@dataclass(frozen=True, slots=True)
class Badge:
    """A word in a frame; a filled one warns, told from an outline in black and white too."""

    text: str
    colour: tuple[int, int, int]
    filled: bool


@dataclass(frozen=True, slots=True)
class _Panel:
    """A picture, what stands above it and, if there is something to explain, what stands below it."""

    title: str
    picture: Image.Image
    legend: Image.Image | None = None


def draw(prediction: Prediction, case: CaseMap, class_names: Sequence[str]) -> Overlay:
    """Draw a case whose class is known: up to three panels side by side, four in two rows.

    Args:
        prediction: its row of predictions.csv.
        case: its maps.
        class_names: names of the P classes.
    """
    derived, reference = class_names[prediction.predicted], class_names[prediction.label]
    badge = Badge("✓ RIGHT", RIGHT, False) if derived == reference else Badge("✗ WRONG", WRONG, True)
    title = f"{prediction.case_id}   derived: {derived}   reference: {reference}"
    return draw_titled(badge, title, prediction.probabilities, case, class_names)


def draw_titled(
    badge: Badge, title: str, probabilities: Sequence[float], case: CaseMap, class_names: Sequence[str]
) -> Overlay:
    """Draw a case under a title; see `draw`.

    Args:
        badge: what stands first.
        title: the line beside it; cut off where the picture ends.
        probabilities: of the P classes.
        case: its maps; evidence and margin are those of the most probable class.
        class_names: names of the P classes.
    """
    drawn = _panels(probabilities, case, class_names)
    columns = len(drawn) if len(drawn) <= _MOST_IN_A_ROW else 2
    rows = [drawn[start : start + columns] for start in range(0, len(drawn), columns)]
    body = _stack([_beside([_captioned(panel) for panel in row]) for row in rows])
    whole = Image.new("RGB", (body.width + 2 * _MARGIN, _HEADER + body.height + _MARGIN), panels.WHITE)
    whole.paste(body, (_MARGIN, _HEADER))
    _draw_header(ImageDraw.Draw(whole), badge, title, probabilities, class_names, whole.width)
    return Overlay(whole, [[panel.picture for panel in row] for row in rows])


def _panels(probabilities: Sequence[float], case: CaseMap, names: Sequence[str]) -> list[_Panel]:
    derived = names[int(np.argmax(probabilities))]
    photograph = _enlarge(case.image)
    side = photograph.width
    drawn = [_Panel("Image", photograph)]
    if case.label_map is not None:
        title = "Predicted map" if case.gold is None else "Predicted map against the gold mask"
        picture = _enlarge(panels.predicted_map(case.image, case.label_map, case.gold))
        drawn.append(_Panel(title, picture, legends.map_legend(case.label_map, case.gold, names, side)))
    if case.evidence is not None:
        drawn.append(_evidence(case.evidence, case.score, derived, side))
    if case.margin is not None:
        drawn.append(_margin(case.margin, derived, names[case.margin.rival], side))
    if len(drawn) == 1:
        drawn.append(_Panel("Probabilities (this method has no map)", _bars(probabilities, names, photograph.height)))
    return drawn


def _evidence(shares: Shares, score: float | None, derived: str, side: int) -> _Panel:
    total = float(shares.sum(dtype=np.float64)) if score is None else score
    said = "each pixel's share of the score", f"all pixels sum to the score, {legends.signed(total)}"
    legend = legends.heat_legend(shares, ("lowers the score", "raises the score"), said, side)
    return _Panel(f"Evidence for {derived}", _heat(shares), legend)


def _margin(margin: Margin, derived: str, rival: str, side: int) -> _Panel:
    said = "each pixel's share of the lead", f"all pixels sum to the lead, {legends.signed(margin.total)}"
    legend = legends.heat_legend(margin.shares, (f"for {rival}", f"for {derived}"), said, side)
    return _Panel(f"Why {derived} rather than {rival}", _heat(margin.shares), legend)


def _heat(shares: Shares) -> Image.Image:
    picture = panels.heat(shares, panels.heat_limit(shares))
    picture[panels.rings(panels.singled_out(shares))] = panels.RING
    return _enlarge(picture)


def _captioned(panel: _Panel) -> Image.Image:
    """Put the title above a picture and the legend below it."""
    title = Image.new("RGB", (panel.picture.width, _TITLE), panels.WHITE)
    ImageDraw.Draw(title).text((0, 0), fit(panel.title, title.width), INK, font())
    picture = _stack([title, panel.picture], gap=0)
    return picture if panel.legend is None else _stack([picture, panel.legend], gap=10)


def _beside(images: Sequence[Image.Image]) -> Image.Image:
    """Set pictures side by side, their upper edges in line."""
    row = Image.new(
        "RGB", (sum(i.width + _MARGIN for i in images) - _MARGIN, max(i.height for i in images)), panels.WHITE
    )
    left = 0
    for image in images:
        row.paste(image, (left, 0))
        left += image.width + _MARGIN
    return row


def _stack(images: Sequence[Image.Image], gap: int = _MARGIN) -> Image.Image:
    """Set pictures one below the other, their left edges in line."""
    pile = Image.new("RGB", (max(i.width for i in images), sum(i.height + gap for i in images) - gap), panels.WHITE)
    top = 0
    for image in images:
        pile.paste(image, (0, top))
        top += image.height + gap
    return pile


def _enlarge(picture: Array) -> Image.Image:
    """Enlarge by a whole factor, so that every map pixel keeps its shape."""
    factor = -(-_SMALLEST // min(picture.shape[:2]))
    image = Image.fromarray(picture)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _draw_header(
    pen: ImageDraw.ImageDraw,
    badge: Badge,
    title: str,
    probabilities: Sequence[float],
    names: Sequence[str],
    width: int,
) -> None:
    edge = _MARGIN + font(bold=True).getlength(badge.text) + 16
    pen.rounded_rectangle((_MARGIN, 8, edge, 34), 5, badge.colour if badge.filled else None, badge.colour, 2)
    pen.text((_MARGIN + 8, 11), badge.text, panels.WHITE if badge.filled else badge.colour, font(bold=True))
    pen.text((edge + 12, 11), fit(title, width - edge - 28, bold=True), INK, font(bold=True))
    order = np.argsort(probabilities)[::-1]
    shares = "   ".join(f"{names[c]} {probabilities[c]:.3f}" for c in order)
    pen.text((_MARGIN, 40), fit(f"Probabilities:  {shares}", width - 2 * _MARGIN), GREY, font())


def _bars(probabilities: Sequence[float], names: Sequence[str], side: int) -> Image.Image:
    """Draw a bar for each of the most probable classes."""
    image = Image.new("RGB", (side, side), panels.WHITE)
    pen = ImageDraw.Draw(image)
    order = np.argsort(probabilities)[::-1][:_MOST_BARS]
    height = min(side // len(order), 64)
    for row, c in enumerate(order):
        share, top = probabilities[c], row * height
        pen.text((0, top), fit(f"{share:.3f}  {names[c]}", side), INK, font())
        pen.rectangle((0, top + 20, side - 1, top + height - 8), None, GREY)
        pen.rectangle((0, top + 20, share * (side - 1), top + height - 8), panels.class_colour(int(c)), GREY)
    return image
