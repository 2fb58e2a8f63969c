"""Which labels do the answers contradict? Confident learning, from out-of-fold probabilities.

Shapes: N cases, P classes. `labels` are (N,) class numbers 0 to P - 1, `probabilities` are (N, P), by networks that had
not seen the case.
"""

from dataclasses import dataclass

import numpy as np

from cvs_med.statistics.checks import require_labels, require_one_length, require_probabilities
from cvs_med.types import Floats, Integers

_ROUNDING = 1e-6
"""A probability so little below its threshold is taken for it."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A case whose label the answers contradict.

    Attributes:
        case: its index.
        label: class that it was given.
        answer: class that is as probable as it is for the cases which are labelled so.
        probability: of its label.
    """

    case: int
    label: int
    answer: int
    probability: float


def doubted_labels(labels: Integers, probabilities: Floats) -> tuple[Doubt, ...]:
    """List the cases whose label may be wrong, the least probable label first.

    A class is confidently given to a case where its probability reaches the mean that it has over the cases which are
    labelled with it; of several such classes the most probable. A label is doubted where another class is confidently
    given, and the label is not the most probable class. A doubt may as well be a mistake of the method.

    Raises:
        StatisticsError: lengths differ, or labels or probabilities are out of range.

    Source: C. G. Northcutt, L. Jiang, I. L. Chuang, Confident learning: estimating uncertainty in dataset labels,
    Journal of Artificial Intelligence Research 70 (2021) 1373-1411, off the diagonal of the confident joint.
    """
    require_one_length(labels=labels, probabilities=probabilities)
    require_probabilities(probabilities)
    require_labels(labels, probabilities.shape[1])
    confident = probabilities >= _thresholds(labels, probabilities) - _ROUNDING
    answers = np.where(confident, probabilities, -1.0).argmax(axis=1)
    contradicted = (answers != labels) & (probabilities.argmax(axis=1) != labels) & confident.any(axis=1)
    given = probabilities[np.arange(labels.size), labels]
    found = np.flatnonzero(contradicted)
    order = found[np.argsort(given[found], kind="stable")]
    return tuple(Doubt(int(case), int(labels[case]), int(answers[case]), float(given[case])) for case in order)


def _thresholds(labels: Integers, probabilities: Floats) -> Floats:
    """Give the mean probability of each class (P,) over the cases labelled so; infinite for a class without any."""
    members = np.eye(probabilities.shape[1], dtype=np.bool_)[labels]
    counts = members.sum(axis=0)
    sums = np.where(members, probabilities, 0.0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
