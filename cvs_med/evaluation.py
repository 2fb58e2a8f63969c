"""From predictions.csv to metrics with intervals; no network is needed, so any run can be evaluated again."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cvs_med.errors import RunError
from cvs_med.statistics import metrics as measure
from cvs_med.statistics.metrics import Proportion
from cvs_med.tables import Segmentation, read_predictions, read_segmentation, write_bytes, write_predictions
from cvs_med.types import Floats, Integers, Prediction

__all__ = [
    "INTERVAL_CAVEAT", "ClassMetrics", "DatasetCard", "FoldMetrics", "Folds", "Metrics", "RunMetrics", "Siblings",
    "Spread", "evaluate", "evaluate_run", "measure_run", "read_json", "read_method",
    "read_predictions", "write_predictions",
]  # fmt: skip

INTERVAL_CAVEAT = (
    "Wilson intervals treat the cases as independent, and the folds share training data: "
    "the true uncertainty is larger than the intervals show."
)

T = TypeVar("T")


class DatasetCard(BaseModel):
    """dataset.json: what a report says about the data set."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    class_names: list[str] = Field(min_length=2)
    class_codes: list[str]
    foreground: str
    licence: str
    citation: str
    notes: list[str]
    cases: int


class Folds(BaseModel):
    """folds.json: who was tested when; one list of case ids per fold."""

    model_config = ConfigDict(frozen=True)

    kind: str
    seed: int
    folds: list[list[str]] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One class against all others."""

    name: str
    sensitivity: Proportion
    specificity: Proportion


@dataclass(frozen=True, slots=True)
class FoldMetrics:
    """One fold; `macro_auroc` is None where the classes `absent` have no case in its test part."""

    fold: int
    accuracy: Proportion
    macro_auroc: float | None
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and range of a number over the `cases` where it is known."""

    mean: float
    low: float
    high: float
    cases: int


@dataclass(frozen=True, slots=True)
class Siblings:
    """Accuracy with and without the cases that had another case of their group in their training part."""

    with_sibling: Proportion
    without_sibling: Proportion


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one method reached.

    Attributes:
        accuracy: cases given their reference class.
        balanced_accuracy: mean of the sensitivities of the classes that have cases.
        classes: sensitivity and specificity, in the order of the classes.
        confusion: cases by reference class (rows) and predicted class (columns).
        folds: accuracy and AUROC per fold.
        mean_auroc: mean of the folds' macro AUROC where it is defined; None where it is nowhere.
        dice_working: Dice at the network's size, if there is a map and a reference mask.
        dice_native: Dice at the photograph's own size.
        siblings: None where no groups are known.
    """

    accuracy: Proportion
    balanced_accuracy: float | None
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    folds: tuple[FoldMetrics, ...]
    mean_auroc: float | None
    dice_working: Spread | None
    dice_native: Spread | None
    siblings: Siblings | None


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """A run folder's method and, on the same folds, its baselines; metrics.json holds exactly this."""

    method: str
    splits: str
    foreground: str
    class_names: tuple[str, ...]
    result: Metrics
    baselines: dict[str, Metrics]
    interval_caveat: str = INTERVAL_CAVEAT

    @property
    def compared(self) -> list[tuple[str, Metrics]]:
        """The method, then the baselines."""
        return [(self.method, self.result), *self.baselines.items()]


def evaluate(
    predictions: Sequence[Prediction],
    expected_ids: Iterable[str],
    class_names: Sequence[str],
    segmentation: Sequence[Segmentation] = (),
) -> Metrics:
    """Measure a complete set of predictions: every expected case once, and no other.

    Raises:
        RunError: cases are missing, doubled or unknown; all are listed.
    """
    expected = list(expected_ids)
    _require_complete((p.case_id for p in predictions), expected, "predictions")
    if segmentation:
        _require_complete((row.case_id for row in segmentation), expected, "segmentation")
    labels, predicted, _ = _arrays(predictions)
    matrix = measure.confusion_matrix(labels, predicted, len(class_names))
    folds = tuple(_fold_metrics(fold, part, class_names) for fold, part in _by_fold(predictions))
    defined = [fold.macro_auroc for fold in folds if fold.macro_auroc is not None]
    return Metrics(
        accuracy=measure.accuracy(matrix),
        balanced_accuracy=measure.balanced_accuracy(matrix),
        classes=tuple(_class_metrics(matrix, number, name) for number, name in enumerate(class_names)),
        confusion=tuple(tuple(row) for row in matrix.tolist()),
        folds=folds,
        mean_auroc=float(np.mean(defined)) if defined else None,
        dice_working=_spread(row.dice_working for row in segmentation),
        dice_native=_spread(row.dice_native for row in segmentation),
        siblings=_siblings(predictions),
    )


def evaluate_run(run: Path) -> RunMetrics:
    """Measure the method and every baseline of a run folder, and write metrics.json there.

    Raises:
        RunError: as for `measure_run`.
    """
    evaluated = measure_run(run)
    text = json.dumps(asdict(evaluated), indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(run / "metrics.json", f"{text}\n".encode())
    return evaluated


def measure_run(run: Path) -> RunMetrics:
    """Measure the method and every baseline of a run folder, and write nothing.

    Raises:
        RunError: a file is missing or damaged, or a table does not fit folds.json.
    """
    dataset = read_json(run / "dataset.json", DatasetCard)
    names = dataset.class_names
    folds = read_json(run / "folds.json", Folds)
    maps = run / "segmentation.csv"
    tables = {path.stem: path for path in sorted((run / "baselines").glob("*.csv"))}
    return RunMetrics(
        method=read_method(run),
        splits=folds.kind,
        foreground=dataset.foreground,
        class_names=tuple(names),
        result=_evaluate_table(run / "predictions.csv", names, folds, read_segmentation(maps) if maps.exists() else ()),
        baselines={name: _evaluate_table(path, names, folds) for name, path in tables.items()},
    )


def read_json(path: Path, kind: type[T]) -> T:
    """Read a JSON file of a run folder as what it should be.

    Raises:
        RunError: it is missing, damaged, or something else.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise RunError(f"{path}: {error}. Run the experiment again to have it written.") from error


def read_method(run: Path) -> str:
    """Name the method that protocol.yaml asked for.

    Raises:
        RunError: there is no such file, or it names no method.
    """
    path = run / "protocol.yaml"
    try:
        protocol = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise RunError(f"{path}: {error}. Is {run} the folder of a run?") from error
    if not isinstance(protocol, dict) or not isinstance(protocol.get("method"), str):
        raise RunError(f"{path}: expected a field `method`, found none. Is {run} the folder of a run?")
    return str(protocol["method"])


def _evaluate_table(
    path: Path, names: Sequence[str], folds: Folds, segmentation: Sequence[Segmentation] = ()
) -> Metrics:
    predictions = read_predictions(path, names)
    try:
        metrics = evaluate(predictions, (case for fold in folds.folds for case in fold), names, segmentation)
    except RunError as error:
        raise RunError(f"{path}: {error}") from error
    tested = [sorted(p.case_id for p in part) for _, part in _by_fold(predictions)]
    if tested != [sorted(fold) for fold in folds.folds]:
        raise RunError(f"{path}: expected the folds of folds.json, found others. Run again in a new folder.")
    return metrics


def _require_complete(found: Iterable[str], expected: Sequence[str], what: str) -> None:
    counts = Counter(found)
    faults = {
        "missing": [case for case in expected if case not in counts],
        "doubled": [case for case, count in counts.items() if count > 1],
        "unknown": sorted(counts.keys() - set(expected)),
    }
    if any(faults.values()) or not expected:
        listed = "; ".join(f"{fault}: {', '.join(cases)}" for fault, cases in faults.items() if cases)
        raise RunError(
            f"expected {what} for each of the {len(expected)} cases once, found {listed or 'no case'}. "
            "Start the same command again to finish the run."
        )


def _by_fold(predictions: Sequence[Prediction]) -> list[tuple[int, list[Prediction]]]:
    parts: defaultdict[int, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        parts[prediction.fold].append(prediction)
    return sorted(parts.items())


def _arrays(predictions: Sequence[Prediction]) -> tuple[Integers, Integers, Floats]:
    labels = np.array([p.label for p in predictions], dtype=np.int64)
    predicted = np.array([p.predicted for p in predictions], dtype=np.int64)
    return labels, predicted, np.array([p.probabilities for p in predictions])


def _class_metrics(matrix: Integers, number: int, name: str) -> ClassMetrics:
    return ClassMetrics(name, measure.sensitivity(matrix, number), measure.specificity(matrix, number))


def _fold_metrics(fold: int, predictions: Sequence[Prediction], names: Sequence[str]) -> FoldMetrics:
    labels, predicted, probabilities = _arrays(predictions)
    auroc = measure.macro_auroc(labels, probabilities)
    right = measure.proportion(int((labels == predicted).sum()), len(predictions))
    return FoldMetrics(fold, right, auroc.macro, tuple(names[c] for c in auroc.absent))


def _spread(values: Iterable[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return Spread(float(np.mean(known)), min(known), max(known), len(known)) if known else None


def _siblings(predictions: Sequence[Prediction]) -> Siblings | None:
    """Split by whether a group reaches over folds: all other folds are a case's training part."""
    folds: defaultdict[str, set[int]] = defaultdict(set)
    for prediction in predictions:
        folds[prediction.group].add(prediction.fold)
    if not folds.keys() - {""}:
        return None
    counts = {True: [0, 0], False: [0, 0]}
    for p in predictions:
        count = counts[bool(p.group) and len(folds[p.group]) > 1]
        count[0] += p.predicted == p.label
        count[1] += 1
    return Siblings(measure.proportion(*counts[True]), measure.proportion(*counts[False]))
