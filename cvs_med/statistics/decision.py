"""Is a prediction worth acting on? Net benefit against treating everybody or nobody."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cvs_med.statistics.checks import require, require_flags, require_one_length, require_shares
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
    require_flags(positive=positive)
    require_one_length(positive=positive, probabilities=probabilities)
    require_shares(probabilities=probabilities)
    between = thresholds.ndim == 1 and bool(np.all((thresholds > 0) & (thresholds < 1)))
    require(between, "thresholds (K,) between 0 and 1", thresholds.tolist())
    here = float(positive.mean())
    share = here
    if prevalence is not None:
        require(0 < prevalence < 1, "a prevalence between 0 and 1", prevalence)
        require(0 < here < 1, "positive and negative cases", f"{positive.sum()} of {positive.size} positive")
        share = prevalence
    # A case weighs as much as cases of its kind are more frequent there than here.
    weights = np.where(positive, share / (here or 1), (1 - share) / ((1 - here) or 1))
    treated = probabilities >= thresholds[:, None]
    cost = thresholds / (1 - thresholds)
    method = (treated * positive * weights).mean(axis=1) - cost * (treated * ~positive * weights).mean(axis=1)
    treat_all = share - cost * (1 - share)
    return DecisionCurve(tuple(thresholds.tolist()), tuple(method.tolist()), tuple(treat_all.tolist()), share)
