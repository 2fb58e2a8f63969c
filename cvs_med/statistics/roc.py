"""Area under the ROC curve, one class against the rest, fold by fold.

Networks trained apart give scores without a common scale, so scores of different folds are never compared: whatever
concerns more than a list of cases takes their folds and averages over them. One network has one fold: give it zeros.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import rankdata

from cvs_med.statistics.checks import (
    require,
    require_finite,
    require_flags,
    require_labels,
    require_level,
    require_one_length,
    require_probabilities,
)
from cvs_med.statistics.intervals import Interval
from cvs_med.types import Floats, Integers


@dataclass(frozen=True, slots=True)
class AurocByFold:
    """One-vs-rest AUROC by fold and class, and its means.

    Attributes:
        folds: the numbers of the folds.
        values: for each fold, for each class; None where the fold has no case of the class, or no other.
        per_class: mean over the folds where it is defined; None where it is nowhere.
        defined: number of folds behind each of these means.
        macro: mean of `per_class`; None where one of them is None.
    """

    folds: tuple[int, ...]
    values: tuple[tuple[float | None, ...], ...]
    per_class: tuple[float | None, ...]
    defined: tuple[int, ...]
    macro: float | None


@dataclass(frozen=True, slots=True)
class Area:
    """An AUROC with DeLong's variance.

    Attributes:
        auroc: mean over the folds.
        variance: DeLong's, of this mean.
        interval: on the logit scale; Newcombe's where the variance is 0.
        positives: number of positive cases.
        negatives: number of negative cases.
    """

    auroc: float
    variance: float
    interval: Interval
    positives: int
    negatives: int


@dataclass(frozen=True, slots=True)
class AreaDifference:
    """Two AUROCs on the same cases, compared.

    Attributes:
        first: AUROC of the first scores.
        second: AUROC of the second scores.
        variance: of first minus second.
        z: difference over its standard error; None where the variance is 0 and the areas differ.
        p: two-sided; None with z. 1 where the areas are the same and the variance is 0.
    """

    first: float
    second: float
    variance: float
    z: float | None
    p: float | None


def auroc(positive: npt.NDArray[np.bool_], scores: Floats) -> float | None:
    """Give the chance that a positive case scores above a negative one, ties counting half (Mann-Whitney).

    Args:
        positive: (N,), whether a case is of the class.
        scores: (N,), all from ONE network.

    Returns:
        The area; None where there is no positive or no negative case.

    Raises:
        StatisticsError: lengths differ, or a score is no number.
    """
    _require_scores(positive, scores)
    positives = int(positive.sum())
    negatives = positive.size - positives
    if positives == 0 or negatives == 0:
        return None
    wins = float(rankdata(scores)[positive].sum()) - positives * (positives + 1) / 2
    return wins / (positives * negatives)


def mean_auroc(positive: npt.NDArray[np.bool_], scores: Floats, folds: Integers) -> float | None:
    """Give the mean of the folds' areas where they are defined; None where they are nowhere.

    Args:
        positive: (N,), whether a case is of the class.
        scores: (N,).
        folds: (N,), the fold whose network gave the score.

    Raises:
        StatisticsError: lengths differ, or a score is no number.
    """
    return _mean(_in_each_fold(positive, scores, folds))


def auroc_by_fold(labels: Integers, probabilities: Floats, folds: Integers) -> AurocByFold:
    """Give the one-vs-rest AUROC of every class in every fold, and average over the folds.

    Args:
        labels: (N,) reference classes.
        probabilities: (N, P).
        folds: (N,), the fold whose network gave the probabilities of the case.

    Raises:
        StatisticsError: lengths differ, or labels or probabilities are out of range.
    """
    require_one_length(labels=labels, probabilities=probabilities, folds=folds)
    require_probabilities(probabilities)
    classes = probabilities.shape[1]
    require_labels(labels, classes)
    of_class = [_in_each_fold(labels == c, probabilities[:, c], folds) for c in range(classes)]
    means = tuple(map(_mean, of_class))
    defined = tuple(sum(area is not None for area in areas) for areas in of_class)
    macro = None if None in means else _mean(means)
    return AurocByFold(tuple(np.unique(folds).tolist()), tuple(zip(*of_class, strict=True)), means, defined, macro)


def _in_each_fold(positive: npt.NDArray[np.bool_], scores: Floats, folds: Integers) -> list[float | None]:
    _require_scores(positive, scores)
    require_one_length(positive=positive, folds=folds)
    parts = [folds == fold for fold in np.unique(folds)]
    return [auroc(positive[part], scores[part]) for part in parts]


def _mean(areas: Sequence[float | None]) -> float | None:
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else None


def delong(positive: npt.NDArray[np.bool_], scores: Floats, folds: Integers, level: float = 0.95) -> Area:
    """Give the AUROC with DeLong's variance and an interval.

    The interval is taken on the logit scale: on the plain scale it passes 1, and 15 positive and 30 negative cases
    with a true area of 0.95 give 83 % coverage for 95. On the logit scale it is 94 to 96 % with these 45 cases for
    areas from 0.6 to 0.95 and classes of equal spread (91 % where positives spread twice as wide and the area is
    0.95), 98 % at 0.98; averaged over five folds of 9 it is 96 to 99 %. Where DeLong's variance is 0, as with a
    perfect separation, the interval is Newcombe's, which needs none. Cases count as independent; for groups, see
    `bootstrap.cluster_bootstrap`.

    Args:
        positive: (N,), whether a case is of the class.
        scores: (N,).
        folds: (N,), the fold whose network gave the score; areas are taken in each fold and averaged, variances added.
        level: coverage, between 0 and 1.

    Raises:
        StatisticsError: lengths differ, or a fold has fewer than two positive or two negative cases.

    Source: E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988) 837-845; X. Sun, W. Xu, Fast
    implementation of DeLong's algorithm, IEEE Signal Processing Letters 21 (2014) 1389-1393; logit: M. S. Pepe, The
    Statistical Evaluation of Medical Tests (2003), 5.2; mean over folds: E. LeDell, M. Petersen, M. van der Laan,
    Electronic Journal of Statistics 9 (2015) 1583-1607.
    """
    require_level(level)
    areas, covariance, counts = _areas(positive, [scores], folds)
    area, variance = float(areas[0]), float(covariance[0, 0])
    quantile = NormalDist().inv_cdf((1 + level) / 2)
    interval = _logit_interval(area, variance, quantile) if variance > 0 else _newcombe(area, counts, quantile)
    return Area(area, variance, interval, sum(m for m, _ in counts), sum(n for _, n in counts))


def delong_test(positive: npt.NDArray[np.bool_], first: Floats, second: Floats, folds: Integers) -> AreaDifference:
    """Test whether two scores of the same cases have the same AUROC.

    With 15 positive and 30 negative cases it finds a difference between equals in 5 to 6 of 100 experiments for areas
    up to 0.85, in 2 at 0.95, and in fewer over five folds. Cases count as independent.

    Args:
        positive: (N,), whether a case is of the class.
        first: (N,).
        second: (N,).
        folds: (N,), as for `delong`; the same for both.

    Raises:
        StatisticsError: lengths differ, or a fold has fewer than two positive or two negative cases.

    Source: as for `delong`.
    """
    areas, covariance, _ = _areas(positive, [first, second], folds)
    one, other = areas.tolist()
    # A crumb of rounding is no variance.
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if variance <= 1e-15:
        return AreaDifference(one, other, 0.0, *((0.0, 1.0) if abs(one - other) < 1e-12 else (None, None)))
    z = (one - other) / sqrt(variance)
    return AreaDifference(one, other, variance, z, 2 * NormalDist().cdf(-abs(z)))


def _require_scores(positive: npt.NDArray[np.bool_], scores: Floats) -> None:
    require_flags(positive=positive)
    require_one_length(positive=positive, scores=scores)
    require_finite(scores=scores)


def _areas(
    positive: npt.NDArray[np.bool_], scores: list[Floats], folds: Integers
) -> tuple[Floats, Floats, list[tuple[int, int]]]:
    """Average the areas over the folds: (S,), with their covariance (S, S) and each fold's positives and negatives."""
    for score in scores:
        _require_scores(positive, score)
    require_one_length(positive=positive, folds=folds)
    parts = list(_parts(positive, np.stack(scores), folds))
    areas, covariances = zip(*(_components(up, down) for up, down in parts), strict=True)
    counts = [(up.shape[1], down.shape[1]) for up, down in parts]
    return np.mean(areas, axis=0), np.sum(covariances, axis=0) / len(parts) ** 2, counts


def _parts(positive: npt.NDArray[np.bool_], scores: Floats, folds: Integers) -> Iterator[tuple[Floats, Floats]]:
    """Give each fold's scores of positive (S, m) and negative (S, n) cases."""
    for fold in np.unique(folds):
        up, down = (scores[:, (folds == fold) & side] for side in (positive, ~positive))
        found = f"{up.shape[1]} and {down.shape[1]} in fold {fold}"
        require(min(up.shape[1], down.shape[1]) >= 2, "at least 2 positive and 2 negative cases in every fold", found)
        yield up, down


def _components(up: Floats, down: Floats) -> tuple[Floats, Floats]:
    """Give areas (S,) and their covariance (S, S) from mid-ranks: each case's share of wins over the other side."""
    positives, negatives = up.shape[1], down.shape[1]
    ranks = rankdata(np.hstack([up, down]), axis=1)
    wins = (ranks[:, :positives] - rankdata(up, axis=1)) / negatives
    losses = 1 - (ranks[:, positives:] - rankdata(down, axis=1)) / positives
    covariance = np.atleast_2d(np.cov(wins)) / positives + np.atleast_2d(np.cov(losses)) / negatives
    return wins.mean(axis=1), covariance


def _logit_interval(area: float, variance: float, quantile: float) -> Interval:
    centre, half = log(area / (1 - area)), quantile * sqrt(variance) / (area * (1 - area))
    return Interval(1 / (1 + exp(half - centre)), 1 / (1 + exp(-half - centre)))


def _newcombe(area: float, counts: list[tuple[int, int]], quantile: float) -> Interval:
    """Collect the areas whose own variance explains the one found.

    Source: R. G. Newcombe, Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2,
    Statistics in Medicine 25 (2006) 559-573, method 5.
    """

    def too_far(true: float) -> float:
        variance = sum(_exponential_variance(true, m, n) for m, n in counts) / len(counts) ** 2
        return (area - true) ** 2 - quantile**2 * variance

    # The variance is 0 at 0 and 1, so that an area found there explains itself: start a step beside it.
    low = 0.0 if area == 0 else brentq(too_far, 0.0, area * (1 - 1e-9))
    return Interval(low, 1.0 if area == 1 else brentq(too_far, area + (1 - area) * 1e-9, 1.0))


def _exponential_variance(area: float, positives: int, negatives: int) -> float:
    """Give Hanley and McNeil's variance with Newcombe's mean number of cases."""
    others = (positives + negatives) / 2 - 1
    bracket = 1 + others * (1 - area) / (2 - area) + others * area / (1 + area)
    return area * (1 - area) * bracket / (positives * negatives)
