"""Vessels on the sheet: every pixel knows the nearest vessel, its calibre, and how far from its axis it lies.

The mask is what is drawn: pixels of which a vessel covers at least half.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cvs_med.datasets.phantom.canvas import HALF_WIDTH, Colour, Plane, Sheet, shade
from cvs_med.datasets.phantom.trees import Tree, main_child

ARTERY_TINT: Colour = (0.88, 0.52, 0.60)
VEIN_TINT: Colour = (0.74, 0.40, 0.56)
_ARTERY_REFLEX, _VEIN_REFLEX = 0.34, 0.10
# Half the width in pixels of the thinnest line that stays in one piece. Twigs of which the mean eye's would be far
# thinner than that cannot be seen and are left out, in every eye alike: else small pictures would count the thin ones.
_THINNEST, _INVISIBLE = 0.5, 0.21
_MEAN_TWIG = 0.00136
_SEGMENT_PIXELS = 1.5
_CHUNK = 2_000_000
_FAR = 64.0
_RESOLUTION = 2.0**14


@dataclass(frozen=True)
class _Segments:
    """Short straight pieces of vessel in pixels: middles (N, 2), unit tangents (N, 2), half lengths and radii (N,)."""

    middles: Plane
    tangents: Plane
    half_lengths: Plane
    radii: Plane


@dataclass(frozen=True)
class Traces:
    """One tree on the sheet, (H, W) each.

    Attributes:
        coverage: share of the pixel that is vessel, 0 to 1.
        across: position across the vessel, 0 on its axis and 1 at its wall.
        radii: half the width of the nearest vessel, in heights; 0 where none is near.
    """

    coverage: Plane
    across: Plane
    radii: Plane


def trace(tree: Tree, sheet: Sheet) -> Traces:
    """Return where the tree lies on the sheet, from the exact distance of each pixel to the nearest vessel wall."""
    segments = _segments(tree, sheet)
    keys = _nearest(segments, sheet)
    near = keys < np.iinfo(np.int64).max
    index = (keys[near] & 0xFFFFFFFF).astype(np.int64)
    rows, columns = np.nonzero(near)
    distance = _distance(segments, index, columns, rows)
    radius = segments.radii[index]
    drawn = np.maximum(radius, np.float32(_THINNEST))
    half = np.float32(0.5)
    inside = np.minimum(distance + half, drawn) - np.maximum(distance - half, -drawn)
    return Traces(
        _scattered(near, np.clip(inside, 0, 1).astype(np.float32)),
        _scattered(near, np.clip(distance / drawn, 0, 1).astype(np.float32)),
        _scattered(near, radius / np.float32(sheet.size)),
    )


def _scattered(near: npt.NDArray[np.bool_], values: Plane) -> Plane:
    plane = np.zeros(near.shape, dtype=np.float32)
    plane[near] = values
    return plane


def _segments(tree: Tree, sheet: Sheet) -> _Segments:
    """Cut the smooth curves through the nodes (Catmull-Rom) into pieces of about a pixel and a half."""
    visible = tree.radii / tree.radii.min() * _MEAN_TWIG * sheet.size >= _INVISIBLE
    ends = np.flatnonzero((tree.parents >= 0) & visible)
    main = main_child(tree.parents, tree.radii)
    starts = tree.parents[ends]
    before = np.where(tree.parents[starts] >= 0, tree.parents[starts], starts)
    controls = [tree.points[nodes] for nodes in (before, starts, ends, main[ends])]
    pixels = np.hypot(*(controls[2] - controls[1]).T) * sheet.size
    pieces = max(2, int(np.ceil(np.median(pixels) / _SEGMENT_PIXELS))) if len(pixels) else 2
    t = np.linspace(0, 1, pieces + 1)
    curve = _catmull_rom(controls, t) * sheet.size + np.array([HALF_WIDTH, 0.5]) * sheet.size - 0.5
    mid = (t[1:] + t[:-1]) / 2
    # A branch leaves with its own calibre, not with its parent's.
    own = np.minimum(tree.radii[starts], 1.25 * tree.radii[ends])
    radii = (own[:, None] * (1 - mid) + tree.radii[ends][:, None] * mid) * sheet.size
    return _pieces(curve, radii)


def _catmull_rom(controls: list[npt.NDArray[np.float64]], t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return (edges, len(t), 2) points on the curves from the second to the third of four control points."""
    before, start, end, after = (control[:, None] for control in controls)
    u = t[None, :, None]
    linear, square, cubic = end - before, 2 * before - 5 * start + 4 * end - after, 3 * start - before - 3 * end + after
    return np.asarray(0.5 * (2 * start + linear * u + square * u**2 + cubic * u**3))


def _pieces(curve: npt.NDArray[np.float64], radii: npt.NDArray[np.float64]) -> _Segments:
    ahead = (curve[:, 1:] - curve[:, :-1]).reshape(-1, 2)
    length = np.maximum(np.hypot(ahead[:, 0], ahead[:, 1]), 1e-6)
    middles = ((curve[:, 1:] + curve[:, :-1]) / 2).reshape(-1, 2)
    return _Segments(
        middles.astype(np.float32),
        (ahead / length[:, None]).astype(np.float32),
        (length / 2).astype(np.float32),
        radii.reshape(-1).astype(np.float32),
    )


def _nearest(segments: _Segments, sheet: Sheet) -> npt.NDArray[np.int64]:
    """Return for each pixel the depth below the nearest wall (high bits) and the segment (low 32 bits), packed."""
    keys = np.full(sheet.shape, np.iinfo(np.int64).max, dtype=np.int64)
    reach = np.ceil(np.maximum(segments.radii, _THINNEST) + segments.half_lengths + 1).astype(np.int64)
    for size in np.unique(reach).tolist():
        members = np.flatnonzero(reach == size)
        chunk = max(1, _CHUNK // (2 * size + 1) ** 2)
        for first in range(0, len(members), chunk):
            _stamp(keys, segments, members[first : first + chunk], size)
    return keys


def _stamp(keys: npt.NDArray[np.int64], segments: _Segments, members: npt.NDArray[np.int64], size: int) -> None:
    offset_y, offset_x = (grid.ravel() for grid in np.mgrid[-size : size + 1, -size : size + 1])
    columns = np.rint(segments.middles[members, 0]).astype(np.int64)[:, None] + offset_x
    rows = np.rint(segments.middles[members, 1]).astype(np.int64)[:, None] + offset_y
    index = np.broadcast_to(members[:, None], rows.shape)
    inside = (rows >= 0) & (rows < keys.shape[0]) & (columns >= 0) & (columns < keys.shape[1])
    rows, columns, index = rows[inside], columns[inside], index[inside]
    depth = _distance(segments, index, columns, rows) - segments.radii[index]
    packed = ((depth + _FAR) * _RESOLUTION).astype(np.int64) << 32 | index
    close = depth < 1.5
    np.minimum.at(keys.reshape(-1), rows[close] * keys.shape[1] + columns[close], packed[close])


def _distance(
    segments: _Segments, index: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> Plane:
    """Return the distance in pixels from pixels to segments."""
    tangent = segments.tangents[index]
    x = columns.astype(np.float32) - segments.middles[index, 0]
    y = rows.astype(np.float32) - segments.middles[index, 1]
    beyond = np.maximum(np.abs(x * tangent[:, 0] + y * tangent[:, 1]) - segments.half_lengths[index], 0)
    distance: Plane = np.hypot(x * tangent[:, 1] - y * tangent[:, 0], beyond)
    return distance


def mask(traces: tuple[Traces, ...], field_of_view: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the pixels inside the field of view of which a vessel covers at least half."""
    drawn = np.zeros(field_of_view.shape, dtype=bool)
    for traced in traces:
        drawn |= traced.coverage >= 0.5
    return drawn & field_of_view


def paint_vessels(picture: Plane, arteries: Traces, veins: Traces) -> None:
    """Lay veins and then arteries on the picture, in place."""
    _paint(picture, veins, VEIN_TINT, _VEIN_REFLEX)
    _paint(picture, arteries, ARTERY_TINT, _ARTERY_REFLEX)


def _paint(picture: Plane, traced: Traces, tint: Colour, reflex: float) -> None:
    """Darken by the blood along the line of sight (a cylinder's chord), then add the light reflex on the axis."""
    chord = np.sqrt(1 - np.square(traced.across))
    thickness = 1 - np.exp(-traced.radii / np.float32(0.0016))
    shade(picture, traced.coverage * thickness * (0.45 + 0.55 * chord), tint)
    wide = np.clip(traced.radii / np.float32(0.003) - np.float32(0.5), 0, 1)
    gleam = traced.coverage * wide * np.exp(-np.square(traced.across / np.float32(0.32))) * np.float32(reflex)
    picture += gleam[..., None] * np.array([0.42, 0.24, 0.18], dtype=np.float32)
