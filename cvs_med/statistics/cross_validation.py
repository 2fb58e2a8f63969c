"""Two methods over repeated cross-validation: the folds share training data, and the test must know it."""

from dataclasses import dataclass
from math import sqrt

from scipy import stats

from cvs_med.statistics.checks import require, require_finite, require_level
from cvs_med.statistics.intervals import Interval
from cvs_med.types import Floats


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


def corrected_resampled_t(differences: Floats, train: int, test: int, level: float = 0.95) -> CorrectedT:
    """Test whether two methods differ in the mean over the folds of repeated cross-validation.

    The plain t-test takes the folds for independent, though they share most of their training cases, and finds a
    difference between equals in half of all experiments of ten repeats of five folds; the correction adds the share
    test / train to the variance of the mean. With ten repeats of five or ten folds the error of the first kind is then
    3 to 6 % for 5; with one repeat of five folds the test is far too careful (1 %), so repeat.

    Args:
        differences: (R, K), first minus second of a score in each of K folds of R repeats.
        train: number of training cases of a fold.
        test: number of test cases of a fold.
        level: coverage of the interval, between 0 and 1.

    Raises:
        StatisticsError: other shapes, fewer than two differences, or sizes below 1.

    Source: C. Nadeau, Y. Bengio, Inference for the generalization error, Machine Learning 52 (2003) 239-281;
    repeated k-fold: R. R. Bouckaert, E. Frank, Evaluating the replicability of significance tests for comparing
    learning algorithms, PAKDD 2004, 3-12.
    """
    require(differences.ndim == 2 and differences.size >= 2, "differences (repeats, folds)", differences.shape)
    require_finite(differences=differences)
    require(train >= 1 and test >= 1, "at least one training and one test case", f"{train} and {test}")
    require_level(level)
    count, mean = differences.size, float(differences.mean())
    spread = float(differences.std(ddof=1))
    # Equal numbers may leave a crumb of spread.
    if spread <= 1e-12 * max(1.0, abs(mean)):
        return CorrectedT(mean, None, *((0.0, count - 1, 1.0) if abs(mean) <= 1e-12 else (None, count - 1, None)))
    error = spread * sqrt(1 / count + test / train)
    t, half = mean / error, error * float(stats.t.ppf((1 + level) / 2, count - 1))
    return CorrectedT(mean, Interval(mean - half, mean + half), t, count - 1, 2 * float(stats.t.sf(abs(t), count - 1)))
