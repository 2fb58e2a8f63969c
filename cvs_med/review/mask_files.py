"""Masks as files that are named by what is in them: a version once written is never another."""

import hashlib
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from cvs_med.errors import ReviewError
from cvs_med.images import Mask
from cvs_med.tables import write_bytes


def encode(mask: Mask) -> bytes:
    """Write a mask (H, W) as a PNG of one bit a pixel; equal masks are equal bytes."""
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    return stream.getvalue()


def content_name(png: bytes) -> str:
    """Give the name of a mask's file without its ending: the SHA-256 of its bytes."""
    return hashlib.sha256(png).hexdigest()


def write(folder: Path, content: str, png: bytes) -> None:
    """Write a mask's file, unless it is there.

    Raises:
        ReviewError: the name is not that of the bytes, or the disk refuses.
    """
    path = _path(folder, content)
    if content_name(png) != content:
        raise ReviewError(f"Expected a mask named by its content, found {content}. Draw it again.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_bytes(path, png)
    except OSError as error:
        raise ReviewError(f"{path}: {error.strerror}. The mask was NOT stored: make room, then save again.") from error


def read(folder: Path, content: str, shape: tuple[int, int]) -> Mask:
    """Read a mask (H, W).

    Raises:
        ReviewError: it is missing, changed, or of another size.
    """
    return decode(read_bytes(folder, content), shape)


def read_bytes(folder: Path, content: str) -> bytes:
    """Read a mask's file.

    Raises:
        ReviewError: it is missing or changed.
    """
    wrong = fault(folder, content)
    if wrong:
        raise ReviewError(f"{wrong}. Restore the file from a copy of the store.")
    return _path(folder, content).read_bytes()


def decode(png: bytes, shape: tuple[int, int]) -> Mask:
    """Read a mask (H, W) from a PNG, whose size is looked at before its pixels are decoded.

    Raises:
        ReviewError: it is something else, or of another size.
    """
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if (image.height, image.width) != shape:
                raise ValueError(f"{image.width} x {image.height} pixels")
            return np.asarray(image.convert("1"), dtype=np.bool_)
    except Exception as error:  # Damaged files lead Pillow's decoders to almost any kind of exception.
        raise ReviewError(
            f"Expected a mask of {shape[1]} x {shape[0]} pixels as PNG, found {error}. Draw it again, or restore it."
        ) from error


def fault(folder: Path, content: str) -> str | None:
    """Say what is wrong with a mask's file, if anything."""
    path = _path(folder, content)
    try:
        found = content_name(path.read_bytes())
    except OSError:
        return f"{path}: expected a mask, found none"
    return None if found == content else f"{path}: expected the mask that was stored, found other content"


def _path(folder: Path, content: str) -> Path:
    """Place a file inside the folder; what is not a SHA-256 names no file."""
    if not re.fullmatch(r"[0-9a-f]{64}", content):
        raise ReviewError(f"Expected the SHA-256 of a mask, found {content[:80]!r}. The store was tampered with.")
    return folder / f"{content}.png"
