"""Intervals of what is no count of cases: balanced accuracy, AUROC, Brier score, Dice; all count groups."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from cvs_med.evaluation.result import Intervals
from cvs_med.statistics import weighted
from cvs_med.statistics.bootstrap import Method, Metric, cluster_bootstrap
from cvs_med.statistics.calibration import squared_errors
from cvs_med.statistics.clusters import mean_by_group, skewed_mean_by_group
from cvs_med.statistics.intervals import Interval
from cvs_med.tables import Segmentation
from cvs_med.types import Floats, Prediction

_WORST_BRIER = 2.0

_MOST_CASES = 2000
"""Cases up to which groups are drawn again; of more the intervals are narrow, and take many seconds."""


def intervals(predictions: Sequence[Prediction], segmentation: Sequence[Segmentation]) -> Intervals:
    """Give the 95 % intervals of one method.

    Args:
        predictions: complete.
        segmentation: of the same cases; none for a method without a map.
    """
    labels = np.array([p.label for p in predictions], dtype=np.int64)
    predicted = np.array([p.predicted for p in predictions], dtype=np.int64)
    probabilities = np.array([p.probabilities for p in predictions], dtype=np.float64)
    folds = np.array([p.fold for p in predictions], dtype=np.int64)
    units = {p.case_id: p.unit for p in predictions}
    groups = np.array([p.unit for p in predictions])
    return Intervals(
        balanced_accuracy=drawn(weighted.balanced_accuracy(labels, predicted), groups),
        mean_auroc=drawn(weighted.mean_auroc(labels, probabilities, folds), groups),
        brier=_brier(squared_errors(labels, probabilities), groups),
        dice_working=_overlap(segmentation, units, lambda row: row.dice_working),
        dice_native=_overlap(segmentation, units, lambda row: row.dice_native),
    )


def drawn(metric: Metric, groups: npt.NDArray[np.str_], method: Method = "bca") -> Interval | None:
    """Draw groups again for the 95 % interval of a metric; None where that gives none, or would take many seconds."""
    alone = np.unique(groups).size < 2 or groups.size > _MOST_CASES
    if alone or not np.isfinite(metric(np.ones((1, groups.size)))[0]):
        return None
    return cluster_bootstrap(metric, groups, method=method).interval


def _overlap(
    rows: Sequence[Segmentation], units: dict[str, str], value: Callable[[Segmentation], float | None]
) -> Interval | None:
    known = [(found, units[row.case_id]) for row in rows if (found := value(row)) is not None]
    return _mean(np.array([found for found, _ in known]), np.array([unit for _, unit in known]), 1)


def _brier(errors: Floats, groups: npt.NDArray[np.str_]) -> Interval | None:
    """Give the interval of the Brier score; None where it would reach beyond the largest score, and so says nothing."""
    if groups.size > _MOST_CASES:
        return _mean(errors, groups, _WORST_BRIER)  # of so many cases a mean is hardly skewed
    if np.unique(groups).size < 2:
        return None
    found = skewed_mean_by_group(errors, groups).interval
    return found if found and found.high <= _WORST_BRIER else None


def _mean(values: Floats, groups: npt.NDArray[np.str_], most: float) -> Interval | None:
    """Give Student's interval, by groups, of a mean of numbers from 0 to `most`, cut to these."""
    if np.unique(groups).size < 2:
        return None
    found = mean_by_group(values, groups).interval
    return Interval(max(found.low, 0.0), min(found.high, most)) if found else None
