"""Opening a raster file safely: what its header says first, and a cap on its pixels before memory is given to them.

Whatever a decoder raises becomes a `DataError` that names the file and the remedy.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from cvs_med.errors import DataError, Problem

MAX_PIXELS = 100_000_000
"""Largest number of pixels that is decoded; a photograph of 12,000 x 8,000 just passes."""

# Pillow warns at its own limit and refuses at twice that; its guard must not disagree with ours.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
"""Decoders that may be tried: few and well kept ones."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about its image before a pixel is decoded.

    Attributes:
        width: pixels per row, as stored.
        height: number of rows, as stored.
        mode: Pillow's name of the pixel format ("RGB", "L", "1", "RGBA" ...), DICOM's photometric interpretation, or
            "NIfTI".
        bits: bits of one channel of one pixel in the file.
        orientation: the EXIF value; 1 is upright.
    """

    width: int
    height: int
    mode: str
    bits: int
    orientation: int


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


def exif_of(image: ImageFile.ImageFile) -> Image.Exif:
    """Read the EXIF data of an opened image without decoding its pixels."""
    if image.format != "PNG":
        return image.getexif()
    exif = Image.Exif()  # Pillow's getexif would decode a PNG, to look behind its pixels as well.
    exif.load(image.info.get("exif", b""))
    return exif


def header_of(image: ImageFile.ImageFile) -> Header:
    """Say what an opened file tells of its image."""
    orientation = int(exif_of(image).get(ExifTags.Base.Orientation, 1))
    return Header(image.width, image.height, image.mode, _bits(image), orientation)


def _bits(image: ImageFile.ImageFile) -> int:
    """Bits of a channel in the file; Pillow's mode does not tell, since it reads 16-bit RGB as 8-bit."""
    if image.mode == "1":
        return 1
    if image.format == "TIFF":
        return int(np.max(image.getexif().get(ExifTags.Base.BitsPerSample, 8)))
    deep = any(";16" in str(tile.args) for tile in image.tile)
    return 16 if image.mode.startswith("I") or deep else 8


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
    return Problem(str(path), "a whole image (JPEG, PNG, TIFF, BMP or WebP)", _reason(error), remedy)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "another format"
    return str(error) or type(error).__name__
