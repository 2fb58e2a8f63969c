"""The sectors around the disc, and how blue each of their pixels is beside its red."""

import numpy as np
import numpy.typing as npt
import pytest

from cvs_med import fibres
from cvs_med.disc import Disc
from cvs_med.types import Array

SIDE = 120
DISC = Disc(50, 70, 24)
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
RADII = np.hypot(ROWS - DISC.row, COLUMNS - DISC.column) / 12


def painted(red: int = 200, blue: int | npt.NDArray[np.int64] = 40) -> Array:
    image = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = red, 90, blue
    return image


def found(image: Array, seen: npt.NDArray[np.bool_] | None = None) -> tuple[Array, Array]:
    """Give sectors (zero outside of all, then 1 to 4) and steps."""
    everywhere = np.ones((SIDE, SIDE), dtype=np.bool_)
    plane = fibres.find(image, everywhere if seen is None else seen, DISC)
    step = plane % fibres.STEPS
    return np.where(step > 0, plane // fibres.STEPS + 1, 0).astype(np.uint8), step


@pytest.mark.parametrize(
    ("row", "column", "sector"),
    [(50 - 20, 70, 1), (50 + 20, 70, 2), (50, 70 - 20, 3), (50, 70 + 20, 4),
     (50, 70, 0), (50, 70 + 13, 0), (50, 70 + 36, 0), (50 - 13, 70 + 18, 0)],
)  # fmt: skip
def test_each_side_has_its_sector(row: int, column: int, sector: int) -> None:
    assert found(painted())[0][row, column] == sector


def test_the_sectors_lie_in_a_ring_around_the_disc() -> None:
    sectors, _ = found(painted())
    assert RADII[sectors > 0].min() > 1.2
    assert RADII[sectors > 0].max() < 2.8


def test_a_step_is_the_logarithm_of_blue_beside_red() -> None:
    blue = 10 + COLUMNS
    sectors, step = found(painted(blue=blue))
    value = fibres.DARKEST + (step - 1.0) * fibres.UNIT
    np.testing.assert_allclose(value[sectors > 0], np.log(blue / 200)[sectors > 0], atol=fibres.UNIT / 2 + 1e-9)


@pytest.mark.parametrize(("red", "blue", "step"), [(255, 0, 1), (0, 255, 63), (0, 0, 55)])
def test_what_is_beyond_the_steps_is_the_first_or_the_last(red: int, blue: int, step: int) -> None:
    sectors, steps = found(painted(red, blue))
    assert set(steps[sectors > 0].tolist()) == {step}


def test_what_is_not_seen_is_in_no_sector() -> None:
    seen = COLUMNS < 70
    sectors, _ = found(painted(), seen)
    assert not sectors[~seen].any()
    assert set(np.unique(sectors).tolist()) == {0, 1, 2, 3}


def test_a_mirrored_photograph_has_left_and_right_exchanged() -> None:
    image = painted(blue=10 + COLUMNS)
    plain = fibres.find(image, np.ones((SIDE, SIDE), np.bool_), Disc(50, 60, 24))
    mirrored = fibres.find(image[:, ::-1], np.ones((SIDE, SIDE), np.bool_), Disc(50, SIDE - 1 - 60, 24))[:, ::-1]
    np.testing.assert_array_equal(plain % fibres.STEPS, mirrored % fibres.STEPS)
    exchanged = np.array([0, 1, 3, 2])[plain // fibres.STEPS]
    np.testing.assert_array_equal((mirrored // fibres.STEPS)[plain > 0], exchanged[plain > 0])


def test_a_disc_at_the_border_leaves_a_sector_empty() -> None:
    plane = fibres.find(painted(), np.ones((SIDE, SIDE), np.bool_), Disc(2, 60, 24))
    step = plane % fibres.STEPS
    assert 0 not in (plane // fibres.STEPS)[step > 0]
