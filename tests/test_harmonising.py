"""Photographs made alike: colours and compression no longer tell them apart, and shapes stay."""

import io

import numpy as np
import pytest
from PIL import Image

from cvs_med import harmonising

SIDE = 160
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
VIEW = np.hypot(ROWS - SIDE / 2, COLUMNS - SIDE / 2) < 0.45 * SIDE


def photograph(colour: tuple[int, int, int], contrast: float) -> np.ndarray:
    """Draw dark lines on a coloured ground."""
    lines = 20 * ((ROWS // 8) % 4 == 0) + 5 * np.sin(COLUMNS / 11)
    planes = [np.clip(channel - contrast * lines, 0, 255) for channel in colour]
    return (np.stack(planes, axis=2) * VIEW[..., None]).astype(np.uint8)


def test_colours_have_the_same_mean_and_contrast() -> None:
    for colour, contrast in (((200, 90, 40), 0.5), ((120, 60, 20), 0.9)):
        inside = harmonising.harmonise(photograph(colour, contrast), VIEW)[VIEW].astype(float)
        assert np.abs(inside.mean(axis=0) - harmonising.MEANS).max() < 3
        assert np.abs(inside.std(axis=0) / harmonising.DEVIATIONS - 1).max() < 0.35


def test_two_exposures_of_one_eye_become_nearly_one_photograph() -> None:
    first, second = (
        harmonising.harmonise(photograph(*exposure), VIEW).astype(float)
        for exposure in (((180, 80, 40), 0.6), ((210, 100, 50), 0.9))
    )
    assert np.abs(first - second)[VIEW].mean() < 2


@pytest.mark.parametrize("quality", [98, 90])
def test_fine_compression_shows_no_more_than_coarse(quality: int) -> None:
    """What the finer compression keeps of noise beyond the coarser is gone."""
    noise = np.random.default_rng(0).normal(0, 2, (SIDE, SIDE, 3))
    noisy = np.clip(photograph((180, 80, 40), 0.6) + noise, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noisy).save(stream, "JPEG", quality=quality)
    found = harmonising.harmonise(np.asarray(Image.open(stream)), VIEW)
    again = io.BytesIO()
    Image.fromarray(found).save(again, "JPEG", quality=harmonising.QUALITY, subsampling=2)
    assert np.abs(np.asarray(Image.open(again)).astype(float) - found)[VIEW].mean() < 0.8


def test_a_photograph_of_one_colour_is_not_blown_up() -> None:
    flat = np.full((SIDE, SIDE, 3), 77, np.uint8)
    found = harmonising.harmonise(flat, np.ones((SIDE, SIDE), bool))
    assert np.ptp(found.astype(int), axis=(0, 1)).max() <= 2
