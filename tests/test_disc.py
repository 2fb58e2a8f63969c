"""The optic disc is found where it was painted, and where it is in photographs of patients."""

import os
from pathlib import Path

import numpy as np
import pytest

from cvs_med import cache
from cvs_med.datasets.phantom import files, scene
from cvs_med.datasets.phantom.anatomy import FIELD_RADIUS
from cvs_med.datasets.phantom.canvas import HALF_WIDTH
from cvs_med.datasets.phantom.develop import Photograph, develop
from cvs_med.disc import DIAMETER, Disc, locate
from cvs_med.images import read_image, read_mask
from cvs_med.squares import DISC_DIAMETERS
from cvs_med.transforms import prepare
from cvs_med.types import Case, Packed

REAL = Path(os.environ.get("CVS_MED_TEST_DATA", "../shared/data")) / "hrf"

# Column and row of the disc's centre in some photographs, as shares of width and height, read off by eye.
BY_EYE = {
    "01_dr": (0.25, 0.50), "03_dr": (0.25, 0.45), "04_dr": (0.80, 0.55), "07_dr": (0.26, 0.46), "12_dr": (0.27, 0.42),
    "15_dr": (0.79, 0.49), "05_g": (0.78, 0.46), "10_g": (0.75, 0.51), "14_g": (0.30, 0.49), "01_h": (0.75, 0.49),
    "08_h": (0.27, 0.45), "10_h": (0.26, 0.48),
}  # fmt: skip

PHANTOMS = 12


def drawn(number: int, size: int) -> tuple[scene.Scene, Photograph]:
    """Paint a phantom, whose disc is known."""
    shown = scene.compose(5, number)
    return shown, develop(shown, size)


def off_by(found: Disc, column: float, row: float) -> float:
    """Give the distance of a disc from where it should be, in diameters of a disc."""
    return float(np.hypot(found.column - column, found.row - row) / found.diameter)


@pytest.mark.parametrize("size", [96, 256])
def test_the_disc_of_a_phantom_is_found(size: int) -> None:
    for number in range(PHANTOMS):
        shown, photograph = drawn(number, size)
        x, y = shown.eye.disc
        found = locate(photograph.image, photograph.field_of_view)
        assert off_by(found, (x + HALF_WIDTH) * size, (y + 0.5) * size) < 0.6, shown.name


def test_a_mirrored_photograph_has_a_mirrored_disc() -> None:
    _, photograph = drawn(1, 256)
    plain = locate(photograph.image, photograph.field_of_view)
    mirrored = locate(
        np.ascontiguousarray(photograph.image[:, ::-1]), np.ascontiguousarray(photograph.field_of_view[:, ::-1])
    )
    assert off_by(mirrored, photograph.image.shape[1] - 1 - plain.column, plain.row) < 0.4


@pytest.mark.parametrize("shade", [0, 90, 255])
def test_a_photograph_without_a_disc_has_a_place_inside(shade: int) -> None:
    view = np.zeros((60, 90), dtype=np.bool_)
    view[5:55, 20:70] = True
    found = locate(np.full((60, 90, 3), shade, dtype=np.uint8), view)
    assert view[found.row, found.column]
    assert found.diameter == pytest.approx(50 * DIAMETER)


def test_the_crop_is_a_square_with_the_disc_in_it(tmp_path: Path) -> None:
    shown, photograph = drawn(2, 192)
    files.write(tmp_path, shown, photograph)
    (image,) = (tmp_path / "images").iterdir()
    case = Case("case", image, 0, None, tmp_path / "mask" / f"{shown.name}_mask.tif")
    prepared = prepare(case, size=64, crop="disc")
    geometry = prepared.geometry
    x, y = (shown.eye.disc[0] + HALF_WIDTH) * 192, (shown.eye.disc[1] + 0.5) * 192
    radius = shown.person.disc_radius * 192
    assert geometry.left < x - radius < x + radius < geometry.left + geometry.crop_width
    assert geometry.top < y - radius < y + radius < geometry.top + geometry.crop_height
    assert 0.3 < geometry.side / (2 * FIELD_RADIUS * 192) < 0.5
    assert prepared.image.shape == (3, 64, 64)


def test_another_crop_is_another_cache(tmp_path: Path) -> None:
    shown, photograph = drawn(0, 96)
    files.write(tmp_path, shown, photograph)
    (image,) = (tmp_path / "images").iterdir()
    cases = [Case("case", image, 0, None, tmp_path / "mask" / f"{shown.name}_mask.tif")]
    found = {
        crop: cache.load(cases, size=32, crop=crop, folder=tmp_path / "cache", workers=1)
        for crop in ("disc", "field_of_view", "none")
    }
    assert len({each.key for each in found.values()}) == 3
    again = cache.load(cases, size=32, crop="disc", folder=tmp_path / "cache", workers=1)
    assert again.images.equal(found["disc"].images)


def test_packed_pictures_are_cropped_too(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3), dtype=np.uint8)
    cases = [Case(str(number), Packed(pictures, number), 0) for number in range(2)]
    found = cache.load(cases, size=32, crop="disc", folder=tmp_path, workers=1)
    assert all(geometry.side < 16 for geometry in found.geometries)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the real photographs are not here")
def test_the_disc_is_in_the_crop_of_real_photographs() -> None:
    half = DISC_DIAMETERS / 2 - 0.5
    for path in sorted((REAL / "images").iterdir()):
        if path.stem in BY_EYE:
            pixels, view = read_image(path), read_mask(REAL / "mask" / f"{path.stem}_mask.tif")
            column, row = (share * side for share, side in zip(BY_EYE[path.stem], pixels.shape[1::-1], strict=True))
            assert off_by(locate(pixels, view), column, row) < half, path.stem
