"""What a result cost a person and a machine: accuracy against annotation time, and time of training (figure 4).

Mojab, Yu, Hallak, Yi: "CvS: Classification via Segmentation For Small Datasets", arXiv 2111.00042. Every image that is
learnt from needs its class; with a map every one needs a mask too. Where masks were propagated, those count that they
were propagated from, and the class of every image that the network which made them had learnt, at this data set's
price. Masks that an algorithm made in their place count as if a person had drawn them.
"""

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from math import isfinite
from pathlib import Path
from statistics import fmean

from cvs_med import sweep_table
from cvs_med.errors import CvsMedError, RunError
from cvs_med.evaluation import Folds, measure_run, read_card, read_json
from cvs_med.protocol import Protocol, load
from cvs_med.reported import Annotation
from cvs_med.sweep_data import Draw
from cvs_med.sweep_plan import Cell, folder_of
from cvs_med.sweep_table import Row, SweepTable, as_csv


@dataclass(frozen=True, slots=True)
class Seconds:
    """What a person needs for one image: for its class, and for its mask."""

    label: float
    mask: float


@dataclass(frozen=True, slots=True)
class Cost:
    """One method with one number of images.

    Attributes:
        dataset: its name.
        run: name of the run folder.
        method: as the run names it.
        samples: images of each class; of a cross-validation `fold`, the mean training part of a fold.
        labels: images whose class is learnt from; mean over the seeds of a sweep or the folds of a cross-validation.
        masks: masks that a person draws; likewise.
        annotation_seconds: what a person needs for both.
        accuracy: mean, in percent.
        training_seconds: mean over trainings; that of a network which propagated masks is not in it.
    """

    dataset: str
    run: str
    method: str
    samples: str
    labels: float
    masks: float
    annotation_seconds: float
    accuracy: float
    training_seconds: float

    @property
    def title(self) -> str:
        """Name run and method."""
        return f"{self.run}: {self.method}"


HEADER = tuple(field.name for field in fields(Cost))


def dataset_of(run: Path) -> str:
    """Name the data set of a sweep or of a cross-validation.

    Raises:
        RunError: the folder is neither, or damaged.
    """
    if _is_sweep(run):
        return sweep_table.read(run).dataset
    return read_card(run).name


def one_dataset(runs: Sequence[Path]) -> str:
    """Name the data set of all runs.

    Raises:
        CvsMedError: they are of several, whose images cost a person differently.
    """
    names = {dataset_of(run) for run in runs}
    if len(names) != 1:
        raise CvsMedError(f"Expected runs of one data set, found {', '.join(sorted(names))}. Ask for each by itself.")
    return names.pop()


def seconds(dataset: str, label: float | None, mask: float | None, published: Sequence[Annotation]) -> Seconds:
    """Settle what an image costs a person: what is given, else what was published of the data set.

    CIFAR-100 has no published mask; its masks are propagated from those of CIFAR-10, whose figure holds then.

    Raises:
        CvsMedError: a number is neither given nor published, or is not finite.
    """
    known = {(each.dataset, each.what): each.seconds for each in published}
    found = {
        "--seconds-per-label": label if label is not None else known.get((dataset, "class label")),
        "--seconds-per-mask": mask if mask is not None else known.get((dataset.replace("cifar100", "cifar10"), "mask")),
    }
    missing = [option for option, value in found.items() if value is None]
    if missing:
        raise CvsMedError(f"Expected {' and '.join(missing)} for {dataset}, of which nothing was published. Give them.")
    if endless := [option for option, value in found.items() if not isfinite(float(value or 0))]:
        raise CvsMedError(f"Expected {' and '.join(endless)} as a number of seconds, found no finite one.")
    return Seconds(*(float(value or 0) for value in found.values()))


def costs(run: Path, price: Seconds) -> list[Cost]:
    """List what every row of a sweep, or a cross-validation, cost and reached.

    Raises:
        RunError: a file is missing or damaged, or a cross-validation learnt from images that it does not count.
    """
    if _is_sweep(run):
        table = sweep_table.read(run)
        return [_of_row(run, table, row, price) for row in table.rows]
    return [_of_folds(run, price)]


def table(found: Sequence[Cost]) -> tuple[list[str], list[list[str]]]:
    """Give header and rows for people, the cheapest first."""
    header = ["method", "samples a class", "labels", "masks", "annotation, h", "accuracy, %", "training, s"]
    rows = [
        [each.title, each.samples, f"{each.labels:g}", f"{each.masks:g}", f"{each.annotation_seconds / 3600:.2f}",
         f"{each.accuracy:.2f}", f"{each.training_seconds:.1f}"]
        for each in sorted(found, key=lambda each: each.annotation_seconds)
    ]  # fmt: skip
    return header, rows


def to_csv(found: Sequence[Cost]) -> str:
    """Write all numbers, for programs."""
    return as_csv(HEADER, [astuple(each) for each in found])


def _is_sweep(run: Path) -> bool:
    return (run / "table.json").exists()


def _of_row(run: Path, table: SweepTable, row: Row, price: Seconds) -> Cost:
    cells = [run / Cell(row.method, row.samples, seed).folder for seed in range(len(row.right))]
    draws = [read_json(cell / "draw.json", Draw) for cell in cells]
    protocol = load(str(run / folder_of(row.method) / "protocol.yaml"))
    # The network that made masks may have learnt from the images of one seed's draw and from few of another's.
    labels = fmean(len(draw.train) + draw.propagated_labels for draw in draws)
    masks = fmean(map(_masks, draws)) if protocol.has_map else 0
    return Cost(
        dataset=table.dataset,
        run=run.resolve().name,
        method=row.method,
        samples=str(row.samples),
        labels=labels,
        masks=masks,
        annotation_seconds=labels * price.label + masks * price.mask,
        accuracy=row.mean,
        training_seconds=fmean(_training_seconds(cell, [protocol]) for cell in cells),
    )


def _masks(draw: Draw) -> int:
    return len(draw.train) if draw.propagated_from is None else draw.propagated_from


def _of_folds(run: Path, price: Seconds) -> Cost:
    measured, folds = measure_run(run), read_json(run / "folds.json", Folds).folds
    cases = sum(map(len, folds))
    labels = cases - cases / len(folds)
    protocols = [load(str(file)) for file in sorted(run.glob("candidates/*/protocol.yaml")) or [run / "protocol.yaml"]]
    if any(protocol.also_train for protocol in protocols):
        found = "one that learnt from other folders too (also_train)"
        raise RunError(f"{run}: expected a run that learnt from {cases} images of its own, found {found}, whose labels "
                       "and masks it does not count. Leave it out.")  # fmt: skip
    # A protocol that was not chosen in the end was still trained inside, on masks if it has a map.
    masks = labels if any(protocol.has_map for protocol in protocols) else 0
    if measured.masks:
        masks = fmean(measured.masks.given)
    return Cost(
        dataset=read_card(run).name,
        run=run.resolve().name,
        method=measured.method,
        samples="fold",
        labels=labels,
        masks=masks,
        annotation_seconds=labels * price.label + masks * price.mask,
        accuracy=100 * (measured.result.accuracy.share or 0),
        training_seconds=fmean(_training_seconds(run / f"fold-{n}", protocols) for n in range(len(folds))),
    )


def _training_seconds(folder: Path, protocols: Sequence[Protocol]) -> float:
    """Add up the seconds of all epochs of all trainings in a folder; a regression is fitted in no time."""
    histories = sorted(folder.rglob("history.csv"))
    if not histories and all(protocol.trains_network for protocol in protocols):
        histories = [folder / "history.csv"]
    return sum(map(_epochs, histories))


def _epochs(path: Path) -> float:
    """Add up the seconds of all epochs of a training."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            epochs = [float(row["seconds"]) for row in csv.DictReader(file)]
        if not epochs:
            raise ValueError("no epoch")
        return sum(epochs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "Is this the folder of a finished run?"
        raise RunError(f"{path}: expected the seconds of every epoch, found: {error!r}. {remedy}") from error
