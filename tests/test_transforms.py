from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cvs_med import disc
from cvs_med.errors import DataError
from cvs_med.geometry import Geometry
from cvs_med.transforms import prepare
from cvs_med.types import Case


def write_case(folder: Path, image: np.ndarray, mask: np.ndarray | None, view: np.ndarray | None) -> Case:
    paths: dict[str, Path | None] = {}
    for name, pixels in {"image": image, "mask": mask, "view": view}.items():
        paths[name] = None if pixels is None else folder / f"{name}.png"
        if pixels is not None:
            Image.fromarray(pixels).save(folder / f"{name}.png")
    return Case("case", folder / "image.png", 0, paths["mask"], paths["view"])


def rectangle(height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
    pixels = np.zeros((height, width), dtype=np.uint8)
    pixels[rows, columns] = 255
    return pixels


def blocks(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Mean of every block of factor x factor pixels."""
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    return pixels.reshape(height, factor, width, factor, *pixels.shape[2:]).mean(axis=(1, 3))


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_shrinking_averages_over_areas_of_the_crop(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    mask = (rng.random((50, 70)) < 0.3).astype(np.uint8) * 255
    view = rectangle(50, 70, slice(5, 37), slice(20, 52))
    prepared = prepare(write_case(tmp_path, image, mask, view), size=8, crop="field_of_view")
    inside = slice(5, 37), slice(20, 52)
    np.testing.assert_allclose(prepared.image.permute(1, 2, 0), blocks(image[inside], 4), atol=1.01)
    np.testing.assert_allclose(prepared.foreground, blocks(mask[inside], 4), atol=1.01)
    assert (prepared.field_of_view == 255).all()
    assert prepared.has_mask


def test_nothing_shows_outside_the_field_of_view(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:40, :60]
    view = (((rows - 20) ** 2 + (columns - 30) ** 2 < 300) * 255).astype(np.uint8)
    white = np.full((40, 60), 255, dtype=np.uint8)
    prepared = prepare(write_case(tmp_path, np.stack([white] * 3, -1), white, view), size=16, crop="field_of_view")
    outside = prepared.field_of_view == 0
    assert outside.any()
    assert not prepared.image[:, outside].any()
    assert not prepared.foreground[outside].any()
    assert prepared.image[:, ~outside].all()


def test_a_wide_photograph_is_padded_above_and_below(tmp_path: Path) -> None:
    white = np.full((20, 40, 3), 255, dtype=np.uint8)
    prepared = prepare(write_case(tmp_path, white, None, None), size=20, crop="none")
    assert not prepared.has_mask
    assert not prepared.foreground.any()
    filled = torch.zeros(20, 20, dtype=torch.bool)
    filled[5:15] = True
    torch.testing.assert_close(prepared.field_of_view == 255, filled)
    torch.testing.assert_close(prepared.image[0] == 255, filled)


@pytest.mark.parametrize(
    ("crop", "column", "radius"), [("none", 25.0, 4.0), ("field_of_view", 20.0, 6.0), ("disc", 20.0, 40 / 5.6)]
)
def test_nerve_fibres_lie_around_the_disc_wherever_the_crop_puts_it(
    crop: Literal["none", "field_of_view", "disc"],
    column: float,
    radius: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(disc, "locate", lambda pixels, view: disc.Disc(40, 75, 24))
    image = np.full((80, 120, 3), 90, dtype=np.uint8)
    case = write_case(tmp_path, image, None, rectangle(80, 120, slice(10, 70), slice(35, 115)))
    found = prepare(case, size=40, crop=crop, fibres=True).signs
    assert found is not None
    rows, columns = found[0].nonzero(as_tuple=True)
    distances = torch.hypot(rows - 20.0, columns - column)
    assert 2.8 * radius - 1.5 < distances.max() < 2.8 * radius + 1
    assert 1.2 * radius - 1 < distances.min() < 1.2 * radius + 1.5


def test_an_enlarged_mask_keeps_two_values_and_its_shape(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mask = (rng.random((8, 8)) < 0.4).astype(np.uint8) * 255
    image = np.stack([mask] * 3, axis=-1)
    prepared = prepare(write_case(tmp_path, image, mask, None), size=32, crop="none")
    np.testing.assert_array_equal(prepared.foreground, np.kron(mask, np.ones((4, 4), dtype=np.uint8)))
    assert len(prepared.image.unique()) > 2
    back = prepared.geometry.to_native(prepared.foreground.numpy())
    np.testing.assert_array_equal(back > 127, mask > 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 30), st.integers(0, 40), st.integers(30, 60), st.integers(30, 60), st.sampled_from([16, 24, 33]))
def test_a_thick_thing_survives_the_way_down_and_up(
    tmp_path_factory: pytest.TempPathFactory, top: int, left: int, height: int, width: int, size: int
) -> None:
    rows, columns = np.mgrid[:100, :120]
    view = rectangle(100, 120, slice(top, top + height), slice(left, left + width))
    thick = (rows - top - height // 2) ** 2 + (columns - left - width // 2) ** 2 < 144
    folder = tmp_path_factory.mktemp("case")
    case = write_case(folder, np.zeros((100, 120, 3), np.uint8), (thick * 255).astype(np.uint8), view)
    prepared = prepare(case, size=size, crop="field_of_view")
    native = prepared.geometry.to_native(prepared.foreground.numpy())
    assert dice(native > 127, thick) > 0.9
    assert not native[view == 0].any()


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_corners_of_the_crop_map_exactly(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    crop = data.draw(st.integers(1, height - top)), data.draw(st.integers(1, width - left))
    geometry = Geometry(height, width, top, left, *crop, size=data.draw(st.integers(1, 50)))
    native = geometry.to_native(np.ones((geometry.size, geometry.size), dtype=np.float32))
    expected = rectangle(height, width, slice(top, top + crop[0]), slice(left, left + crop[1])) / 255
    np.testing.assert_allclose(native, expected, atol=1e-6)


def test_positions_do_not_shift_on_the_way_back(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(0, 192, 2, dtype=np.uint8), (96, 96))
    case = write_case(tmp_path, np.stack([ramp] * 3, axis=-1), None, None)
    prepared = prepare(case, size=24, crop="none")
    native = prepared.geometry.to_native(prepared.image.numpy())
    np.testing.assert_allclose(native[0, :, 4:-4], ramp[:, 4:-4], atol=1)


def test_no_pixel_of_a_map_is_lost_when_the_photograph_is_smaller() -> None:
    single_pixels = np.eye(32 * 32, dtype=np.float32).reshape(32 * 32, 32, 32)
    native = Geometry(8, 8, 0, 0, 8, 8, size=32).to_native(single_pixels)
    assert (native.sum(axis=(1, 2)) > 0).all()


def test_leading_axes_are_kept() -> None:
    maps = np.random.default_rng(0).random((2, 3, 4, 4), dtype=np.float32)
    native = Geometry(6, 9, 1, 2, 4, 5, size=4).to_native(maps)
    assert native.shape == (2, 3, 6, 9)
    one = Geometry(6, 9, 1, 2, 4, 5, size=4).to_native(maps[1, 2])
    np.testing.assert_array_equal(native[1, 2], one)


@pytest.mark.parametrize("which", ["mask", "view"])
def test_a_mask_of_another_size_is_refused(tmp_path: Path, which: str) -> None:
    image, fitting = np.zeros((10, 12, 3), dtype=np.uint8), np.full((10, 12), 255, dtype=np.uint8)
    masks = {"mask": fitting, "view": fitting, which: np.full((12, 10), 255, dtype=np.uint8)}
    case = write_case(tmp_path, image, masks["mask"], masks["view"])
    with pytest.raises(DataError, match=rf"{which}\.png: expected the size of its photograph, 12 x 10, found 10 x 12"):
        prepare(case, size=8, crop="field_of_view")
