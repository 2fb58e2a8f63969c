"""Sets of classes that hold the right one as often as promised, whatever the network.

We take the score 1 - p(label) ("LAC"): of all scores it gives the smallest sets for a promised coverage, and it draws
no random numbers, so that a patient's set is the same tomorrow. Adaptive sets ("APS") spread the coverage more evenly
over easy and hard cases, but are larger and need randomisation to keep their promise; 45 cases cannot show the gain.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from cvs_med.statistics.checks import require, require_labels, require_level, require_one_length, require_probabilities
from cvs_med.types import Floats, Integers


@dataclass(frozen=True, slots=True)
class Conformal:
    """What decides which classes enter a set.

    Attributes:
        least: a class enters a set if its probability is at least this.
        coverage: the promised share of new cases whose set holds the right class. It is a mean over calibration sets
            and new cases, not a promise for each class, nor for this one calibration set.
        cases: number of calibration cases.
    """

    least: float
    coverage: float
    cases: int


def calibrate(labels: Integers, probabilities: Floats, coverage: float = 0.9) -> Conformal:
    """Find the least probability that a class needs to enter a set.

    The promise needs calibration cases that the network was not trained on and that are like the new ones
    (exchangeable): cases of a patient who is tested are not. With N calibration cases the coverage can be promised up
    to N / (N + 1); beyond that every set holds every class.

    Args:
        labels: (N,) reference classes.
        probabilities: (N, P).
        coverage: between 0 and 1.

    Raises:
        StatisticsError: lengths differ, or labels, probabilities or the coverage are out of range.

    Source: V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World (2005); the score: M. Sadinle,
    J. Lei, L. Wasserman, Least ambiguous set-valued classifiers with bounded error levels, JASA 114 (2019) 223-234.
    """
    require_level(coverage)
    require_one_length(labels=labels, probabilities=probabilities)
    require_probabilities(probabilities)
    require_labels(labels, probabilities.shape[1])
    cases = labels.size
    # The product may end a crumb above a whole number.
    rank = ceil((cases + 1) * coverage - 1e-9)
    given = np.sort(probabilities[np.arange(cases), labels])[::-1]
    return Conformal(float(given[rank - 1]) if rank <= cases else 0.0, coverage, cases)


def prediction_sets(probabilities: Floats, conformal: Conformal) -> npt.NDArray[np.bool_]:
    """Tell which classes each case's set holds; (N, P).

    A set may be empty: then no class is as likely as the right one usually is, which is a warning in itself.

    Raises:
        StatisticsError: probabilities are out of range.
    """
    require_probabilities(probabilities)
    require(0 <= conformal.least <= 1, "a least probability from 0 to 1", conformal.least)
    return probabilities >= conformal.least
