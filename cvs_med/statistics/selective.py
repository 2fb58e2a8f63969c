"""Answer when sure, abstain otherwise: how often is an answer wrong, and how many cases get one?

Shapes: N cases. `confidences` are (N,), above 0 and at most 1, such as the largest probability; `right` are (N,)
booleans. A case is answered if its confidence is ABOVE a threshold.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cvs_med.statistics.checks import require, require_finite, require_flags, require_level, require_one_length
from cvs_med.statistics.intervals import clopper_pearson_upper
from cvs_med.types import Floats


@dataclass(frozen=True, slots=True)
class Selection:
    """What happens at one threshold.

    Attributes:
        above: answer the cases with a confidence above this.
        answered: number of cases that are answered.
        wrong: number of these whose answer is wrong.
        n: number of all cases.
    """

    above: float
    answered: int
    wrong: int
    n: int

    @property
    def coverage(self) -> float:
        """Share of the cases that are answered."""
        return self.answered / self.n

    @property
    def risk(self) -> float | None:
        """Share of wrong answers; None where no case is answered."""
        return self.wrong / self.answered if self.answered else None


@dataclass(frozen=True, slots=True)
class Assured:
    """A threshold with a promise: with probability `level`, at most a share `risk` of future answers is wrong.

    Attributes:
        selection: the threshold, and what happened at it; None where no threshold can be promised.
        risk: the wanted risk.
        level: certainty of the promise.
        bound: exact upper bound of the risk at the threshold; None without one.
        needed: the fewest answered cases, all of them right, that allow the promise.
    """

    selection: Selection | None
    risk: float
    level: float
    bound: float | None
    needed: int


def risk_coverage(confidences: Floats, right: npt.NDArray[np.bool_]) -> tuple[Selection, ...]:
    """Give the selections of all thresholds that differ, from the fewest answered cases to all of them.

    Raises:
        StatisticsError: lengths differ, or a confidence is out of range.

    Source: R. El-Yaniv, Y. Wiener, On the foundations of noise-free selective classification, JMLR 11 (2010) 1605-1641.
    """
    _require_cases(confidences, right)
    order = np.argsort(-confidences, kind="stable")
    falling, wrong = confidences[order], np.cumsum(~right[order])
    # The last case of each run of equal confidences; the threshold is the next lower one.
    ends = np.flatnonzero(np.append(falling[1:] < falling[:-1], True))
    below = [*falling[ends[:-1] + 1].tolist(), 0.0]
    return tuple(
        Selection(above, int(end) + 1, int(wrong[end]), right.size) for above, end in zip(below, ends, strict=True)
    )


def area_under_risk_coverage(confidences: Floats, right: npt.NDArray[np.bool_]) -> float:
    """Average the risk over the N coverages 1 / N to 1: small is good, a blind confidence gives the error rate.

    Cases of equal confidence are taken in random order, in the mean.

    Raises:
        StatisticsError: lengths differ, or a confidence is out of range.

    Source: Y. Geifman, G. Uziel, R. El-Yaniv, Bias-reduced uncertainty estimation for deep neural classifiers, ICLR
    2019.
    """
    curve = risk_coverage(confidences, right)
    answered = np.array([0, *(point.answered for point in curve)])
    wrong = np.array([0, *(point.wrong for point in curve)])
    counts = np.arange(1, right.size + 1)
    # Between two thresholds the wrong answers come evenly.
    return float(np.mean(np.interp(counts, answered, wrong) / counts))


def empirical_threshold(confidences: Floats, right: npt.NDArray[np.bool_], risk: float) -> Selection | None:
    """Find the threshold that answers most cases with no more than the wanted risk ON THESE CASES.

    It is chosen to look good here, so new answers will be wrong more often. It promises nothing; `assured_threshold`
    does.

    Returns:
        The selection; None where no threshold has the wanted risk.

    Raises:
        StatisticsError: lengths differ, or a confidence or the risk is out of range.
    """
    _require_risk(risk)
    fitting = [point for point in risk_coverage(confidences, right) if point.wrong <= risk * point.answered]
    return fitting[-1] if fitting else None


def assured_threshold(confidences: Floats, right: npt.NDArray[np.bool_], risk: float, level: float = 0.95) -> Assured:
    """Find the threshold that answers most cases and whose risk is proven to be at most the wanted one.

    Thresholds are tested one after the other, each at the full level, in an order that is fixed before the answers are
    seen: first the one that answers as many cases as must all be right, then one case more at a time. The first failure
    ends it, so that looking at many thresholds costs nothing. A risk of 0.05 at a level of 0.95 needs 59 answers, all
    right: 45 cases can never promise it, and 29 answers can promise 0.1.

    It holds for independent cases like these, answered by the same network, whose confidences differ from case to case
    (equal ones are answered together).

    Args:
        confidences: (N,), of cases that the network was not trained on.
        right: (N,).
        risk: the largest share of wrong answers that is wanted, between 0 and 1.
        level: certainty, between 0 and 1.

    Raises:
        StatisticsError: lengths differ, or a confidence, the risk or the level is out of range.

    Source: A. N. Angelopoulos, S. Bates, E. J. Candès, M. I. Jordan, L. Lei, Learn then test, Annals of Applied
    Statistics 19 (2025) 1641-1662 (fixed sequence); the task: Y. Geifman, R. El-Yaniv, Selective classification for
    deep neural networks, NeurIPS 2017.
    """
    _require_risk(risk)
    require_level(level)
    # The tolerance keeps a level such as 1 - 0.9**29 from asking for a thirtieth case.
    needed = int(np.ceil(np.log(1 - level) / np.log(1 - risk) - 1e-9))
    best, bound = None, None
    for point in risk_coverage(confidences, right):
        if point.answered < needed:
            continue
        upper = clopper_pearson_upper(point.wrong, point.answered, level)
        if upper > risk + 1e-12:
            break
        best, bound = point, upper
    return Assured(best, risk, level, bound, needed)


def _require_cases(confidences: Floats, right: npt.NDArray[np.bool_]) -> None:
    require_flags(right=right)
    require_one_length(confidences=confidences, right=right)
    require_finite(confidences=confidences)
    inside = bool(np.all((confidences > 0) & (confidences <= 1)))
    require(inside, "confidences above 0 and at most 1", f"{confidences.min()} to {confidences.max()}")


def _require_risk(risk: float) -> None:
    require(0 < risk < 1, "a risk between 0 and 1", risk)
