"""What a run folder keeps of one case: the photograph and, for a method with a map, what was seen in it."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cvs_med.errors import RunError
from cvs_med.types import Array, Prediction

_LARGEST = 1 << 29
"""Bytes that one file may unpack to; a map of 4096 x 4096 pixels needs less."""


@dataclass(frozen=True, slots=True)
class CaseMap:
    """One file of fold-K/maps; S is the size that the network worked at.

    Attributes:
        image: (S, S, 3) photograph.
        label_map: (S, S), 0 is background and c + 1 is class c; None for a method without a map.
        evidence: (S, S) each pixel's share of the derived class's score.
        score: the score, the sum of the evidence.
        gold: (S, S) reference mask, 0 and 1, if known.
    """

    image: Array
    label_map: Array | None
    evidence: npt.NDArray[np.float32] | None
    score: float | None
    gold: Array | None


def load(run: Path, prediction: Prediction) -> CaseMap:
    """Read a case's file.

    Raises:
        RunError: it is missing, damaged, larger than can be right, or its arrays do not fit one another.
    """
    path = run / f"fold-{prediction.fold}" / "maps" / f"{prediction.case_id}.npz"
    try:
        _refuse_bomb(path)
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return _case_map(arrays)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: {error}. Run the experiment again to have it written.") from error


def _refuse_bomb(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > _LARGEST:
        raise ValueError(f"expected at most {_LARGEST} bytes of arrays, found {size}")


def _case_map(arrays: Mapping[str, npt.NDArray[np.generic]]) -> CaseMap:
    image = np.asarray(arrays["image"], dtype=np.uint8)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected an image (S, S, 3), found {image.shape}")
    planes = {name: arrays[name] for name in ("label_map", "evidence", "gold") if name in arrays}
    if any(plane.shape != image.shape[:2] for plane in planes.values()):
        raise ValueError(f"expected maps of {image.shape[:2]}, found {[plane.shape for plane in planes.values()]}")
    return CaseMap(
        image=image,
        label_map=np.asarray(planes["label_map"], dtype=np.uint8) if "label_map" in planes else None,
        evidence=np.asarray(planes["evidence"], dtype=np.float32) if "evidence" in planes else None,
        score=float(np.asarray(arrays["score"], dtype=np.float64)) if "score" in arrays else None,
        gold=np.asarray(planes["gold"], dtype=np.uint8) if "gold" in planes else None,
    )
