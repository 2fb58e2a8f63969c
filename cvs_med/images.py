"""Reading image files safely: what the header says first, pixels only when the header is acceptable.

Everything that can be wrong with a file becomes a `DataError` that names the file and the remedy; no exception of the
decoder leaves this module. Every number of pixels is capped before a decoder allocates memory for it.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from cvs_med.errors import DataError, Problem
from cvs_med.types import Array, Packed, Picture

MAX_PIXELS = 100_000_000
"""Largest number of pixels that is decoded; a photograph of 12,000 x 8,000 just passes."""

# Pillow warns at its own limit and refuses at twice that; its guard must not disagree with ours.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

FORMATS = ("JPEG", "PNG", "TIFF")
"""Decoders that may be tried: few and well kept ones."""

Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about its image before a pixel is decoded.

    Attributes:
        width: pixels per row, as stored.
        height: number of rows, as stored.
        mode: Pillow's name of the pixel format ("RGB", "L", "1", "RGBA" ...).
        bits: bits of one channel of one pixel in the file.
        orientation: the EXIF value; 1 is upright.
    """

    width: int
    height: int
    mode: str
    bits: int
    orientation: int


def read_header(path: Path) -> Header:
    """Read size, pixel format and orientation without decoding pixels.

    Raises:
        DataError: the file cannot be opened, is no image of a known format, or has more than `MAX_PIXELS` pixels.
    """
    with opened(path) as image:
        return _header(image)


def read_image(picture: Picture) -> Array:
    """Decode a colour photograph, or take it out of its packed file.

    Returns:
        Array of shape (H, W, 3), 8 bits, red, green and blue.

    Raises:
        DataError: as `read_header`, and if the file is truncated, turned by EXIF, or not 8-bit RGB.
    """
    if isinstance(picture, Packed):
        return picture.pixels
    with opened(picture) as image:
        fault = _photograph_fault(picture, _header(image))
        if fault:
            raise DataError([fault])
        return np.asarray(image)


def read_mask(picture: Picture, shape: tuple[int, int] | None = None) -> Mask:
    """Decode a binary mask stored as 0 and 255 (or 0 and 1), in one channel or in three equal ones.

    Args:
        picture: the file, or one of many masks of a packed file, which were checked when that was read.
        shape: (H, W) of the photograph that the mask belongs to; None leaves the size unchecked.

    Returns:
        Boolean array of shape (H, W), somewhere true.

    Raises:
        DataError: as `read_header`, and if the file is truncated, turned by EXIF, of another size than the photograph,
            empty, or not binary.
    """
    if isinstance(picture, Packed):
        return picture.pixels > 0
    with opened(picture) as image:
        fault = _mask_fault(picture, _header(image), shape)
        if fault:
            raise DataError([fault])
        mask = _binary(picture, _one_channel(picture, np.asarray(image)))
    if not mask.any():
        raise DataError([Problem(str(picture), "a mask", "an empty one", "Draw the mask, or take the case out.")])
    return mask


@contextmanager
def opened(path: Path) -> Iterator[ImageFile.ImageFile]:
    """Open an image file under the cap on pixels, and turn whatever a decoder raises into a `DataError`.

    Raises:
        DataError: the file cannot be read, is damaged, or is larger than `MAX_PIXELS`.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError([_too_large(path, f"{image.width} x {image.height}")])
            yield image
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError([_too_large(path, _bomb_size(error))]) from None
    except Exception as error:  # Damaged files lead Pillow's decoders to almost any kind of exception.
        raise DataError([_unreadable(path, error)]) from error


def _photograph_fault(path: Path, header: Header) -> Problem | None:
    """Say what in the header forbids reading the file as a photograph, if anything."""
    if header.mode != "RGB" or header.bits != 8:
        return Problem(str(path), "8-bit RGB", _pixel_format(header), "Convert the photograph to 8-bit RGB.")
    return _turned(path, header)


def _mask_fault(path: Path, header: Header, shape: tuple[int, int] | None) -> Problem | None:
    """Say what in the header forbids reading the file as a mask of that (H, W), if anything."""
    if header.mode not in ("1", "L", "RGB") or header.bits > 8:
        remedy = "Save the mask as an 8-bit image with the values 0 and 255 only."
        return Problem(str(path), "an 8-bit mask", _pixel_format(header), remedy)
    if shape is not None and shape != (header.height, header.width):
        expected = f"the size of its photograph, {shape[1]} x {shape[0]}"
        remedy = "Export the mask at the size of the photograph."
        return Problem(str(path), expected, f"{header.width} x {header.height}", remedy)
    return _turned(path, header)


def exif_of(image: ImageFile.ImageFile) -> Image.Exif:
    """Read the EXIF data of an opened image without decoding its pixels."""
    if image.format != "PNG":
        return image.getexif()
    exif = Image.Exif()  # Pillow's getexif would decode a PNG, to look behind its pixels as well.
    exif.load(image.info.get("exif", b""))
    return exif


def _header(image: ImageFile.ImageFile) -> Header:
    orientation = int(exif_of(image).get(ExifTags.Base.Orientation, 1))
    return Header(image.width, image.height, image.mode, _bits(image), orientation)


def _bits(image: ImageFile.ImageFile) -> int:
    """Bits of a channel in the file; Pillow's mode does not tell, since it reads 16-bit RGB as 8-bit."""
    if image.mode == "1":
        return 1
    if image.format == "TIFF":
        return int(np.max(image.getexif().get(ExifTags.Base.BitsPerSample, 8)))
    return 16 if image.mode.startswith("I") or ";16" in str(image.tile[0].args) else 8


def _one_channel(path: Path, pixels: Array) -> Array:
    if pixels.ndim == 2:
        return pixels
    first = pixels[..., 0]
    if not all(np.array_equal(first, pixels[..., channel]) for channel in (1, 2)):
        remedy = "Save the mask as an 8-bit image with one channel."
        raise DataError([Problem(str(path), "a mask without colour", "channels that differ", remedy)])
    return first


def _binary(path: Path, pixels: Array) -> Mask:
    if pixels.dtype == np.bool_:
        return pixels.astype(np.bool_)
    on = pixels > 0
    # Products with a boolean avoid sorting millions of pixels, as np.unique would.
    if not (np.array_equal(pixels, on) or np.array_equal(pixels, on * np.uint8(255))):
        found = f"{np.count_nonzero(np.bincount(pixels.ravel(), minlength=256))} different values"
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


def _too_large(path: Path, found: str) -> Problem:
    remedy = "Scale the image down, or remove the file if you do not know where it comes from."
    return Problem(str(path), f"at most {MAX_PIXELS // 1_000_000} million pixels", found, remedy)


def _bomb_size(error: Exception) -> str:
    """Find the size in Pillow's message, its only trace."""
    pixels = re.search(r"\((\d+) pixels\)", str(error))
    return f"{int(pixels[1]) / 1e6:.0f} million" if pixels else "more"


def _unreadable(path: Path, error: Exception) -> Problem:
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
        return Problem(str(path), "a readable file", "no permission to read it", "Allow reading, e.g. with chmod u+r.")
    if isinstance(error, FileNotFoundError):
        return Problem(str(path), "a file", "nothing", "Copy the file there again.")
    remedy = "Copy the file again from its source; it is damaged or incomplete."
    return Problem(str(path), "a whole image (JPEG, PNG or TIFF)", _reason(error), remedy)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "another format"
    return str(error) or type(error).__name__
