"""Two methods over repeated cross-validation: the folds share training data, and the test must know it."""

from dataclasses import dataclass
from math import sqrt

from scipy import stats

from cvs_med.statistics.checks import require, require_finite, require_level
from cvs_med.statistics.intervals import Interval
from cvs_med.types import Floats, Integers


@dataclass(frozen=True, slots=True)
class CorrectedT:
    """A corrected resampled t-test.

    Attributes:
        mean: mean difference.
        interval: of the mean difference; None where the differences are all the same.
        t: None where the differences are all the same, but not 0.
        degrees: degrees of freedom, repeats times folds less one.
        p: two-sided; None with t. 1 where all differences are 0.
    """

    mean: float
    interval: Interval | None
    t: float | None
    degrees: int
    p: float | None


def by_size(sums: Floats, sizes: Integers) -> Floats:
    """Give each fold's sum as a share of all cases, times the number of folds, so that the folds' mean is that of all.

    With folds of one size these are the folds' own means. With others, a plain mean of means would let a small fold
    count as much as a large one, and differ from what all cases together say.

    Args:
        sums: (R, K), of a score over the cases of each of K folds of R repeats.
        sizes: (R, K), number of cases of each.

    Raises:
        StatisticsError: shapes differ, or a fold has no case.
    """
    require(sums.ndim == 2 and sums.shape == sizes.shape, "sums and sizes (repeats, folds)", sums.shape)
    require(bool((sizes >= 1).all()), "at least one case in each fold", int(sizes.min()))
    shares: Floats = sums * sums.shape[1] / sizes.sum(axis=1, keepdims=True)
    return shares


def held_out_ratio(sizes: Integers) -> float:
    """Give the mean ratio of test to training cases over all folds.

    Args:
        sizes: (R, K), test cases of each of two or more folds.
    """
    return float((sizes / (sizes.sum(axis=1, keepdims=True) - sizes)).mean())


def corrected_resampled_t(differences: Floats, ratio: float, level: float = 0.95) -> CorrectedT:
    """Test whether two methods differ in the mean over the folds of repeated cross-validation.

    The plain t-test takes the folds for independent, though they share most of their training cases, and finds a
    difference between equals in half of all experiments of ten repeats of five folds; the correction adds the ratio
    of test to training cases to the variance of the mean. With ten repeats of five or ten folds the error of the
    first kind is then 3 to 6 % for 5; with one repeat of five folds the test is far too careful (1 %), so repeat.

    Args:
        differences: (R, K), first minus second of a score in each of K folds of R repeats; see `by_size`.
        ratio: of test to training cases, see `held_out_ratio`.
        level: coverage of the interval, between 0 and 1.

    Raises:
        StatisticsError: other shapes, fewer than two differences, or a ratio below 0.

    Source: C. Nadeau, Y. Bengio, Inference for the generalization error, Machine Learning 52 (2003) 239-281;
    repeated k-fold: R. R. Bouckaert, E. Frank, Evaluating the replicability of significance tests for comparing
    learning algorithms, PAKDD 2004, 3-12.
    """
    require(differences.ndim == 2 and differences.size >= 2, "differences (repeats, folds)", differences.shape)
    require_finite(differences=differences)
    require(ratio >= 0, "a ratio of test to training cases of at least 0", ratio)
    require_level(level)
    count, mean = differences.size, float(differences.mean())
    spread = float(differences.std(ddof=1))
    # Equal numbers may leave a crumb of spread.
    if spread <= 1e-12 * max(1.0, abs(mean)):
        return CorrectedT(mean, None, *((0.0, count - 1, 1.0) if abs(mean) <= 1e-12 else (None, count - 1, None)))
    error = spread * sqrt(1 / count + ratio)
    t, half = mean / error, error * float(stats.t.ppf((1 + level) / 2, count - 1))
    return CorrectedT(mean, Interval(mean - half, mean + half), t, count - 1, 2 * float(stats.t.sf(abs(t), count - 1)))
