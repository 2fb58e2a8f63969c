"""Brightness without uneven light, and the folding that PyTorch's `pixel_shuffle` takes back."""

import numpy as np
import pytest
import torch
from torch.nn.functional import pixel_shuffle

from cvs_med import levelling

SIZE, TIMES = 96, 3
SIDE = SIZE * TIMES
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


def seen() -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return np.hypot(rows - SIZE / 2, columns - SIZE / 2) < 0.46 * SIZE


def photograph(light: np.ndarray) -> np.ndarray:
    inside = seen().repeat(TIMES, axis=0).repeat(TIMES, axis=1)
    return np.stack([(np.clip(light, 0, 255) * inside).astype(np.uint8)] * 3, axis=2)


def texture() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(SIDE, SIDE))


def middle(plane: np.ndarray) -> np.ndarray:
    return plane[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4]


@pytest.mark.parametrize(("gain", "offset"), [(0.6, 20), (1.3, -10)])
def test_another_exposure_gives_the_same_brightness(gain: float, offset: float) -> None:
    light = 110 + 12 * texture()
    usual = levelling.level(photograph(light), seen())
    other = levelling.level(photograph(gain * light + offset), seen())
    assert np.corrcoef(middle(usual).ravel(), middle(other).ravel())[0, 1] > 0.99
    assert middle(other).std() == pytest.approx(middle(usual).std(), rel=0.05)


def test_uneven_light_is_taken_off() -> None:
    light = 60 + 100 * COLUMNS / SIDE + 8 * texture()
    found = levelling.level(photograph(light), seen())
    left, right = middle(found)[:, :40].mean(), middle(found)[:, -40:].mean()
    assert abs(left - right) < 0.1
    assert middle(found).std() == pytest.approx(1, abs=0.2)


def test_what_is_folded_is_unfolded_by_pixel_shuffle() -> None:
    plane = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    folded = levelling.fold(plane, TIMES)
    assert folded.shape == (TIMES * TIMES, SIZE, SIZE)
    assert np.array_equal(pixel_shuffle(torch.from_numpy(folded)[None], TIMES)[0, 0].numpy(), plane)


def test_eight_bits_keep_the_brightness_inside_and_nothing_outside() -> None:
    brightness = levelling.level(photograph(110 + 12 * texture()), seen())
    kept = levelling.kept(brightness, seen())
    assert (kept[:, ~seen()] == 0).all()
    back = (kept[:, seen()].astype(float) - 128) / 24
    assert np.abs(back - np.clip(levelling.fold(brightness, TIMES)[:, seen()], -128 / 24, 127 / 24)).max() <= 0.51 / 24
