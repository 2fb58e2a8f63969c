"""What a run folder keeps of one case: the photograph and, for a method with a map, what was seen in it."""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cvs_med.errors import RunError
from cvs_med.types import Array, Prediction

Shares: TypeAlias = npt.NDArray[np.float32]

_PLANES = ("label_map", "evidence", "gold", "margin", "foreground", "field_of_view")
"""Arrays (S, S) that a file may hold."""

_LARGEST = 1 << 29
"""Bytes that one file may unpack to; a map of 4096 x 4096 pixels needs less."""


@dataclass(frozen=True, slots=True)
class Margin:
    """By how much the derived class leads, and where.

    All classes share a part of their evidence, that of foreground against background; the difference leaves it out.

    Attributes:
        shares: (S, S) each pixel's share of the derived class's score minus that of the runner-up.
        total: the difference of the two scores, the sum of the shares.
        rival: the runner-up, 0 to P - 1.
    """

    shares: Shares
    total: float
    rival: int


@dataclass(frozen=True, slots=True)
class CaseMap:
    """One file of fold-K/maps; S is the size that the network worked at.

    Attributes:
        image: (S, S, 3) photograph.
        label_map: (S, S), 0 is background and c + 1 is class c; None for a method without a map.
        evidence: (S, S) each pixel's share of the derived class's score.
        score: the score, the sum of the evidence.
        gold: (S, S) reference mask, 0 and 1, if known.
        margin: what the derived class has before the runner-up, if kept.
        foreground: (S, S), the probability of foreground times 255; None for a method without a map.
        field_of_view: (S, S), 1 where the patient is seen, 0 elsewhere, if kept.
    """

    image: Array
    label_map: Array | None
    evidence: Shares | None
    score: float | None
    gold: Array | None
    margin: Margin | None = None
    foreground: Array | None = None
    field_of_view: Array | None = None


def load(run: Path, prediction: Prediction) -> CaseMap:
    """Read a case's file.

    Raises:
        RunError: it is missing, damaged, larger than can be right, or its arrays do not fit one another.
    """
    path = run / f"fold-{prediction.fold}" / "maps" / f"{prediction.case_id}.npz"
    try:
        refuse_bomb(path)
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return of_arrays(arrays, len(prediction.probabilities))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RunError(f"{path}: {error}. Run the experiment again to have it written.") from error


def refuse_bomb(path: Path) -> None:
    """Refuse an archive that would unpack to more than any case needs, with a `ValueError`."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > _LARGEST:
        raise ValueError(f"expected at most {_LARGEST} bytes of arrays, found {size}")


def of_arrays(arrays: Mapping[str, npt.NDArray[np.generic]], classes: int) -> CaseMap:
    """Check the arrays of one case of P `classes`, as `folds` and `case_arrays` make them, and put them together.

    Raises:
        ValueError: one is missing, or they do not fit one another.
    """
    if "image" not in arrays:
        raise ValueError("expected an array `image`, found none")
    image = np.asarray(arrays["image"], dtype=np.uint8)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected an image (S, S, 3), found {image.shape}")
    planes = {name: arrays[name] for name in _PLANES if name in arrays}
    if any(plane.shape != image.shape[:2] for plane in planes.values()):
        raise ValueError(f"expected maps of {image.shape[:2]}, found {[plane.shape for plane in planes.values()]}")
    return CaseMap(
        image=image,
        label_map=_label_map(planes["label_map"], classes) if "label_map" in planes else None,
        evidence=_shares(planes["evidence"]) if "evidence" in planes else None,
        score=_number(arrays["score"]) if "score" in arrays else None,
        gold=_bytes(planes, "gold"),
        margin=_margin(arrays, classes) if "margin" in planes else None,
        foreground=_bytes(planes, "foreground"),
        field_of_view=_bytes(planes, "field_of_view"),
    )


def _bytes(planes: Mapping[str, npt.NDArray[np.generic]], name: str) -> Array | None:
    return np.asarray(planes[name], dtype=np.uint8) if name in planes else None


def _label_map(plane: npt.NDArray[np.generic], classes: int) -> Array:
    label_map = np.asarray(plane, dtype=np.uint8)
    if label_map.max(initial=0) > classes:
        raise ValueError(f"expected a label map of 0 to {classes}, found {label_map.max()}")
    return label_map


def _margin(arrays: Mapping[str, npt.NDArray[np.generic]], classes: int) -> Margin:
    missing = {"margin_sum", "rival"} - arrays.keys()
    if missing:
        raise ValueError(f"expected {', '.join(sorted(missing))} beside the margin, found none")
    rival = _number(arrays["rival"])
    if rival not in range(classes):
        raise ValueError(f"expected a runner-up of 0 to {classes - 1}, found {rival:g}")
    return Margin(_shares(arrays["margin"]), _number(arrays["margin_sum"]), int(rival))


def _shares(plane: npt.NDArray[np.generic]) -> Shares:
    shares = np.asarray(plane, dtype=np.float32)
    if not np.isfinite(shares).all():
        raise ValueError("expected finite numbers in a heat map, found others")
    return shares


def _number(array: npt.NDArray[np.generic]) -> float:
    if array.shape != ():
        raise ValueError(f"expected a single number, found an array {array.shape}")
    return float(np.asarray(array, dtype=np.float64))
