"""A complete set of predictions, measured."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from cvs_med.errors import RunError
from cvs_med.evaluation.intervals import intervals
from cvs_med.evaluation.result import (
    Balance,
    ClassMetrics,
    FoldMetrics,
    GroupedAccuracy,
    Metrics,
    Siblings,
    Spread,
)
from cvs_med.statistics import metrics as measure
from cvs_med.statistics.calibration import brier, calibration_error
from cvs_med.statistics.clusters import wilson_by_group
from cvs_med.statistics.roc import AurocByFold, auroc_by_fold
from cvs_med.tables import Segmentation
from cvs_med.types import Floats, Integers, Prediction


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
    # One order, so that not even the rounding of a sum depends on that of the rows.
    ordered = sorted(predictions, key=lambda p: p.case_id)
    labels, predicted, probabilities = _arrays(ordered)
    areas = auroc_by_fold(labels, probabilities, np.array([p.fold for p in ordered]))
    matrix = measure.confusion_matrix(labels, predicted, len(class_names))
    folds = _folds(ordered, areas, class_names)
    defined = [fold.macro_auroc for fold in folds if fold.macro_auroc is not None]
    return Metrics(
        accuracy=measure.accuracy(matrix),
        balanced_accuracy=measure.balanced_accuracy(matrix),
        classes=tuple(_class(matrix, areas, number, name) for number, name in enumerate(class_names)),
        confusion=tuple(tuple(row) for row in matrix.tolist()),
        folds=folds,
        mean_auroc=float(np.mean(defined)) if defined else None,
        brier=brier(labels, probabilities),
        calibration_error=calibration_error(labels, probabilities),
        dice_working=spread(row.dice_working for row in segmentation),
        dice_native=spread(row.dice_native for row in segmentation),
        centreline_dice=None,
        outline_distance=None,
        siblings=_siblings(ordered),
        by_group=_by_group(ordered),
        intervals=intervals(ordered, sorted(segmentation, key=lambda row: row.case_id)),
    )


def balance(predictions: Sequence[Prediction], class_names: Sequence[str]) -> Balance:
    """Count the cases by fold and class, and find where they are furthest from even.

    A fold's share of a class is its share of all cases: of 15 glaucoma cases among 45, a fold of nine has three.
    """
    parts = by_fold(predictions)
    counts = np.array([_counts([p.label for p in part], len(class_names)) for _, part in parts])
    even = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    fold, number = np.unravel_index(np.argmax(np.abs(counts - even)), counts.shape)
    deviation = float(np.abs(counts - even)[fold, number])
    return Balance(tuple(map(tuple, counts.tolist())), deviation, parts[int(fold)][0], class_names[int(number)])


def by_fold(predictions: Sequence[Prediction]) -> list[tuple[int, list[Prediction]]]:
    """Put the predictions of each fold together, by the number of the fold."""
    parts: defaultdict[int, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        parts[prediction.fold].append(prediction)
    return sorted(parts.items())


def spread(values: Iterable[float | None]) -> Spread | None:
    """Give mean and range of the values that are known; None where none is."""
    known = [value for value in values if value is not None]
    return Spread(float(np.mean(known)), min(known), max(known), len(known)) if known else None


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


def _arrays(predictions: Sequence[Prediction]) -> tuple[Integers, Integers, Floats]:
    labels = np.array([p.label for p in predictions], dtype=np.int64)
    predicted = np.array([p.predicted for p in predictions], dtype=np.int64)
    return labels, predicted, np.array([p.probabilities for p in predictions])


def _counts(labels: Sequence[int], classes: int) -> Integers:
    return np.bincount(labels, minlength=classes).astype(np.int64)


def _class(matrix: Integers, areas: AurocByFold, number: int, name: str) -> ClassMetrics:
    return ClassMetrics(
        name,
        measure.sensitivity(matrix, number),
        measure.specificity(matrix, number),
        measure.positive_predictive_value(matrix, number),
        measure.negative_predictive_value(matrix, number),
        areas.per_class[number],
        areas.defined[number],
    )


def _folds(predictions: Sequence[Prediction], areas: AurocByFold, names: Sequence[str]) -> tuple[FoldMetrics, ...]:
    rows = zip(by_fold(predictions), areas.values, strict=True)
    return tuple(_fold(fold, part, values, names) for (fold, part), values in rows)


def _fold(
    fold: int, predictions: Sequence[Prediction], aurocs: tuple[float | None, ...], names: Sequence[str]
) -> FoldMetrics:
    right = measure.proportion(sum(p.predicted == p.label for p in predictions), len(predictions))
    counts = _counts([p.label for p in predictions], len(names))
    absent = tuple(name for name, count in zip(names, counts, strict=True) if count == 0)
    known = [value for value in aurocs if value is not None]
    return FoldMetrics(fold, right, None if absent else float(np.mean(known)), absent, aurocs)


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


def _by_group(predictions: Sequence[Prediction]) -> GroupedAccuracy | None:
    """Give the interval that knows of groups; None where no groups are known, or all cases are of one."""
    groups = [p.unit for p in predictions]
    count = len(set(groups))
    if count < 2 or not any(p.group for p in predictions):
        return None
    right = np.array([p.predicted == p.label for p in predictions])
    return GroupedAccuracy(count, wilson_by_group(right, np.array(groups)))
