"""Is a prediction worth acting on? Net benefit against treating everybody or nobody."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cvs_med.statistics.checks import require, require_flags, require_one_length, require_shares
from cvs_med.statistics.clusters import wilson_by_group
from cvs_med.statistics.intervals import Interval
from cvs_med.types import Floats


@dataclass(frozen=True, slots=True)
class DecisionCurve:
    """Net benefit by threshold. Treating nobody has 0 everywhere.

    Attributes:
        thresholds: the probability at which one would treat.
        method: net benefit of treating where the method's probability reaches the threshold.
        treat_all: net benefit of treating everybody.
        prevalence: share of positive cases that all of it holds for; another one has another benefit.
    """

    thresholds: tuple[float, ...]
    method: tuple[float, ...]
    treat_all: tuple[float, ...]
    prevalence: float


def net_benefit(
    positive: npt.NDArray[np.bool_], probabilities: Floats, thresholds: Floats, prevalence: float | None = None
) -> DecisionCurve:
    """Give the true positives per case, less the false ones as the threshold weighs them.

    Who treats from a probability of 0.1 on holds one missed patient as bad as nine needless treatments: a false
    positive costs t / (1 - t).

    Args:
        positive: (N,), whether a case has what would be treated.
        probabilities: (N,), of having it.
        thresholds: (K,), above 0 and below 1.
        prevalence: share of positive cases where it would be used; positive and negative cases count as much as they
            would there. The probabilities stay what they are. None takes the share among these cases.

    Raises:
        StatisticsError: lengths differ, a probability, threshold or the prevalence is out of range, or a prevalence is
            stated for cases that are all positive or all negative.

    Source: A. J. Vickers, E. B. Elkin, Decision curve analysis, Medical Decision Making 26 (2006) 565-574.
    """
    _require_cases(positive, probabilities, thresholds)
    here = float(positive.mean())
    share = here
    if prevalence is not None:
        _require_both_kinds(positive, prevalence)
        share = prevalence
    # A case weighs as much as cases of its kind are more frequent there than here.
    weights = np.where(positive, share / (here or 1), (1 - share) / ((1 - here) or 1))
    treated = probabilities >= thresholds[:, None]
    cost = thresholds / (1 - thresholds)
    method = (treated * positive * weights).mean(axis=1) - cost * (treated * ~positive * weights).mean(axis=1)
    treat_all = share - cost * (1 - share)
    return DecisionCurve(tuple(thresholds.tolist()), tuple(method.tolist()), tuple(treat_all.tolist()), share)


def net_benefit_intervals(
    positive: npt.NDArray[np.bool_],
    probabilities: Floats,
    thresholds: Floats,
    prevalence: float,
    groups: npt.NDArray[Any],
    level: float = 0.95,
) -> tuple[Interval, ...]:
    """Give an interval for the net benefit at each threshold alone, of cases that come in groups.

    Net benefit at a stated prevalence is a weighted difference of two shares, of treated positive and of treated
    negative cases. Wilson's intervals of both, which count groups, are put together as if the two were independent;
    where a group has cases of both kinds, that is careful. Treating everybody has no interval: at a stated prevalence
    its net benefit is known. With the shape of HRF (45 cases, 17 pairs and 11
    alone, a third positive) the coverage of 95 % is 95 to 99 %, the more the rarer the disease.

    Args:
        positive: see `net_benefit`, as the next three.
        probabilities: (N,).
        thresholds: (K,).
        prevalence: share of positive cases where it would be used.
        groups: (N,), what each case belongs to.
        level: coverage, between 0 and 1.

    Raises:
        StatisticsError: as for `net_benefit`, or the cases of one kind are of fewer than two groups.

    Source: A. Donner, G. Y. Zou, Closed-form confidence intervals for functions of the normal mean and standard
    deviation, Statistical Methods in Medical Research 21 (2012) 347-359, for any two parameters with limits of their
    own; for two shares R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890.
    """
    require_one_length(positive=positive, groups=groups)
    found = net_benefit(positive, probabilities, thresholds, prevalence).method
    intervals = []
    for threshold, benefit in zip(thresholds.tolist(), found, strict=True):
        treated = probabilities >= threshold
        gained = _around(treated[positive], groups[positive], prevalence, level)
        lost = _around(treated[~positive], groups[~positive], (1 - prevalence) * threshold / (1 - threshold), level)
        low, high = np.hypot(gained[0], lost[1]), np.hypot(gained[1], lost[0])
        intervals.append(Interval(float(benefit - low), float(benefit + high)))
    return tuple(intervals)


def _around(
    treated: npt.NDArray[np.bool_], groups: npt.NDArray[Any], weight: float, level: float
) -> tuple[float, float]:
    """Give how far the limits of a weighted share lie below and above it."""
    share, limits = float(treated.mean()), wilson_by_group(treated, groups, level)
    return weight * (share - limits.low), weight * (limits.high - share)


def _require_cases(positive: npt.NDArray[np.bool_], probabilities: Floats, thresholds: Floats) -> None:
    require_flags(positive=positive)
    require_one_length(positive=positive, probabilities=probabilities)
    require_shares(probabilities=probabilities)
    between = thresholds.ndim == 1 and bool(np.all((thresholds > 0) & (thresholds < 1)))
    require(between, "thresholds (K,) between 0 and 1", thresholds.tolist())


def _require_both_kinds(positive: npt.NDArray[np.bool_], prevalence: float) -> None:
    require(0 < prevalence < 1, "a prevalence between 0 and 1", prevalence)
    mixed = 0 < positive.sum() < positive.size
    require(mixed, "positive and negative cases", f"{positive.sum()} of {positive.size} positive")
