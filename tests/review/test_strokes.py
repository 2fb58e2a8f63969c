"""Strokes become pixels of the photograph, and nothing but strokes does."""

import numpy as np
import pytest

from cvs_med.errors import ReviewError
from cvs_med.review import strokes


def drawn(mask: np.ndarray, *sent: dict[str, object]) -> np.ndarray:
    return strokes.apply(mask, strokes.parse(list(sent)))


def brush(points: list[tuple[float, float]], radius: float = 5, *, erase: bool = False) -> dict[str, object]:
    return {"tool": "brush", "erase": erase, "radius": radius, "points": points}


EMPTY = np.zeros((60, 80), dtype=np.bool_)


def test_a_dot_is_a_disc() -> None:
    rows, columns = np.mgrid[:60, :80] + 0.5
    disc = (columns - 30) ** 2 + (rows - 20) ** 2 <= 7**2
    dot = drawn(EMPTY, brush([(30, 20)], 7))
    assert (dot ^ disc).sum() <= 0.1 * disc.sum()


def test_a_line_is_as_wide_as_the_brush() -> None:
    line = drawn(EMPTY, brush([(10, 30), (70, 30)], 4))
    assert abs(int(line[:, 40].sum()) - 8) <= 1
    assert line[30, 10:70].all()


def test_erasing_undoes_adding_and_leaves_the_rest() -> None:
    mask = np.random.default_rng(0).random((60, 80)) < 0.2
    before = mask.copy()
    track = [(10.0, 10.0), (40.0, 30.0), (70.0, 12.0)]
    touched = drawn(EMPTY, brush(track))
    erased = drawn(mask, brush(track), brush(track, erase=True))
    assert not erased[touched].any()
    np.testing.assert_array_equal(erased[~touched], mask[~touched])
    np.testing.assert_array_equal(mask, before)


def test_a_polygon_fills_what_it_encloses() -> None:
    box = drawn(
        EMPTY, {"tool": "polygon", "erase": False, "radius": 1, "points": [(10, 10), (30, 10), (30, 25), (10, 25)]}
    )
    assert box[12:24, 12:29].all()
    assert not box[:9].any()
    assert not box[:, 32:].any()
    two_corners = {"tool": "polygon", "erase": False, "radius": 1, "points": [(10, 10), (30, 10)]}
    assert not drawn(EMPTY, two_corners).any()


def test_strokes_beyond_the_edge_are_cut() -> None:
    assert drawn(EMPTY, brush([(-50, -50), (200, 150)], 3)).any()


def test_without_strokes_the_mask_is_the_same() -> None:
    assert strokes.apply(EMPTY, strokes.parse(None)) is EMPTY


@pytest.mark.parametrize(
    "sent",
    [
        "text", [{"tool": "flood", "erase": False, "radius": 1, "points": [(1, 1)]}], [brush([])], [brush([(1e9, 0)])],
        [brush([(float("nan"), 0)])], [brush([(1, 1)], 1e6)], [brush([(1, 1)]) | {"more": 1}], [brush([(1, 1)])] * 5001,
    ],
)  # fmt: skip
def test_anything_else_is_refused(sent: object) -> None:
    with pytest.raises(ReviewError, match="strokes"):
        strokes.parse(sent)
