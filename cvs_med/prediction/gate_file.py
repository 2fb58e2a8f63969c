"""The gates of a run as numbers in its folder; made from the photographs that it keeps when they are first needed."""

import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from cvs_med.errors import RunError
from cvs_med.evaluation import Folds, read_json
from cvs_med.prediction import gates
from cvs_med.prediction.distance import Cloud
from cvs_med.prediction.gates import FalseAlarms, Gates, Sample
from cvs_med.prediction.quality import MEASURES
from cvs_med.report import case_maps
from cvs_med.tables import write_bytes
from cvs_med.types import Array, Floats

if TYPE_CHECKING:  # Gates are read and used without a network library.
    from cvs_med.prediction.ensemble import Ensemble

FILE: Final = "gates.safetensors"
_MOST = 400
"""Training photographs that gates are fitted on at most: more change little, and each costs a pass of the encoder."""
_CLOUD = ("centre", "scale", "axes", "variances", "rest")


def of_run(run: Path, ensemble: "Ensemble", step: Callable[[int, int], None], *, keep: bool = True) -> Gates:
    """Read the gates of a run, or fit them on the photographs in its folder and keep them there if one may write.

    Args:
        run: its folder.
        ensemble: its networks.
        step: told how many photographs are done, and of how many.
        keep: read and write the file in the run's folder; not where the networks are not that run's own.

    Raises:
        RunError: the file is damaged, or photographs are missing.
    """
    if keep and (run / FILE).exists():
        return read(run / FILE)
    samples, names, folds = _samples(run)
    seen: list[Floats] = []
    done = iter(range(1, len(samples) + 1))

    def pooled(image: Array, view: Array) -> Floats:
        features = ensemble.pooled(image, view)
        seen.append(features)
        step(next(done), len(samples))
        return features

    fitted = gates.fit(samples, folds, pooled)
    if keep:
        with suppress(OSError):
            unlike = dict(zip(names, gates.unlike(np.stack(seen), folds), strict=True))
            write_bytes(run / gates.UNLIKE, json.dumps({"unlike": unlike}, indent=2).encode())
            write(run / FILE, fitted)
    return fitted


def write(path: Path, fitted: Gates) -> None:
    """Keep gates as numbers."""
    write_bytes(path, content(fitted))


def content(fitted: Gates) -> bytes:
    """Give what `write` writes."""
    cloud = {f"cloud.{name}": np.ascontiguousarray(getattr(fitted.cloud, name)) for name in _CLOUD}
    arrays = {"low": fitted.low, "high": fitted.high, "limit": fitted.limit, **cloud}
    return bytes(save(arrays, {"alarms": json.dumps(asdict(fitted.alarms))}))


def read(path: Path) -> Gates:
    """Read what `write` wrote.

    Raises:
        RunError: the file is damaged or something else.
    """
    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: np.asarray(file.get_tensor(name), dtype=np.float64) for name in file.keys()}  # noqa: SIM118 - not a mapping
            alarms = TypeAdapter(FalseAlarms).validate_json((file.metadata() or {})["alarms"])
        cloud = Cloud(**{name: arrays[f"cloud.{name}"] for name in _CLOUD})
        if len(arrays["low"]) != len(MEASURES) or cloud.axes.shape != (len(cloud.variances), len(cloud.centre)):
            raise ValueError("arrays that do not fit one another")
        return Gates(arrays["low"], arrays["high"], cloud, arrays["limit"], alarms)
    except (OSError, SafetensorError, KeyError, ValueError, ValidationError) as error:
        raise RunError(f"{path}: expected the gates of a run, found {error}. Delete the file.") from error


def _samples(run: Path) -> tuple[list[Sample], list[str], list[list[int]]]:
    """Read the photographs of a run's folds, with their cases' ids, evenly thinned where there are many."""
    folds = read_json(run / "folds.json", Folds).folds
    every = -(-sum(map(len, folds)) // _MOST)
    samples: list[Sample] = []
    names: list[str] = []
    positions = []
    for number, fold in enumerate(folds):
        chosen = fold[::every]
        positions.append(list(range(len(samples), len(samples) + len(chosen))))
        names += chosen
        samples += [sample(run / f"fold-{number}" / "maps" / f"{case}.npz") for case in chosen]
    return samples, names, positions


def sample(path: Path) -> Sample:
    """Read a case's photograph as a fold keeps it.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        case_maps.refuse_bomb(path)
        with np.load(path, allow_pickle=False) as stored:
            image, view = (np.asarray(stored[name], np.uint8) for name in ("image", "field_of_view"))
        return np.ascontiguousarray(image.transpose(2, 0, 1)), view * np.uint8(255)
    except (OSError, KeyError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise RunError(
            f"{path}: expected a training photograph to fit the gates on, found {error}. Run the experiment again."
        ) from error
