import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from cvs_med.decoding.field_of_view import find
from cvs_med.decoding.scaling import stretch, to_eight_bits
from cvs_med.errors import DataError
from cvs_med.images import read_image, read_mask
from cvs_med.types import OwnFile, Reading

COLOURS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
DEEP = (np.arange(600, dtype=np.uint16) * 6 + 100).reshape(20, 30)


def shown(path: Path) -> np.ndarray:
    return read_image(OwnFile(path))


@pytest.mark.parametrize(("suffix", "options"), [("png", {}), ("tif", {}), ("bmp", {}), ("webp", {"lossless": True})])
def test_a_picture_without_loss_is_read_as_it_was_written(
    tmp_path: Path, suffix: str, options: dict[str, bool]
) -> None:
    Image.fromarray(COLOURS).save(tmp_path / f"a.{suffix}", **options)
    np.testing.assert_array_equal(shown(tmp_path / f"a.{suffix}"), COLOURS)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1"])
def test_other_pixel_formats_look_as_pillow_shows_them(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(COLOURS).convert(mode)
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(shown(tmp_path / "a.png"), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_stretched_between_two_percentiles(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(DEEP).save(path)
    low, high = np.percentile(DEEP, (0.5, 99.5))
    expected = np.clip((DEEP - low) / (high - low), 0, 1) * 255
    np.testing.assert_allclose(shown(path)[..., 1], expected, atol=0.51)
    windowed = read_image(OwnFile(path, Reading(window=(1000, 2000))))
    np.testing.assert_allclose(windowed[..., 1], np.clip(DEEP / 2000, 0, 1) * 255, atol=0.51)


def test_colour_of_sixteen_bits_keeps_its_upper_half(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", COLOURS.astype(np.uint16) * 257, photometric="rgb")
    np.testing.assert_array_equal(shown(tmp_path / "a.tif"), COLOURS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_stands_as_every_viewer_shows_it(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(COLOURS).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(shown(tmp_path / "a.png"), expected)


def test_what_has_no_one_meaning_is_refused(tmp_path: Path) -> None:
    clear = np.dstack([COLOURS, np.full((20, 30), 100, dtype=np.uint8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")
    Image.fromarray(COLOURS).convert("CMYK").save(tmp_path / "print.tif")
    page = Image.fromarray(COLOURS)
    page.save(tmp_path / "pages.tif", save_all=True, append_images=[page])
    for name, found in (("clear.png", "transparent"), ("print.tif", "colours CMYK"), ("pages.tif", "2 in one file")):
        with pytest.raises(DataError, match=found):
            shown(tmp_path / name)


def test_a_picture_of_one_value_is_black() -> None:
    assert not to_eight_bits(np.full((3, 3), 700, dtype=np.uint16)).any()
    assert not to_eight_bits(np.full((3, 3), np.nan)).any()


def test_a_scale_may_run_backwards() -> None:
    assert stretch(np.array([0.0, 5.0, 10.0]), 10, 0).tolist() == [255, 128, 0]


def test_the_field_of_view_is_the_bright_disc_with_its_dark_spots() -> None:
    rows, columns = np.mgrid[:100, :120]
    disc = (rows - 50) ** 2 + (columns - 60) ** 2 < 1600
    spot = (rows - 50) ** 2 + (columns - 60) ** 2 < 25
    image = np.where((disc & ~spot)[..., None], 90, 4).astype(np.uint8).repeat(3, axis=2)
    image[2:5, 2:20] = 200  # A line of writing in the corner.
    np.testing.assert_array_equal(find(image), disc)
    assert find(np.zeros_like(image)).all()


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8", ">u2", ">i2"])
def test_values_of_any_type_are_stretched_as_64_bit_floats_are(kind: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-128, 128, (300, 20)) if "i" in kind else rng.integers(0, 256, (300, 20))
    values = (values * (257 if "2" in kind and "f" not in kind else 1)).astype(kind)
    low, high = np.percentile(values.astype(np.float64), (0.5, 99.5))
    expected = np.rint(np.clip((values.astype(np.float64) - low) / (high - low), 0, 1) * 255)
    found = to_eight_bits(values)
    np.testing.assert_array_equal(found, values if kind == "u1" else expected)


def test_two_extremes_are_told_apart() -> None:
    values = np.array([[-32768] * 50 + [32767] * 50], dtype=np.int16)
    np.testing.assert_array_equal(to_eight_bits(values), [[0] * 50 + [255] * 50])


def test_deep_values_are_scaled_without_a_copy_of_eight_bytes_a_pixel() -> None:
    values = np.random.default_rng(0).integers(0, 60_000, (2000, 1000)).astype(np.uint16)
    tracemalloc.start()
    to_eight_bits(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3.5 * values.nbytes


def test_a_mask_of_several_pages_is_refused_with_their_number(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.eye(8, dtype=np.uint8) * np.uint8(255)) for _ in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match="expected one picture, found 3 in one file"):
        read_mask(OwnFile(tmp_path / "a.tif"))
