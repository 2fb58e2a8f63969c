"""Reading image files safely: what the header says first, pixels only when the header is acceptable.

The files of a known data set are read as they must be, 8-bit RGB; those of a user's own folder (`types.OwnFile`) may be
of any kind in `decoding`, and become 8-bit RGB here.

Everything that can be wrong with a file becomes a `DataError` that names the file and the remedy; no exception of the
decoder leaves this module. Every number of pixels is capped before a decoder allocates memory for it.
"""

from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from cvs_med.decoding import dicom, field_of_view, nifti, raster
from cvs_med.decoding.opening import MAX_PIXELS, Header, header_of, opened
from cvs_med.decoding.scaling import Values, to_eight_bits
from cvs_med.errors import DataError, Problem, fault
from cvs_med.types import Array, Case, Empty, OwnFile, Packed, Picture

Kind: TypeAlias = Literal["raster", "dicom", "nifti"]

Mask: TypeAlias = npt.NDArray[np.bool_]


def kind_of(path: Path) -> Kind | None:
    """Tell by its name how a file is read, and DICOM without a known ending by its content; None for anything else."""
    name = path.name.lower()
    if name.endswith(raster.SUFFIXES):
        return "raster"
    if name.endswith(nifti.SUFFIXES):
        return "nifti"
    return "dicom" if name.endswith(dicom.SUFFIXES) or dicom.is_dicom(path) else None


def read_header(picture: Path | OwnFile) -> Header:
    """Read size, pixel format and orientation without decoding pixels.

    Raises:
        DataError: the file cannot be opened, is no image of a known format, or has more than `MAX_PIXELS` pixels.
    """
    path = picture if isinstance(picture, Path) else picture.path
    kind = "raster" if isinstance(picture, Path) else kind_of(path)
    if isinstance(picture, OwnFile) and kind == "nifti":
        rows, columns, bits = nifti.shape(path, picture.reading)
        return Header(columns, rows, "NIfTI", bits, 1)
    if kind == "dicom":
        rows, columns, bits, mode = dicom.shape(path)
        return Header(columns, rows, mode, bits, 1)
    with opened(path) as image:
        return header_of(image)


def read_image(picture: Picture) -> Array:
    """Decode a colour photograph, or take it out of its packed file.

    Returns:
        Array of shape (H, W, 3), 8 bits, red, green and blue.

    Raises:
        DataError: as `read_header`, and if the file is truncated; of a known data set also if it is turned by EXIF, or
            not 8-bit RGB.
    """
    if isinstance(picture, Packed):
        return picture.pixels
    if isinstance(picture, OwnFile):
        return _in_colour(_own(picture))
    with opened(picture) as image:
        problem = _photograph_fault(picture, header_of(image))
        if problem:
            raise DataError([problem])
        return np.asarray(image)


def read_mask(picture: Picture, shape: tuple[int, int] | None = None) -> Mask:
    """Decode a binary mask stored as 0 and 255 (or 0 and 1), in one channel or in three equal ones.

    Args:
        picture: the file, or one of many masks of a packed file, which were checked when that was read.
        shape: (H, W) of the photograph that the mask belongs to; None leaves the size unchecked.

    Returns:
        Boolean array of shape (H, W), somewhere true unless the file may be empty.

    Raises:
        DataError: as `read_header`, and if the file is truncated, turned by EXIF, of another size than the photograph,
            empty though it may not be, or not binary.
    """
    if isinstance(picture, Packed):
        return picture.pixels > 0
    if isinstance(picture, OwnFile) and kind_of(picture.path) == "nifti":
        values = nifti.values(picture.path, picture.reading, MAX_PIXELS)
        _require_size(picture.path, (values.shape[0], values.shape[1]), shape)
        return _not_empty(picture.path, _binary(picture.path, _one_channel(picture.path, values)), picture.empty)
    path, empty = (picture.path, picture.empty) if isinstance(picture, OwnFile) else (picture, "refused")
    with opened(path) as image:
        header = header_of(image)
        problem = _mask_fault(path, header)
        if problem:
            raise DataError([problem])
        raster.require_one(path, image)
        _require_size(path, (header.height, header.width), shape)
        return _not_empty(path, _binary(path, _one_channel(path, np.asarray(image))), empty)


def read_foreground(case: Case, shape: tuple[int, int]) -> Mask | None:
    """Decode the foreground mask (H, W) of a case: everywhere true for "field"; None without a mask.

    Raises:
        DataError: as `read_mask`.
    """
    if case.mask == "field":
        return np.ones(shape, dtype=np.bool_)
    return None if case.mask is None else read_mask(case.mask, shape)


def read_field_of_view(case: Case, shape: tuple[int, int], image: Array | None = None) -> Mask:
    """Decode the field of view (H, W) of a case, or find it in its image; everywhere true without any.

    Args:
        case: the case.
        shape: (H, W) of its image.
        image: (H, W, 3), if it is decoded already.

    Raises:
        DataError: as `read_mask`, and as `read_image` where the image is needed.
    """
    if case.field_of_view == "automatic":
        return field_of_view.find(read_image(case.image) if image is None else image)
    return np.ones(shape, dtype=np.bool_) if case.field_of_view is None else read_mask(case.field_of_view, shape)


def _own(file: OwnFile) -> Array:
    """Decode a file of any kind to 8 bits, (H, W) or (H, W, 3)."""
    kind = kind_of(file.path)
    if kind == "dicom":
        return dicom.picture(file.path, file.reading, MAX_PIXELS)
    if kind == "nifti":
        return to_eight_bits(nifti.values(file.path, file.reading, MAX_PIXELS), file.reading.window)
    with opened(file.path) as image:
        values = raster.values(file.path, image, header_of(image).orientation)
    # A window is for measured values; a picture of 8 bits was made to be seen.
    return to_eight_bits(values, None if values.dtype == np.uint8 else file.reading.window)


def _in_colour(pixels: Array) -> Array:
    colour = np.stack([pixels] * 3, axis=-1) if pixels.ndim == 2 else pixels
    return np.ascontiguousarray(colour)


def _not_empty(path: Path, mask: Mask, empty: Empty) -> Mask:
    if mask.any() or empty == "allowed":
        return mask
    if empty == "field":
        return ~mask
    raise fault(path, "a mask", "an empty one", "Draw the mask, or take the case out.")


def _require_size(path: Path, found: tuple[int, int], shape: tuple[int, int] | None) -> None:
    if shape is not None and shape != found:
        expected = f"the size of its photograph, {shape[1]} x {shape[0]}"
        raise fault(path, expected, f"{found[1]} x {found[0]}", "Export the mask at the size of the photograph.")


def _photograph_fault(path: Path, header: Header) -> Problem | None:
    """Say what in the header forbids reading the file as a photograph, if anything."""
    if header.mode != "RGB" or header.bits != 8:
        return Problem(str(path), "8-bit RGB", _pixel_format(header), "Convert the photograph to 8-bit RGB.")
    return _turned(path, header)


def _mask_fault(path: Path, header: Header) -> Problem | None:
    """Say what in the header forbids reading the file as a mask, if anything."""
    if header.mode not in ("1", "L", "RGB") or header.bits > 8:
        remedy = "Save the mask as an 8-bit image with the values 0 and 255 only."
        return Problem(str(path), "an 8-bit mask", _pixel_format(header), remedy)
    return _turned(path, header)


def _one_channel(path: Path, pixels: Values) -> Values:
    if pixels.ndim == 2:
        return pixels
    first = pixels[..., 0]
    if not all(np.array_equal(first, pixels[..., channel]) for channel in (1, 2)):
        remedy = "Save the mask as an 8-bit image with one channel."
        raise DataError([Problem(str(path), "a mask without colour", "channels that differ", remedy)])
    return first


def _binary(path: Path, pixels: Values) -> Mask:
    if pixels.dtype == np.bool_:
        return pixels.astype(np.bool_)
    on: Mask = pixels > 0  # type: ignore[operator]  # numbers of whatever type the file has
    # Products with a boolean avoid sorting millions of pixels, as np.unique would.
    if not (np.array_equal(pixels, on) or np.array_equal(pixels, on * np.uint8(255))):
        found = f"{len(np.unique(pixels))} different values"
        remedy = "Apply a threshold, and do not save masks as JPEG."
        raise DataError([Problem(str(path), "a mask with the values 0 and 255 only", found, remedy)])
    return on


def _pixel_format(header: Header) -> str:
    names = {"L": "grey", "RGBA": "RGB with transparency", "1": "black and white", "P": "palette colours"}
    return f"{header.bits}-bit {names.get(header.mode, header.mode)}"


def _turned(path: Path, header: Header) -> Problem | None:
    if header.orientation == 1:
        return None
    remedy = "Turn the pixels upright and remove the EXIF orientation, in the photograph and in its masks alike."
    return Problem(str(path), "an upright image", f"EXIF orientation {header.orientation}", remedy)
