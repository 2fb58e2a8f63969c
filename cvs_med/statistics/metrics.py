"""How right a set of answers is: counts first, shares of them second.

Shapes: N cases, P classes. `labels` and `predicted` are (N,) class numbers 0 to P - 1.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cvs_med.statistics.checks import require, require_labels, require_one_length
from cvs_med.statistics.intervals import wilson
from cvs_med.types import Integers


@dataclass(frozen=True, slots=True)
class Proportion:
    """A count of successes and its 95 % Wilson interval (shares, 0 to 1)."""

    successes: int
    n: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """Successes over n; None where n is 0."""
        return self.successes / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class PredictiveValue:
    """A predictive value, and the prevalence without which it says nothing.

    Attributes:
        value: cases for which the answer is true, among those that got it.
        prevalence: share of the class among these cases; where the class is rarer, a positive answer is less often
            true. None without any case.
    """

    value: Proportion
    prevalence: float | None


def proportion(successes: int, n: int) -> Proportion:
    """Add the 95 % Wilson interval to a count."""
    return Proportion(int(successes), int(n), *wilson(int(successes), int(n)))


def confusion_matrix(labels: Integers, predicted: Integers, classes: int) -> Integers:
    """Count cases by reference class (rows) and predicted class (columns); (P, P).

    Raises:
        StatisticsError: lengths differ, or a class is not 0 to P - 1.
    """
    require_one_length(labels=labels, predicted=predicted)
    require_labels(labels, classes)
    require_labels(predicted, classes, "predicted")
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def accuracy(matrix: Integers) -> Proportion:
    """Count the cases on the diagonal of a confusion matrix."""
    return proportion(np.trace(matrix), matrix.sum())


def balanced_accuracy(matrix: Integers) -> float | None:
    """Average the sensitivity over the classes that have cases; None without any case."""
    cases = matrix.sum(axis=1)
    present = cases > 0
    return float(np.mean(np.diag(matrix)[present] / cases[present])) if present.any() else None


def sensitivity(matrix: Integers, of_class: int) -> Proportion:
    """Count, among the cases of a class, those that were given that class."""
    return proportion(matrix[of_class, of_class], matrix[of_class].sum())


def specificity(matrix: Integers, of_class: int) -> Proportion:
    """Count, among the cases of all other classes, those that were not given that class."""
    others = np.delete(matrix, of_class, axis=0)
    return proportion(others.sum() - others[:, of_class].sum(), others.sum())


def positive_predictive_value(matrix: Integers, of_class: int) -> PredictiveValue:
    """Count, among the cases that were given a class, those that are of it."""
    value = proportion(matrix[of_class, of_class], matrix[:, of_class].sum())
    return PredictiveValue(value, _prevalence(matrix, of_class))


def negative_predictive_value(matrix: Integers, of_class: int) -> PredictiveValue:
    """Count, among the cases that were not given a class, those that are not of it."""
    others = np.delete(matrix, of_class, axis=1)
    value = proportion(others.sum() - others[of_class].sum(), others.sum())
    return PredictiveValue(value, _prevalence(matrix, of_class))


def dice(
    predicted: npt.NDArray[np.generic], gold: npt.NDArray[np.generic], inside: npt.NDArray[np.generic] | None = None
) -> float | None:
    """Compute the Dice overlap of two binary masks.

    Args:
        predicted: (H, W), non-zero is foreground.
        gold: (H, W), non-zero is foreground.
        inside: (H, W), the pixels that count (such as the field of view); all of them if None.

    Returns:
        Twice the common area over the sum of both areas; None where both are empty.

    Raises:
        StatisticsError: shapes differ.
    """
    region = np.ones(gold.shape, dtype=bool) if inside is None else inside != 0
    same = predicted.shape == gold.shape == region.shape
    require(same, "masks of one shape", f"shapes {predicted.shape}, {gold.shape}, {region.shape}")
    first, second = (predicted != 0) & region, (gold != 0) & region
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else None


def _prevalence(matrix: Integers, of_class: int) -> float | None:
    cases = int(matrix.sum())
    return int(matrix[of_class].sum()) / cases if cases else None
