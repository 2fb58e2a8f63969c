import numpy as np
import pytest

from cvs_med.decoding import field_of_view
from cvs_med.images import read_image, read_mask
from cvs_med.statistics.metrics import dice


def test_it_is_that_of_the_phantoms_masks(phantom_folder: object) -> None:
    folder = phantom_folder / "mask"  # type: ignore[operator]
    for path in sorted((phantom_folder / "images").iterdir()):  # type: ignore[operator]
        found = field_of_view.find(read_image(path))
        assert dice(found, read_mask(next(folder.glob(f"{path.stem}_mask*")))) > 0.95


def test_a_dark_spot_inside_belongs_to_it() -> None:
    rows, columns = np.mgrid[:300, :400]
    inside = (rows - 150) ** 2 + (columns - 200) ** 2 < 140**2
    pixels = np.where(inside[..., None], np.array([180, 60, 20]), 3).astype(np.uint8)
    pixels[140:160, 190:210] = 0
    found = field_of_view.find(pixels)
    assert dice(found, inside) > 0.98
    assert found[150, 200]


@pytest.mark.parametrize("level", [0, 1, 200])
def test_an_even_picture_is_seen_whole(level: int) -> None:
    assert field_of_view.find(np.full((30, 50, 3), level, np.uint8)).all()
