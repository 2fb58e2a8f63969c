"""Small dark spots are found; vessels, bright spots, uneven light and the rim of the field of view are none."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter

from cvs_med import levelling, spots

SIZE, FINER = 128, 4
SIDE = SIZE * FINER
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]

Plane = npt.NDArray[np.float64]


def retina() -> Plane:
    """Draw a lit background with noise."""
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(SIDE, SIDE)), 1.5)
    return 120 + 12 * noise


def disc(row: int, column: int, radius: float) -> npt.NDArray[np.bool_]:
    marked: npt.NDArray[np.bool_] = np.hypot(ROWS - row, COLUMNS - column) <= radius
    return marked


def seen() -> npt.NDArray[np.bool_]:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    centre = (SIZE - 1) / 2
    inside: npt.NDArray[np.bool_] = np.hypot(rows - centre, columns - centre) < 0.47 * SIZE
    return inside


def found(light: Plane) -> npt.NDArray[np.float64]:
    inside = np.repeat(np.repeat(seen(), FINER, axis=0), FINER, axis=1)
    fine = (np.clip(light, 0, 255) * inside).astype(np.uint8)
    brightness = levelling.level(np.stack([fine] * 3, axis=2), seen())
    return spots.find(brightness, seen()).astype(np.float64) * spots.UNIT


def test_a_small_dark_spot_is_the_strongest_of_all() -> None:
    light = retina()
    light[disc(200, 301, 2)] -= 40
    strengths = found(light)
    assert np.unravel_index(strengths.argmax(), strengths.shape) == (200 // FINER, 301 // FINER)
    assert strengths.max() > 2 * np.sort(strengths.ravel())[-20]


def test_a_vessel_is_much_weaker_than_a_spot_as_dark() -> None:
    light = retina()
    light[disc(150, 256, 2)] -= 40
    light[np.abs(ROWS + 0.3 * COLUMNS - 400) <= 2] -= 40
    strengths = found(light)
    along = np.abs(np.arange(SIZE)[:, None] * FINER + 0.3 * np.arange(SIZE) * FINER - 400) <= 4 * FINER
    assert strengths[along].max() < 0.6 * strengths[150 // FINER, 256 // FINER]


def test_a_bright_spot_is_none() -> None:
    light = retina()
    light[disc(200, 300, 2)] += 60
    assert found(light)[200 // FINER, 300 // FINER] < 0.05


@pytest.mark.parametrize("change", ["dim", "sloping"])
def test_even_light_is_not_asked_for(change: str) -> None:
    light = retina()
    light[disc(200, 300, 2)] -= 30
    changed = light * 0.6 if change == "dim" else light * (0.7 + 0.6 * COLUMNS / SIDE)
    place = 200 // FINER, 300 // FINER
    assert found(changed)[place] == pytest.approx(found(light)[place], rel=0.15)


def test_the_rim_and_what_lies_beyond_are_left_out() -> None:
    strengths = found(retina())
    assert (strengths[~seen()] == 0).all()
    first = np.flatnonzero(seen()[SIZE // 2])[0]
    assert (strengths[SIZE // 2, first : first + 2] == 0).all()
    assert (strengths[SIZE // 2] > 0).any()


def test_a_mirrored_photograph_has_mirrored_spots() -> None:
    light = np.round(retina())
    np.testing.assert_allclose(found(light[:, ::-1]), found(light)[:, ::-1], atol=2 * spots.UNIT)
