"""An interval for any metric: draw whole groups again, with replacement."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from cvs_med.statistics.checks import group_numbers, require, require_level
from cvs_med.statistics.intervals import Interval
from cvs_med.types import Floats, Integers

Metric: TypeAlias = Callable[[Floats], Floats]
"""A number for each row of weights (R, N), which say how often a case is counted; NaN where undefined."""

OfCases: TypeAlias = Callable[[Integers], float | None]
"""A number for the cases of these indices (doubled where a case was drawn twice); None or NaN where undefined."""

_WEIGHTS_AT_ONCE = 1 << 22
"""How many are held in memory."""

Method: TypeAlias = Literal["bca", "percentile"]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """A metric and its bootstrap interval.

    Attributes:
        estimate: the metric on the cases themselves.
        interval: None where the bootstrap cannot give one; `reason` says why.
        reason: None where there is an interval.
        method: how the ends were taken from the resampled values.
        level: coverage that the interval aims at.
        groups: number of groups drawn each time.
        resamples: number of draws.
        dropped: draws on which the metric was undefined; the interval rests on the others.
    """

    estimate: float
    interval: Interval | None
    reason: str | None
    method: Method
    level: float
    groups: int
    resamples: int
    dropped: int


def cluster_bootstrap(
    metric: Metric,
    groups: npt.NDArray[Any],
    *,
    method: Method = "bca",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Bootstrap:
    """Give a bootstrap interval for a metric of cases that come in groups.

    Whole groups are drawn with replacement, so that two photographs of one patient are drawn together. A draw on which
    the metric is undefined (a class without a case, say) is dropped and counted. There is no interval where half of
    the draws or more were dropped, where all values are the same (the bootstrap of 45 right of 45 is one point, which
    is not certainty), or where BCa's corrections do not exist.

    Coverage of a nominal 95 % with the shape of HRF (45 cases, 17 pairs and 11 alone): `bca` 94 to 96 % for accuracies
    of 0.7 to 0.9 and AUROCs of 0.75 and 0.9; `percentile` 94 to 95 % for these accuracies, but 90 % for an AUROC of
    0.9. Neither holds for the difference of two methods that rarely differ: see `clusters.mean_by_group`.

    Args:
        metric: gives a number for each row of weights; see `weighted`, and `of_cases` for any other.
        groups: (N,), what each case belongs to; for independent cases, N different values.
        method: `bca` (bias-corrected and accelerated, by the jackknife over groups) or `percentile`.
        level: coverage, between 0 and 1.
        resamples: number of draws.
        seed: the same seed gives the same interval.

    Raises:
        StatisticsError: fewer than two groups, too few draws for the level, or the metric is undefined on the cases.

    Source: B. Efron, Better bootstrap confidence intervals, JASA 82 (1987) 171-185; clusters: C. A. Field,
    A. H. Welsh, Bootstrapping clustered data, JRSS B 69 (2007) 369-390.
    """
    numbers = group_numbers(groups)
    count = int(numbers.max(initial=-1)) + 1
    require(count >= 2, "at least two groups", count)
    require_level(level)
    # Fewer draws than this leave no value beyond the interval's ends.
    require(resamples * (1 - level) >= 2, f"at least {2 / (1 - level):.0f} resamples", resamples)
    estimate = float(metric(np.ones((1, groups.size)))[0])
    require(isfinite(estimate), "a metric that is defined on the cases", estimate)
    draws = np.random.default_rng(seed).integers(0, count, (resamples, count))
    values = _over(metric, np.array([np.bincount(draw, minlength=count) for draw in draws]), numbers)
    defined = values[np.isfinite(values)]
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    reason = _no_interval(defined, resamples)
    if reason is None and method == "bca":
        left_out = _over(metric, 1 - np.eye(count, dtype=np.int64), numbers)
        tails, reason = _corrected(left_out, estimate, defined, tails)
    interval = None if reason else Interval(*np.quantile(defined, tails).tolist())
    return Bootstrap(estimate, interval, reason, method, level, count, resamples, resamples - defined.size)


def of_cases(metric: OfCases) -> Metric:
    """Let any function of a list of cases be drawn again: a case that weighs two is listed twice."""

    def weighted(weights: Floats) -> Floats:
        every = np.arange(weights.shape[1])
        values = [metric(np.repeat(every, row)) for row in weights.astype(np.int64)]
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    return weighted


def _over(metric: Metric, counts: Integers, numbers: Integers) -> Floats:
    """Weigh the cases by how often their group is counted, (R, groups), a part of the rows at a time."""
    parts = np.array_split(counts, 1 + counts.shape[0] * numbers.size // _WEIGHTS_AT_ONCE)
    return np.concatenate([metric(part[:, numbers].astype(np.float64)) for part in parts])


def _no_interval(defined: Floats, resamples: int) -> str | None:
    if 2 * defined.size <= resamples:
        return f"the metric is undefined on {resamples - defined.size} of {resamples} resamples"
    if np.ptp(defined) == 0:
        return "all resamples give the same value"
    return None


def _corrected(left_out: Floats, estimate: float, values: Floats, tails: Floats) -> tuple[Floats, str | None]:
    """Shift the tails by the bias of the resampled values and by the acceleration, or say why that cannot be done."""
    below = float(np.mean(values < estimate) + np.mean(values <= estimate)) / 2
    if not 0 < below < 1:
        return tails, "all resamples lie on one side of the estimate"
    if not np.isfinite(left_out).all():
        return tails, "the metric is undefined without one of the groups"
    bias, acceleration = ndtri(below), _acceleration(left_out)
    shifted = bias + ndtri(tails)
    return ndtr(bias + shifted / (1 - acceleration * shifted)), None


def _acceleration(left_out: Floats) -> float:
    """Give a sixth of the skewness of the jackknife's influence values."""
    influence = left_out.mean() - left_out
    spread = float(np.sum(influence**2))
    return float(np.sum(influence**3)) / (6 * spread**1.5) if spread else 0.0
