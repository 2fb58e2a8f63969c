"""PNG, JPEG, TIFF, BMP and WebP as Pillow opens them: their values, upright."""

from pathlib import Path

import numpy as np
from PIL import ImageFile

from cvs_med.decoding.scaling import Values
from cvs_med.errors import fault

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")

_DEEP = ("I", "F")
"""Modes of one channel with more than 8 bits; those of 16 bits begin with "I;"."""


def values(path: Path, image: ImageFile.ImageFile, orientation: int) -> Values:
    """Decode an opened image of any pixel format that has one clear meaning.

    Args:
        path: its file, to be named in a message.
        image: as `images.opened` gives it.
        orientation: the EXIF value; the pixels are turned by it as every viewer turns them.

    Returns:
        (H, W) or (H, W, 3). Colour of 16 bits comes as 8 bits, its upper half.

    Raises:
        DataError: several pictures in one file, transparency, or colours such as CMYK.
    """
    require_one(path, image)
    return upright(_pixels(path, image), orientation)


def require_one(path: Path, image: ImageFile.ImageFile) -> None:
    """Look whether an opened file holds one picture only.

    Raises:
        DataError: it holds several, such as the pages of a TIFF.
    """
    # The second picture of a JPEG is a preview or the other half of a stereo pair; of others it is another page.
    if image.format not in ("JPEG", "MPO") and getattr(image, "n_frames", 1) > 1:
        raise fault(path, "one picture", f"{getattr(image, 'n_frames', 1)} in one file", "Save each as its own file.")


def _pixels(path: Path, image: ImageFile.ImageFile) -> Values:
    if image.mode in ("L", "RGB", *_DEEP) or image.mode.startswith("I;"):
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.mode == "P" and "transparency" not in image.info:
        return np.asarray(image.convert("RGB"))
    if image.mode not in ("P", "PA", "LA", "RGBA"):
        raise fault(path, "grey or RGB", f"the colours {image.mode}", "Convert the image to RGB.")
    layers = np.asarray(image.convert("RGBA"))
    if layers[..., 3].min(initial=255) < 255:
        raise fault(path, "an opaque image", "transparent pixels", "Flatten the image before its own background.")
    return layers[..., :3]


def upright(pixels: Values, orientation: int) -> Values:
    """Turn and mirror pixels (H, W, ...) by an EXIF orientation; one that is not known changes nothing."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
