"""Intervals for cases that come in groups: two eyes of one person are not two witnesses.

Both rest on the variance between groups, and on Student's quantile with one degree of freedom less than groups.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from cvs_med.statistics.checks import (
    group_numbers,
    require,
    require_finite,
    require_flags,
    require_level,
    require_one_length,
)
from cvs_med.statistics.intervals import Interval, score_interval
from cvs_med.types import Floats, Integers


@dataclass(frozen=True, slots=True)
class GroupedMean:
    """A mean over cases in groups.

    Attributes:
        mean: over the cases.
        interval: None where all groups have the same mean, which is not certainty.
        groups: number of groups.
    """

    mean: float
    interval: Interval | None
    groups: int


def wilson_by_group(right: npt.NDArray[np.bool_], groups: npt.NDArray[Any], level: float = 0.95) -> Interval:
    """Give Wilson's interval for a proportion of cases that come in groups.

    The number of cases is divided by the design effect: how much more the groups differ than independent cases would,
    at least 1. Where all cases are alike it cannot be seen, and each group counts as one case. With the shape of HRF
    (45 cases, 17 pairs and 11 alone) the coverage of 95 % is 95 to 97 % for shares from 0.6 to 0.8, and 98 % near 1.

    Args:
        right: (N,), whether a case is a success.
        groups: (N,), what the case belongs to.
        level: coverage, between 0 and 1.

    Raises:
        StatisticsError: lengths differ, there are fewer than two groups, or a group has no name.

    Source: E. L. Korn, B. I. Graubard, Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data, Survey Methodology 24 (1998) 193-201, with Wilson's interval for the exact one,
    as N. Dean, M. Pagano, Journal of Survey Statistics and Methodology 3 (2015) 484-503, evaluate it.
    """
    require_flags(right=right)
    numbers, quantile = _groups(right, groups, level)
    share, count = float(right.mean()), int(numbers.max()) + 1
    effective = float(count)
    if 0 < share < 1:
        independent = share * (1 - share) / right.size
        effective = right.size / max(1.0, _variance(right.astype(np.float64), numbers) / independent)
    return score_interval(share, effective, quantile)


def mean_by_group(values: Floats, groups: npt.NDArray[Any], level: float = 0.95) -> GroupedMean:
    """Give an interval for the mean of a number of each case, such as right of one method less right of another.

    With the shape of HRF the coverage of 95 % for a difference of two accuracies is 94 to 96 %, where the methods
    differ on 4 or more of 45 cases in the mean; with fewer it is larger. The bootstrap covers 88 to 94 % there.

    Args:
        values: (N,).
        groups: (N,), what the case belongs to.
        level: coverage, between 0 and 1.

    Raises:
        StatisticsError: lengths differ, a value is no number, there are fewer than two groups, or one has no name.

    Source: A. C. Cameron, D. L. Miller, A practitioner's guide to cluster-robust inference, Journal of Human Resources
    50 (2015) 317-372, II and VI.
    """
    numbers, quantile = _groups(values, groups, level)
    require_finite(values=values)
    mean, half = float(values.mean()), quantile * sqrt(_variance(values, numbers))
    # A crumb of rounding is no spread.
    spread = half > 1e-12 * max(1.0, abs(mean))
    return GroupedMean(mean, Interval(mean - half, mean + half) if spread else None, int(numbers.max()) + 1)


def _groups(values: npt.NDArray[Any], groups: npt.NDArray[Any], level: float) -> tuple[Integers, float]:
    """Number the groups, and give Student's quantile."""
    require(values.ndim == 1, "one value for each case (N,)", f"shape {values.shape}")
    require_one_length(values=values, groups=groups)
    require_level(level)
    numbers = group_numbers(groups)
    count = int(numbers.max()) + 1
    require(count >= 2, "at least two groups", count)
    return numbers, float(stats.t.ppf((1 + level) / 2, count - 1))


def _variance(values: Floats, numbers: Integers) -> float:
    """Estimate the variance of the mean from what each group adds to it."""
    added = np.bincount(numbers, weights=values - values.mean())
    return added.size / (added.size - 1) * float(np.sum(added**2)) / values.size**2
