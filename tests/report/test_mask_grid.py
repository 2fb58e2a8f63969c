"""The grid of masks: a row for each case, a column for each folder, pixels as they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvs_med.datasets import masks
from cvs_med.datasets.masks import Learnt, Origin
from cvs_med.report import mask_grid
from cvs_med.types import Case, Packed

SIDE = 32
LEFT = np.zeros((SIDE, SIDE), dtype=bool)
LEFT[:, :16] = True


def a_case(number: int, label: int, *, masked: bool) -> Case:
    image = np.full((1, SIDE, SIDE, 3), 20 * number, dtype=np.uint8)
    mask = Packed(LEFT[None] * np.uint8(255), 0) if masked else None
    return Case(f"c{number}", Packed(image, 0), label, mask)


def a_folder(folder: Path, names: list[str], mask: np.ndarray, given: tuple[str, ...] | None = None) -> Path:
    """Write a folder of the same mask for each name; `given` makes it one of Seg-2."""
    learnt = None
    if given is not None:
        learnt = Learnt(per_class=2, masks=4, dataset="d", backbone="b", origin="By hand.", given=list(given))
    origin = Origin(method="Seg-2" if learnt else "GrabCut", software={}, settings={}, seed=0, dataset="d",
                    part="train", per_class=None, images={}, fallbacks=[], learnt=learnt)  # fmt: skip
    masks.write(folder, dict.fromkeys(names, mask), origin)
    return folder


def panel(picture: Image.Image, row: int, column: int) -> np.ndarray:
    """Cut a panel out, one array pixel for each of the image's."""
    left, top = 8 + column * 136, 32 + row * 136
    return np.asarray(picture)[top : top + 128 : 4, left : left + 128 : 4]


def test_every_panel_shows_its_mask(tmp_path: Path) -> None:
    cases = [a_case(1, 0, masked=True), a_case(2, 1, masked=False)]
    both = a_folder(tmp_path / "both", ["c1", "c2"], ~LEFT)
    one = a_folder(tmp_path / "one", ["c2"], LEFT)
    picture = mask_grid.draw(cases, [both, one], "reference")
    assert picture.size == (8 + 4 * 136, 32 + 2 * 136)
    for row, number in enumerate((1, 2)):
        assert (panel(picture, row, 0) == 20 * number).all()
        np.testing.assert_array_equal(panel(picture, row, 2)[..., 0] == 255, ~LEFT)
    np.testing.assert_array_equal(panel(picture, 0, 1)[..., 0] == 255, LEFT)
    np.testing.assert_array_equal(panel(picture, 1, 3)[..., 0] == 255, LEFT)
    for row, column in ((1, 1), (0, 3)):
        assert len(np.unique(panel(picture, row, column))) == 1


def test_there_is_no_column_of_references_where_there_are_none(tmp_path: Path) -> None:
    picture = mask_grid.draw([a_case(1, 0, masked=False)], [a_folder(tmp_path / "m", ["c1"], LEFT)], "reference")
    assert picture.width == 8 + 2 * 136


@pytest.mark.parametrize(
    ("height", "width", "size"), [(60, 200, (128, 38)), (40, 20, (60, 120)), (600, 100, (21, 128))]
)
def test_large_and_oblong_masks_fit_their_panel(height: int, width: int, size: tuple[int, int]) -> None:
    assert mask_grid.mask_panel(np.ones((height, width), dtype=bool)).size == size


def test_cases_that_show_something_come_first_and_classes_take_turns(tmp_path: Path) -> None:
    cases = [a_case(number, number % 2, masked=number in (4, 5)) for number in range(8)]
    folder = a_folder(tmp_path / "seg", [case.id for case in cases], LEFT, given=("c4", "c0", "c1"))
    names = [case.id for case in mask_grid.chosen(cases, [folder])]
    assert names == ["c2", "c5", "c6", "c3", "c4", "c7", "c0", "c1"]


def test_no_more_than_ten_cases_are_drawn(tmp_path: Path) -> None:
    cases = [a_case(number, number % 3, masked=False) for number in range(12)]
    folder = a_folder(tmp_path / "seg", [], LEFT)
    mask_grid.write(tmp_path / "grid.png", cases, [folder])
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.height == 32 + 10 * 136


def test_a_folder_is_called_by_its_method_or_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert mask_grid.title(tmp_path / "mine") == "mine"
    assert mask_grid.title(a_folder(tmp_path / "a", [], LEFT)) == "GrabCut"
    assert mask_grid.title(a_folder(tmp_path / "b", [], LEFT, given=())) == "Seg-2"
