"""Is acting on the answers worth it where the disease is as frequent as somebody states?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cvs_med.decisions import Decisions
from cvs_med.errors import CvsMedError
from cvs_med.statistics.decision import DecisionCurve, net_benefit, net_benefit_intervals
from cvs_med.statistics.intervals import Interval
from cvs_med.types import Prediction

_THRESHOLDS = np.arange(1, 100) / 100


@dataclass(frozen=True, slots=True)
class Benefit:
    """The decision curve of one class against the rest.

    Attributes:
        class_name: of what would be treated.
        calibrated: whether the probabilities were divided by the folds' temperatures.
        curve: at the stated prevalence.
        intervals: 95 %, of the method at each threshold of the curve, counting groups.
    """

    class_name: str
    calibrated: bool
    curve: DecisionCurve
    intervals: tuple[Interval, ...]


def parse(text: str) -> tuple[str, float]:
    """Read CLASS=SHARE, such as `glaucoma=0.02`.

    Raises:
        CvsMedError: it is something else.
    """
    name, sign, share = text.rpartition("=")
    try:
        value = float(share)
    except ValueError:
        value = float("nan")
    if not (sign and name and 0 < value < 1):
        raise CvsMedError(f"Expected CLASS=SHARE, a share between 0 and 1 such as glaucoma=0.02, found {text!r}.")
    return name.strip(), value


def measure(
    predictions: Sequence[Prediction],
    decisions: Decisions | None,
    class_names: Sequence[str],
    stated: tuple[str, float],
) -> Benefit:
    """Compute the decision curve of a class at a stated prevalence.

    Raises:
        CvsMedError: there is no such class.
        StatisticsError: all images are of it, or none is; or one kind is of a single group.
    """
    name, prevalence = stated
    if name not in class_names:
        raise CvsMedError(f"Expected a prevalence of one of {', '.join(class_names)}, found one of {name!r}.")
    number = list(class_names).index(name)
    calibrated = decisions is not None and decisions.calibrated
    given = {p.case_id: p.probabilities for p in predictions}
    if decisions is not None:
        given |= {case.case_id: case.probabilities for case in decisions.cases}
    positive = np.array([p.label == number for p in predictions])
    shares = np.clip(np.array([given[p.case_id][number] for p in predictions]), 0, 1)
    groups = np.array([p.unit for p in predictions])
    curve = net_benefit(positive, shares, _THRESHOLDS, prevalence)
    return Benefit(
        name, calibrated, curve, net_benefit_intervals(positive, shares, _THRESHOLDS, prevalence, groups)
    )
