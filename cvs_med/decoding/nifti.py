"""NIfTI by nibabel: one slice, turned as a radiologist sees it.

Axial slices show the patient's right on the left and the front above; coronal ones the right on the left and the head
above; sagittal ones the front on the left and the head above. A mask stored in another orientation than its image comes
out the same way round. No text of a header is read, so that none of it can be passed on.
"""

import gzip
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from cvs_med.decoding.scaling import Values
from cvs_med.errors import DataError, fault
from cvs_med.types import Array, Reading

SUFFIXES = (".nii", ".nii.gz")

MAX_VOXELS = 500_000_000
"""Largest volume of which a slice is read; one of 512 x 512 x 1900 just passes."""

_PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
"""Axes of a volume whose indices grow to the patient's left, back and head."""


def shape(path: Path, reading: Reading) -> tuple[int, int, int]:
    """Give rows, columns and bits of the slice, without decoding it.

    Raises:
        DataError: as `values`.
    """
    image = _opened(path)
    source, others, _ = _cut(path, image, reading)
    del source
    rows, columns = (_sides(image)[axis] for axis in others)
    kind = image.get_data_dtype()
    return rows, columns, 8 if kind.fields else 8 * kind.itemsize


def values(path: Path, reading: Reading, most: int) -> Values:
    """Read one slice.

    Args:
        path: `.nii` or `.nii.gz`.
        reading: plane and slice; a file of two dimensions has but one.
        most: pixels that may be decoded.

    Returns:
        (H, W), or (H, W, 3) for a file of colours.

    Raises:
        DataError: damaged, of four dimensions, too large, without the slice, or of complex numbers.
    """
    image = _opened(path)
    source, (rows, columns), flips = _cut(path, image, reading)
    sides = _sides(image)
    if sides[rows] * sides[columns] > most:
        raise fault(path, f"at most {most // 1_000_000} million pixels", "more", "Scale the image down.")
    number = _number(path, sides[source], flips[source], reading)
    place = [number if axis == source else slice(None) for axis in range(3)]
    try:
        plane = np.asanyarray(image.dataobj[tuple([*place, *([0] * len(image.shape[3:]))][: len(image.shape)])])
    except Exception:  # Damaged files lead nibabel to almost any kind of exception; its words are not ours to pass on.
        raise _damaged(path) from None
    return _turned(path, plane, rows, columns, flips)


def placed(path: Path, reading: Reading, labels: Array) -> bytes:
    """Put a label map (H, W) of the slice that `values` gives back to where the slice lies in its volume.

    Returns:
        A gzipped NIfTI file of that one slice with the volume's affine, and nothing else of its header.

    Raises:
        DataError: as `values`.
    """
    import nibabel

    image = _opened(path)
    source, (rows, columns), flips = _cut(path, image, reading)
    plane = labels[:: -1 if flips[rows] else 1, :: -1 if flips[columns] else 1]
    plane = np.expand_dims(plane.T if rows > columns else plane, source)
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3, 3] += affine[:3, source] * _number(path, _sides(image)[source], flips[source], reading)
    written = nibabel.Nifti1Image(np.ascontiguousarray(plane), affine)
    # No time of writing, so that equal maps are equal bytes.
    return gzip.compress(written.to_bytes(), 1, mtime=0)


def _turned(path: Path, plane: Any, rows: int, columns: int, flips: dict[int, bool]) -> Values:  # noqa: ANN401 - an array of any type
    if np.iscomplexobj(plane):
        raise fault(path, "real numbers", "complex ones", "Save the magnitude.")
    if plane.dtype.fields:
        plane = np.stack([plane[name] for name in list(plane.dtype.names)[:3]], axis=-1)
    if rows > columns:
        plane = np.swapaxes(plane, 0, 1)
    if flips[rows]:
        plane = plane[::-1]
    found: Values = plane[:, ::-1] if flips[columns] else plane
    return found


def _opened(path: Path) -> Any:  # noqa: ANN401 - nibabel has no types
    import nibabel  # Slow to import, and needed for these files alone.

    logging.getLogger("nibabel").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"nibabel\b")
    try:
        kinds = [kind for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image) if kind.path_maybe_image(path)[0]]
        image = kinds[0].from_filename(path)
        sides = tuple(int(side) for side in image.shape)
        kind = image.get_data_dtype()
    except PermissionError:
        raise fault(path, "a readable file", "no permission to read it", "Allow reading, e.g. chmod u+r.") from None
    except Exception:  # See `values`.
        raise _damaged(path) from None
    if len(sides) < 2 or any(side < 1 for side in sides) or kind.hasobject:
        raise _damaged(path)
    if any(side > 1 for side in sides[3:]):
        found = f"{len(sides)} dimensions, {' x '.join(map(str, sides[:7]))}"
        raise fault(path, "an image or a volume", found, "Save one time point or one channel as its own file.")
    if np.prod(sides, dtype=object) > MAX_VOXELS:
        raise fault(path, f"at most {MAX_VOXELS // 1_000_000} million voxels", "more", "Crop or scale the volume.")
    return image


def _sides(image: Any) -> tuple[int, int, int]:  # noqa: ANN401 - see `_opened`
    sides = (*image.shape[:3], 1)
    return int(sides[0]), int(sides[1]), int(sides[2])


def _cut(path: Path, image: Any, reading: Reading) -> tuple[int, tuple[int, int], dict[int, bool]]:  # noqa: ANN401 - see `_opened`
    """Find the stored axis that is cut through, those of rows and columns, and which of the three run backwards."""
    from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

    try:
        turn = ornt_transform(io_orientation(image.affine), axcodes2ornt("LPS"))
        axes = {int(target): stored for stored, (target, _) in enumerate(turn)}
        flips = {stored: sign < 0 for stored, (_, sign) in enumerate(turn)}
        flat = [stored for stored, side in enumerate(_sides(image)) if side == 1]
        source = flat[0] if len(flat) == 1 else axes[_PLANES[reading.plane]]
        left = [target for target in range(3) if axes[target] != source]
        columns, rows = axes[left[0]], axes[left[1]]
    except Exception:  # An affine of zeros or of no numbers.
        remedy = "Write its orientation (the affine) anew, or save the slice as PNG."
        raise fault(path, "a volume whose orientation is known", "none", remedy) from None
    if left[1] == _PLANES["axial"]:  # The head is above.
        flips[rows] = not flips[rows]
    return source, (rows, columns), flips


def _number(path: Path, slices: int, flipped: bool, reading: Reading) -> int:
    number = slices // 2 if reading.slice == "middle" else reading.slice
    if slices == 1:
        return 0
    if number >= slices:
        raise fault(path, f"slice {number}", f"{slices} slices, from 0", "Choose another slice in dataset.yaml.")
    return slices - 1 - number if flipped else number


def _damaged(path: Path) -> DataError:
    remedy = "Copy the file again from its source; it is damaged or incomplete."
    return fault(path, "a whole NIfTI file", "another format, or damage", remedy)
