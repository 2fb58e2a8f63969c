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
        prevalence: share of positive cases among these; where the tool is used it will be another, and so the benefit.
    """

    thresholds: tuple[float, ...]
    method: tuple[float, ...]
    treat_all: tuple[float, ...]
    prevalence: float


def net_benefit(positive: npt.NDArray[np.bool_], probabilities: Floats, thresholds: Floats) -> DecisionCurve:
    """Give the true positives per case, less the false ones as the threshold weighs them.

    Who treats from a probability of 0.1 on holds one missed patient as bad as nine needless treatments: a false
    positive costs t / (1 - t).

    Args:
        positive: (N,), whether a case has what would be treated.
        probabilities: (N,), of having it.
        thresholds: (K,), above 0 and below 1.

    Raises:
        StatisticsError: lengths differ, or a probability or threshold is out of range.

    Source: A. J. Vickers, E. B. Elkin, Decision curve analysis, Medical Decision Making 26 (2006) 565-574.
    """
    require_flags(positive=positive)
    require_one_length(positive=positive, probabilities=probabilities)
    require_shares(probabilities=probabilities)
    between = thresholds.ndim == 1 and bool(np.all((thresholds > 0) & (thresholds < 1)))
    require(between, "thresholds (K,) between 0 and 1", thresholds.tolist())
    treated = probabilities >= thresholds[:, None]
    cost, prevalence = thresholds / (1 - thresholds), float(positive.mean())
    method = (treated & positive).mean(axis=1) - cost * (treated & ~positive).mean(axis=1)
    treat_all = prevalence - cost * (1 - prevalence)
    return DecisionCurve(tuple(thresholds.tolist()), tuple(method.tolist()), tuple(treat_all.tolist()), prevalence)
