"""Reads idx files, the format of MNIST: a magic number, the dimensions, and one byte for every value.

The magic number is two zero bytes, 8 for unsigned bytes, and the number of dimensions; each dimension follows as four
bytes, the highest first. A file may be wrapped by gzip. Nothing is unwrapped beyond what the header promises, and the
header may promise no more than `MAX_BYTES`.
"""

import math
from pathlib import Path

import numpy as np

from cvs_med.datasets.sources import FAULTY, open_content
from cvs_med.errors import DataError, Problem, reason
from cvs_med.types import Array

MAX_BYTES = 100_000_000
"""Most values of one file that are read; MNIST's largest has 47 million."""


def read_idx(path: Path, shape: tuple[int, ...]) -> Array:
    """Read one file.

    Args:
        path: an idx file, gzip if its name ends in .gz.
        shape: what one item must be: () for labels, (28, 28) for MNIST's images.

    Returns:
        Array (N, *shape), N at least one.

    Raises:
        DataError: the file cannot be read, has another magic number or other dimensions, or is shorter or longer than
            they say.
    """
    try:
        with open_content(path) as file:
            count = _count(path, file.read(8 + 4 * len(shape)), shape)
            expected = count * math.prod(shape)
            # One byte more than promised tells a longer file, however long it is.
            values = file.read(expected + 1)
    except FAULTY as error:
        remedy = "Copy the file again from its source; it is damaged, incomplete or not allowed to be read."
        raise DataError([Problem(str(path), "a whole file", reason(error), remedy)]) from error
    if len(values) != expected:
        raise DataError([_wrong_length(path, (count, *shape), len(values))])
    return np.frombuffer(values, dtype=np.uint8).reshape(count, *shape)


def _count(path: Path, header: bytes, shape: tuple[int, ...]) -> int:
    """Check a header and give the number of items."""
    magic = bytes([0, 0, 8, 1 + len(shape)])
    if header[:4] != magic:
        found = f"{header[:4].hex()} ({int.from_bytes(header[:4])})" if header else "an empty file"
        remedy = "Give the idx file as published, and images and labels each under its own name."
        expected = f"the magic number {magic.hex()} ({int.from_bytes(magic)})"
        raise DataError([Problem(str(path), expected, found, remedy)])
    if len(header) < 8 + 4 * len(shape):
        raise DataError([Problem(str(path), "a whole header", f"{len(header)} bytes", "Copy the file again.")])
    count, *dimensions = (int.from_bytes(header[start : start + 4]) for start in range(4, len(header), 4))
    most = MAX_BYTES // math.prod(shape)
    if tuple(dimensions) != shape or not 1 <= count <= most:
        expected = " x ".join(map(str, (f"1 to {most:,}", *shape)))
        found = " x ".join(map(str, (count, *dimensions)))
        raise DataError([Problem(str(path), f"dimensions of {expected}", found, "Give the data set's own file.")])
    return count


def _wrong_length(path: Path, dimensions: tuple[int, ...], found: int) -> Problem:
    expected = math.prod(dimensions)
    promised = f"{expected} bytes after the header, for {' x '.join(map(str, dimensions))} values"
    says = f"only {found}" if found < expected else "more"
    remedy = "Copy the file again from its source; it is " + ("cut short." if found < expected else "too long.")
    return Problem(str(path), promised, says, remedy)
