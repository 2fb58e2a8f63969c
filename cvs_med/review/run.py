"""A finished run as it is reviewed: its cases, what the model said of them, and the photographs if they are at hand."""

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from cvs_med import datasets
from cvs_med.datasets import DataNotFoundError, location
from cvs_med.errors import RunError
from cvs_med.evaluation import DatasetCard, read_json, read_method
from cvs_med.repeats import runs_in
from cvs_med.tables import Segmentation, read_predictions, read_segmentation
from cvs_med.types import Case, Prediction


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What is reviewed.

    Attributes:
        path: the run folder.
        digest: first 16 hexadecimal digits of the SHA-256 of predictions.csv; says which answers were reviewed.
        card: what the data set is.
        method: of the protocol.
        crop: how photographs were cropped, as in the protocol.
        predictions: case id to the model's answer, in an order that tells nothing of the class.
        segmentation: case id to what is known of its map.
        cases: case id to its files; empty if the data set is not on this machine.
        repeats: the predictions of the run's repeats with other seeds, if it is one of several.
        harmonise: whether photographs were made alike before, as in the protocol.
    """

    path: Path
    digest: str
    card: DatasetCard
    method: str
    crop: str
    predictions: Mapping[str, Prediction]
    segmentation: Mapping[str, Segmentation]
    cases: Mapping[str, Case]
    repeats: tuple[Mapping[str, Prediction], ...] = ()
    harmonise: bool = False

    @property
    def name(self) -> str:
        """Name of its folder."""
        return self.path.resolve().name

    @property
    def class_names(self) -> list[str]:
        """Names of the P classes."""
        return self.card.class_names

    @property
    def ids(self) -> list[str]:
        """Case ids; the place in this list, from one, is the neutral number of a case."""
        return list(self.predictions)

    def derived(self, case_id: str) -> str:
        """Name the class that the model gave a case."""
        return self.class_names[self.predictions[case_id].predicted]

    def reference(self, case_id: str) -> str:
        """Name the reference class of a case."""
        return self.class_names[self.predictions[case_id].label]


def open_run(path: Path, data_dir: Path | None = None) -> FinishedRun:
    """Read a finished run; no network is needed, and no network library.

    Args:
        path: the run folder.
        data_dir: folder of its data set; None looks where `datasets.locate` looks, and does without.

    Raises:
        RunError: the run is not finished, or a file of it is missing or damaged.
        DataNotFoundError: there is no folder at `data_dir`.
        DataError: the data set's files cannot be understood.
    """
    card = read_json(path / "dataset.json", DatasetCard)
    table = path / "predictions.csv"
    if not table.exists():
        raise RunError(f"{path}: expected a finished run, found no predictions.csv. Finish it, or name another --run.")
    predictions = {p.case_id: p for p in read_predictions(table, card.class_names)}
    areas = path / "segmentation.csv"
    images = _images(path)
    return FinishedRun(
        path=path,
        digest=hashlib.sha256(table.read_bytes()).hexdigest()[:16],
        card=card,
        method=read_method(path),
        crop=str(images.get("crop", "none")),
        predictions={name: predictions[name] for name in sorted(predictions, key=_shuffled)},
        segmentation={row.case_id: row for row in read_segmentation(areas)} if areas.exists() else {},
        cases=_cases(card.name, data_dir),
        repeats=_repeats(path.resolve(), card.class_names, predictions.keys()),
        harmonise=bool(images.get("harmonise", False)),
    )


def _repeats(path: Path, names: Sequence[str], ids: Set[str]) -> tuple[dict[str, Prediction], ...]:
    """Read the predictions of the finished repeats beside a run; none of a run that stands alone."""
    if not (path.parent / "repeats.json").exists():
        return ()
    others = [other / "predictions.csv" for other in runs_in(path.parent) if other.resolve() != path]
    read = [{p.case_id: p for p in read_predictions(table, names)} for table in others if table.exists()]
    return tuple(repeat for repeat in read if repeat.keys() == ids)


def _shuffled(case_id: str) -> str:
    """Give an order that stays the same, but not that of the names: HRF's `01_dr` tells the disease."""
    return hashlib.sha256(case_id.encode()).hexdigest()


def _images(path: Path) -> dict[str, object]:
    """Read how photographs were prepared; nothing is known of a run that does not say it."""
    images = yaml.safe_load((path / "protocol.yaml").read_bytes()).get("images")
    return images if isinstance(images, dict) else {}


def _cases(name: str, data_dir: Path | None) -> dict[str, Case]:
    """Find the files of the data set, if they are at hand; a synthetic one is not made for that."""
    dataset = datasets.get(name)
    try:
        root = location.find(replace(dataset, prepare=None), data_dir)
    except DataNotFoundError:
        if data_dir is not None:
            raise
        return {}
    return {case.id: case for case in dataset.at(root).cases(root)}
