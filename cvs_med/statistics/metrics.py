"""How right a set of answers is: counts first, shares of them second.

Shapes: N cases, P classes. `labels` and `predicted` are (N,) class numbers 0 to P - 1, `probabilities` is (N, P).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cvs_med.statistics.intervals import wilson
from cvs_med.types import Floats, Integers


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
class Auroc:
    """Area under the ROC curve, one class against the rest, averaged over the classes.

    Attributes:
        macro: the mean over the classes; None where a class is absent.
        absent: the classes without a case (all but one of them where everything is one class).
    """

    macro: float | None
    absent: tuple[int, ...]


def proportion(successes: int, n: int) -> Proportion:
    """Add the 95 % Wilson interval to a count."""
    return Proportion(int(successes), int(n), *wilson(int(successes), int(n)))


def confusion_matrix(labels: Integers, predicted: Integers, classes: int) -> Integers:
    """Count cases by reference class (rows) and predicted class (columns); (P, P)."""
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


def macro_auroc(labels: Integers, probabilities: Floats) -> Auroc:
    """Average the one-vs-rest AUROC over the classes of ONE fold.

    Scores of networks trained apart have no common scale, so folds are never pooled: call it for each and average.
    """
    classes = range(probabilities.shape[1])
    absent = tuple(c for c in classes if not np.any(labels == c))
    if absent:
        return Auroc(None, absent)
    return Auroc(float(np.mean([_auroc(labels == c, probabilities[:, c]) for c in classes])), ())


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
    """
    region = np.ones(gold.shape, dtype=bool) if inside is None else inside != 0
    first, second = (predicted != 0) & region, (gold != 0) & region
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else None


def _auroc(positive: npt.NDArray[np.bool_], scores: Floats) -> float:
    """Give the chance that a positive case scores above a negative one, ties counting half (Mann-Whitney)."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positives = int(positive.sum())
    wins = ranks[positive].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * (positive.size - positives)))
