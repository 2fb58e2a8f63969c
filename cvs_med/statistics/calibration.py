"""Does a probability of 0.8 mean right in 80 of 100? How far off, and a repair with one number.

Shapes: N cases, P classes. `labels` are (N,) class numbers 0 to P - 1, `probabilities` and `logits` are (N, P).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import rankdata

from cvs_med.statistics.checks import (
    group_numbers,
    require,
    require_finite,
    require_flags,
    require_labels,
    require_one_length,
    require_probabilities,
    require_shares,
)
from cvs_med.types import Floats, Integers

COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures outside this range are not tried: the probabilities are already 0 and 1, or all alike."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Cases of similar confidence.

    Attributes:
        confidence: mean of their largest probabilities.
        accuracy: share of them that is right.
        n: number of cases.
    """

    confidence: float
    accuracy: float
    n: int


@dataclass(frozen=True, slots=True)
class Temperature:
    """What divides the logits.

    Attributes:
        value: above 1 makes a network humbler, below 1 bolder.
        loss_before: mean negative log-likelihood of the cases it was fitted on, at temperature 1.
        loss_after: the same at `value`.
        at_limit: whether an end of the range does as well as `value`; then it says nothing about new cases.
    """

    value: float
    loss_before: float
    loss_after: float
    at_limit: bool


def brier(labels: Integers, probabilities: Floats) -> float:
    """Give the mean squared distance between probabilities and truth, summed over the classes: 0 to 2, small is good.

    Raises:
        StatisticsError: lengths differ, or labels or probabilities are out of range.

    Source: G. W. Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950)
    1-3.
    """
    return float(squared_errors(labels, probabilities).mean())


def squared_errors(labels: Integers, probabilities: Floats) -> Floats:
    """Give what each case (N,) adds to the Brier score, before the mean: 0 to 2.

    Raises:
        StatisticsError: lengths differ, or labels or probabilities are out of range.
    """
    _require_cases(labels, probabilities)
    truth = np.eye(probabilities.shape[1])[labels]
    errors: Floats = np.sum((probabilities - truth) ** 2, axis=1)
    return errors


def reliability(labels: Integers, probabilities: Floats, bins: int = 5) -> tuple[Bin, ...]:
    """Sort the cases by confidence into bins of equally many, and compare confidence with accuracy.

    Cases of the same confidence stay in one bin, so that the order of the cases does not matter; bins may then differ
    in size, and fewer bins than wanted may hold cases.

    Args:
        labels: (N,).
        probabilities: (N, P); the confidence is the largest.
        bins: how many; 45 cases in 5 bins are 9 a bin, and each accuracy is known to some 30 points only.

    Raises:
        StatisticsError: lengths differ, labels or probabilities are out of range, or there is no bin.
    """
    _require_cases(labels, probabilities)
    require(bins >= 1, "at least one bin", bins)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    number = np.floor(bins * (rankdata(confidence) - 0.5) / labels.size)
    parts = [number == place for place in np.unique(number)]
    return tuple(Bin(float(confidence[part].mean()), float(right[part].mean()), int(part.sum())) for part in parts)


def calibration_error(labels: Integers, probabilities: Floats, bins: int = 5) -> float:
    """Give the expected calibration error over bins of equally many cases: 0 to 1, small is good.

    It is never 0 by chance alone, even for a perfect network: the fewer cases a bin has, the larger. Compare it
    between methods on the same cases; do not read 0.1 of 45 cases as "10 points off".

    Raises:
        StatisticsError: as for `reliability`.

    Source: M. P. Naeini, G. F. Cooper, M. Hauskrecht, AAAI 2015, 2901-2907; equal counts: K. Nguyen, B. O'Connor,
    Posterior calibration and exploratory analysis for natural language processing models, EMNLP 2015, 1587-1598.
    """
    parts = reliability(labels, probabilities, bins)
    return sum(part.n * abs(part.accuracy - part.confidence) for part in parts) / labels.size


def confidence_p(
    confidences: Floats, right: npt.NDArray[np.bool_], groups: npt.NDArray[Any], *, resamples: int = 1999, seed: int = 0
) -> float:
    """Test whether as many answers are right as the confidences say: bolder or humbler on the whole than chance makes.

    Were every confidence the chance of being right, as many would be right as draws from these chances give. The cases
    of a group are drawn alike, which is careful. An interval around the observed difference will not do: where
    confidences are near 1 it rests on the few wrong answers, or has none.

    Args:
        confidences: (N,), probability of each answer.
        right: (N,), whether it is right.
        groups: (N,), what the case belongs to; for independent cases, N different values.
        resamples: number of draws.
        seed: the same seed gives the same p-value.

    Returns:
        Two-sided p-value.

    Raises:
        StatisticsError: lengths differ, a confidence is out of range, or `right` are no booleans.

    Source: D. J. Spiegelhalter, Probabilistic prediction in patient management and clinical trials, Statistics in
    Medicine 5 (1986) 421-433, with draws in place of the normal approximation.
    """
    require_flags(right=right)
    require_one_length(confidences=confidences, right=right, groups=groups)
    require_shares(confidences=confidences)
    numbers, rng = group_numbers(groups), np.random.default_rng(seed)
    count, expected = int(numbers.max()) + 1, float(confidences.sum())
    # One draw at a time: of many cases all draws would fill the memory.
    drawn = np.array([np.count_nonzero(rng.random(count)[numbers] < confidences) for _ in range(resamples)])
    # Sums of the same numbers in another order differ by a crumb.
    as_far = int(np.count_nonzero(np.abs(drawn - expected) >= abs(float(right.sum()) - expected) - 1e-9))
    return (as_far + 1) / (resamples + 1)


def fit_temperature(labels: Integers, logits: Floats) -> Temperature:
    """Find the one number that makes logits most likely when they are divided by it. No class changes by it.

    Fit it on cases that the network was not trained on and that are not tested: the out-of-fold logits of an inner
    cross-validation. Logarithms of probabilities will do for logits.

    Args:
        labels: (N,).
        logits: (N, P).

    Raises:
        StatisticsError: lengths differ, labels are out of range, or a logit is no number.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On calibration of modern neural networks, ICML 2017, 1321-1330.
    """
    _require_logits(logits)
    require_one_length(labels=labels, logits=logits)
    require_labels(labels, logits.shape[1])

    def loss(log_temperature: float) -> float:
        likely = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(np.mean(likely[np.arange(labels.size), labels]))

    limits = float(np.log(COLDEST)), float(np.log(HOTTEST))
    best = minimize_scalar(loss, bounds=limits, method="bounded", options={"xatol": 1e-8})
    # Where all are right the loss falls to zero long before the end: the end does as well as what was found.
    at_limit = min(loss(limit) for limit in limits) < best.fun + 1e-6
    return Temperature(float(np.exp(best.x)), loss(0.0), float(best.fun), bool(at_limit))


def apply_temperature(logits: Floats, temperature: float) -> Floats:
    """Turn logits, divided by a temperature, into probabilities; (N, P).

    Raises:
        StatisticsError: the temperature is not above 0, or a logit is no number.
    """
    _require_logits(logits)
    require(temperature > 0, "a temperature above 0", temperature)
    return np.asarray(softmax(logits / temperature, axis=1), dtype=np.float64)


def _require_cases(labels: Integers, probabilities: Floats) -> None:
    require_one_length(labels=labels, probabilities=probabilities)
    require_probabilities(probabilities)
    require_labels(labels, probabilities.shape[1])


def _require_logits(logits: Floats) -> None:
    require(logits.ndim == 2 and logits.shape[1] >= 2, "logits (N, P) of at least two classes", f"shape {logits.shape}")
    require_finite(logits=logits)
