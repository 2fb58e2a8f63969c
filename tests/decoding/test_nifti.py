from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest

from cvs_med.errors import DataError
from cvs_med.images import read_header, read_image, read_mask
from cvs_med.types import OwnFile, Reading

# x to the patient's left, y to the back, z to the head: DICOM's axes.
VOLUME = np.random.default_rng(0).integers(0, 256, (6, 7, 5), dtype=np.uint8)
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def saved(path: Path, values: np.ndarray, affine: np.ndarray = LPS) -> Path:
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


def shown(path: Path, reading: Reading | None = None) -> np.ndarray:
    return read_image(OwnFile(path, reading or Reading()))[..., 0]


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_slices_lie_as_a_radiologist_sees_them(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"a.{suffix}", VOLUME)
    # Rows from front to back, columns from the patient's right to the left.
    np.testing.assert_array_equal(shown(path, Reading("axial", 3)), VOLUME[:, :, 3].T)
    # Rows from head to feet.
    np.testing.assert_array_equal(shown(path, Reading("coronal", 2)), VOLUME[:, 2, ::-1].T)
    np.testing.assert_array_equal(shown(path, Reading("sagittal", 1)), VOLUME[1, :, ::-1].T)


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_volume_reads_the_same_in_whatever_orientation_it_is_stored(tmp_path: Path, plane: str) -> None:
    """nibabel itself stores the volume anew; all 48 ways to lay out its axes give the same slice."""
    expected = shown(saved(tmp_path / "a.nii", VOLUME), Reading(plane, 1))  # type: ignore[arg-type]  # one of the three
    image = nibabel.Nifti1Image(VOLUME, LPS)
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        turned = image.as_reoriented(np.array(list(zip(axes, signs, strict=True))))
        nibabel.save(turned, tmp_path / "b.nii")
        path = OwnFile(tmp_path / "b.nii", Reading(plane, 1))  # type: ignore[arg-type]  # as above
        np.testing.assert_array_equal(read_image(path)[..., 0], expected)
        header = read_header(path)
        assert (header.height, header.width, header.bits) == (*expected.shape, 8)


def test_the_middle_slice_is_the_default(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", VOLUME)
    np.testing.assert_array_equal(shown(path), VOLUME[:, :, 2].T)


def test_two_dimensions_are_one_slice(tmp_path: Path) -> None:
    flat = saved(tmp_path / "flat.nii", VOLUME[:, :, 0])
    thin = saved(tmp_path / "thin.nii", VOLUME[:, :1, :])
    np.testing.assert_array_equal(shown(flat, Reading("sagittal", 4)), VOLUME[:, :, 0].T)
    np.testing.assert_array_equal(shown(thin), VOLUME[:, 0, ::-1].T)


def test_a_mask_is_cut_as_its_image(tmp_path: Path) -> None:
    mask = OwnFile(saved(tmp_path / "m.nii.gz", (VOLUME > 100).astype(np.float32)), Reading("coronal", 2))
    np.testing.assert_array_equal(read_mask(mask, (5, 6)), VOLUME[:, 2, ::-1].T > 100)
    with pytest.raises(DataError, match=r"size of its photograph, 7 x 5, found 6 x 5"):
        read_mask(mask, (5, 7))
    grey = OwnFile(saved(tmp_path / "g.nii", VOLUME))
    with pytest.raises(DataError, match="different values"):
        read_mask(grey)


def test_real_numbers_are_stretched_and_a_window_shows_what_it_says(tmp_path: Path) -> None:
    values = np.linspace(-1000, 1000, 210).reshape(6, 7, 5).astype(np.float32)
    values[0, 0, 2] = np.nan
    path = saved(tmp_path / "a.nii", values)
    assert (shown(path).min(), shown(path).max()) == (0, 255)
    windowed = shown(path, Reading(window=(0, 1000)))
    expected = np.clip((values[:, :, 2].T + 500) / 1000, 0, 1) * 255
    np.testing.assert_allclose(windowed[0, 1:], expected[0, 1:], atol=0.51)
    assert windowed[0, 0] == 0


def test_colours_stay_colours(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (6, 7, 1, 3), dtype=np.uint8)
    stored = pixels.copy().view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    path = saved(tmp_path / "a.nii", stored)
    np.testing.assert_array_equal(read_image(OwnFile(path)), pixels[:, :, 0].transpose(1, 0, 2))


@pytest.mark.parametrize(
    ("values", "affine", "found"),
    [
        (np.zeros((4, 4, 2, 3), dtype=np.uint8), LPS, "4 dimensions, 4 x 4 x 2 x 3"),
        (np.zeros((4, 4, 2), dtype=np.complex64), LPS, "complex"),
        (np.zeros((4, 4, 2), dtype=np.uint8), np.diag([0.0, 0.0, 0.0, 1.0]), "orientation is known, found none"),
    ],
)
def test_what_is_no_volume_is_refused(tmp_path: Path, values: np.ndarray, affine: np.ndarray, found: str) -> None:
    path = tmp_path / "a.nii"
    image = nibabel.Nifti1Image(values, LPS)
    if not affine.any() or not affine[0, 0]:
        image.header.set_sform(affine, code=1)
        image = nibabel.Nifti1Image(values, None, image.header)
        image.header.set_sform(affine, code=1)
        image.header["pixdim"][1:4] = 1
    nibabel.save(image, path)
    with pytest.raises(DataError, match=found):
        read_image(OwnFile(path))


def test_a_slice_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", VOLUME)
    with pytest.raises(DataError, match="expected slice 5, found 5 slices"):
        read_image(OwnFile(path, Reading("axial", 5)))
