"""Metrics of weighted cases, for `bootstrap.cluster_bootstrap`: a number for each row of weights (R, N).

Shapes: N cases, P classes, R rows of weights. A weight says how often a case is counted.
"""

from collections.abc import Iterator

import numpy as np

from cvs_med.statistics.bootstrap import Metric
from cvs_med.types import Floats, Integers


def balanced_accuracy(labels: Integers, predicted: Integers) -> Metric:
    """Give the mean of the classes' sensitivities; undefined where a class that has cases weighs nothing.

    Args:
        labels: (N,).
        predicted: (N,).
    """
    right = (labels == predicted).astype(np.float64)

    def metric(weights: Floats) -> Floats:
        parts = [labels == label for label in np.unique(labels)]
        shares: Floats = np.mean([_share(weights[:, part], right[part]) for part in parts], axis=0)
        return shares

    return metric


def mean_auroc(labels: Integers, probabilities: Floats, folds: Integers) -> Metric:
    """Give the mean of the folds' macro AUROC over the folds in which every class weighs something.

    Args:
        labels: (N,).
        probabilities: (N, P).
        folds: (N,), the fold whose network answered; scores of different folds are never compared.
    """

    def metric(weights: Floats) -> Floats:
        found = np.array([_macro(weights[:, fold], labels[fold], probabilities[fold]) for fold in _parts(folds)])
        defined = np.isfinite(found)
        sums = np.where(defined, found, 0.0).sum(axis=0)
        return _divided(sums, defined.sum(axis=0).astype(np.float64))

    return metric


def _parts(folds: Integers) -> Iterator[Integers]:
    yield from (np.flatnonzero(folds == fold) for fold in np.unique(folds))


def _macro(weights: Floats, labels: Integers, probabilities: Floats) -> Floats:
    """Give the mean of each class's area against the rest, (R,), of one fold; NaN where a class weighs nothing."""
    areas = []
    for label in range(probabilities.shape[1]):
        positive = labels == label
        more, less = probabilities[positive, label][:, None], probabilities[~positive, label][None]
        wins = (more > less) + 0.5 * (more == less)
        for_it, against = weights[:, positive], weights[:, ~positive]
        areas.append(_divided(((for_it @ wins) * against).sum(axis=1), for_it.sum(axis=1) * against.sum(axis=1)))
    mean: Floats = np.mean(areas, axis=0)
    return mean


def _share(weights: Floats, flags: Floats) -> Floats:
    return _divided(weights @ flags, weights.sum(axis=1))


def _divided(above: Floats, below: Floats) -> Floats:
    shares: Floats = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return shares
