"""The layers that lie over a photograph: small pictures of 256 colours, see-through where they have nothing to say."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cvs_med.geometry import Geometry
from cvs_med.images import Mask
from cvs_med.report import panels
from cvs_med.report.case_maps import CaseMap, Shares
from cvs_med.types import Array

GOLD = (255, 255, 255)
OUTLINE = (240, 228, 66)
VIEW = (86, 180, 233)
DRAWN = (240, 228, 66)

_OUTLINE_SIDE = 1536
"""Side at which outlines are drawn, at least, so that a vessel's outline is thinner than the vessel."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer.

    Attributes:
        key: name in programs.
        title: name on the screen.
        legend: (colour, meaning) of what it shows.
        png: the picture.
        left: column of the photograph where its left edge lies.
        top: row of the photograph where its upper edge lies.
        width: columns of the photograph that it covers.
        height: rows that it covers.
        shown: whether it is on at first.
    """

    key: str
    title: str
    legend: tuple[tuple[str, str], ...]
    png: bytes
    left: float
    top: float
    width: float
    height: float
    shown: bool = False


def of_case(case: CaseMap, names: Sequence[str], foreground: str, derived: str, place: Geometry) -> list[Layer]:
    """Draw all layers that a case has.

    Args:
        case: its maps.
        names: of the P classes.
        foreground: what the foreground shows, in the plural.
        derived: name of the class that the model gave.
        place: where the maps lie in the photograph.
    """
    seen = np.ones(case.image.shape[:2], np.bool_) if case.field_of_view is None else case.field_of_view > 0
    drawn = []
    if case.label_map is not None:
        classes = [int(value) - 1 for value in np.unique(case.label_map) if value]
        legend = [(_hex(panels.class_colour(c)), f"{foreground}, as in {names[c]}") for c in classes]
        drawn.append(("label_map", "Predicted map", legend, _label_png(case.label_map), True))
    if case.foreground is not None:
        edge = _outline(_enlarged(case.foreground) >= 128)
        drawn.append(
            ("outline", f"Outline of {foreground}", [(_hex(OUTLINE), "outline")], _plain(edge, OUTLINE), False)
        )
    if case.margin is not None:
        rival = names[case.margin.rival]
        legend = [("#b2182b", f"speaks for {derived}"), ("#2166ac", f"speaks for {rival}")]
        if panels.singled_out(case.margin.shares).any():
            legend.append((_hex(panels.RING), "ring: a spot that weighs far more"))
        drawn.append(("evidence", "Evidence", legend, _heat_png(case.margin.shares), False))
    if case.gold is not None:
        drawn.append(("gold", "Reference mask", [(_hex(GOLD), "drawn by experts")], _plain(case.gold > 0, GOLD), False))
    if not seen.all():
        view = _outline(_enlarged(seen * np.uint8(255)) >= 128)
        drawn.append(("view", "Field of view", [(_hex(VIEW), "edge")], _plain(view, VIEW), False))
    above, before = place.padding
    square = place.left - before, place.top - above, place.side, place.side
    return [Layer(key, title, tuple(legend), png, *square, shown) for key, title, legend, png, shown in drawn]


def of_mask(mask: Mask) -> bytes:
    """Draw a mask of the photograph's own size, (H, W), as a PNG."""
    return _plain(mask, DRAWN)


def _label_png(label_map: Array) -> bytes:
    classes = int(label_map.max(initial=0))
    colours = [(0, 0, 0), *(panels.class_colour(c) for c in range(classes))]
    return _png(label_map, colours, [0] + [255] * classes)


def _plain(mask: Mask, colour: tuple[int, int, int]) -> bytes:
    return _png(mask.astype(np.uint8), [(0, 0, 0), colour], [0, 255])


def _heat_png(shares: Shares) -> bytes:
    """Colour as the report does, from blue over white to red; the weaker, the more the photograph is seen through."""
    limit = panels.heat_limit(shares)
    ramp = np.linspace(-1, 1, 255, dtype=np.float32)
    index = np.round(np.clip(shares / limit, -1, 1) * 127 + 127).astype(np.uint8)
    colours = [(int(r), int(g), int(b)) for r, g, b in panels.heat(ramp[None], 1.0)[0]]
    index[panels.rings(panels.singled_out(shares))] = len(colours)
    return _png(index, [*colours, panels.RING], [*(int(255 * abs(value) ** 0.5) for value in ramp), 255])


def _enlarged(plane: Array) -> Array:
    factor = max(1, round(_OUTLINE_SIDE / plane.shape[0]))
    size = plane.shape[1] * factor, plane.shape[0] * factor
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR))


def _outline(mask: Mask) -> Mask:
    """Keep the pixels of a mask that touch a pixel outside it, or the edge of the picture."""
    around = np.pad(mask, 1)
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return mask & ~inner


def _png(index: Array, colours: Sequence[tuple[int, int, int]], opacity: Sequence[int]) -> bytes:
    image = Image.fromarray(index).convert("P")
    image.putpalette([value for colour in colours for value in colour])
    stream = io.BytesIO()
    bits = 1 if len(colours) <= 2 else 2 if len(colours) <= 4 else 8
    image.save(stream, "PNG", transparency=bytes(opacity), compress_level=3, bits=bits)
    return stream.getvalue()


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
