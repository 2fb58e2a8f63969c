"""How well the maps in a run folder follow vessels or outlines; read from its files, so that old runs have it too."""

import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cvs_med.errors import RunError
from cvs_med.statistics.surfaces import hausdorff_95
from cvs_med.types import Array, Prediction

_LARGEST = 1 << 26
"""Bytes that one array may unpack to; a plane of 4096 x 4096 pixels needs a quarter of it."""

_PLANES = ("foreground", "gold", "field_of_view")


Measure = Callable[[npt.NDArray[np.bool_], Array, Array], float | None]
"""A number for the predicted foreground, the reference and the field of view, (H, W) each."""


def outline_distance(predicted: npt.NDArray[np.bool_], gold: Array, seen: Array) -> float | None:
    """Give the 95 % Hausdorff distance inside the field of view, in pixels; see `surfaces.hausdorff_95`."""
    return hausdorff_95(predicted & (seen != 0), (gold != 0) & (seen != 0))


def each_case(run: Path, predictions: Sequence[Prediction], measure: Measure) -> list[float | None]:
    """Measure each case's map inside the field of view, at the network's size.

    Returns:
        One number for each case; None where there is no such file (maps are large, and may have been deleted), where
        it holds no map or no reference mask, or where both are empty.

    Raises:
        RunError: a file is damaged.
    """
    return [_measured(run / f"fold-{p.fold}" / "maps" / f"{p.case_id}.npz", measure) for p in predictions]


def _measured(path: Path, measure: Measure) -> float | None:
    if not path.exists():
        return None
    try:
        planes = _planes(path)
        if planes is None:
            return None
        foreground, gold, seen = planes
        return measure(foreground >= 128, gold, seen)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RunError(f"{path}: {error}. Run the experiment again to have it written.") from error


def _planes(path: Path) -> list[Array] | None:
    """Read foreground (probability as 0 to 255), reference and field of view; None if one of them was not kept."""
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename.removesuffix(".npy"): member.file_size for member in archive.infolist()}
    if not set(_PLANES) <= sizes.keys():
        return None
    largest = max(sizes[name] for name in _PLANES)
    if largest > _LARGEST:
        raise ValueError(f"expected at most {_LARGEST} bytes in an array, found {largest}")
    with np.load(path, allow_pickle=False) as stored:
        return [_plane(stored[name], name) for name in _PLANES]


def _plane(array: npt.NDArray[Any], name: str) -> Array:
    if array.ndim != 2 or array.dtype != np.uint8:
        raise ValueError(f"expected {name} as 8-bit numbers (S, S), found {array.dtype} of shape {array.shape}")
    return array
