"""The method against each baseline, case by case: more than luck with these cases?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cvs_med.statistics.multiplicity import holm
from cvs_med.statistics.paired import sign_flip_test
from cvs_med.types import Floats, Prediction

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """The method and one baseline on the same cases.

    Attributes:
        baseline: its name.
        more: cases that the method has right more than the baseline; below 0 if fewer.
        only_method: cases that only the method has right.
        only_baseline: cases that only the baseline has right.
        p: sign flips over the cases, those of a group together.
        p_corrected: the same by Holm, for all baselines.
    """

    baseline: str
    more: int
    only_method: int
    only_baseline: int
    p: float
    p_corrected: float

    @property
    def shown(self) -> bool:
        """Whether the test tells the two apart."""
        return self.p_corrected < LEVEL


def against_baselines(
    predictions: Sequence[Prediction], baselines: Mapping[str, Sequence[Prediction]]
) -> list[Difference]:
    """Test the method against every baseline, in the order of the baselines.

    Args:
        predictions: the method's.
        baselines: name to predictions of the same cases, in any order.
    """
    if not baselines:
        return []
    ordered = sorted(predictions, key=lambda row: row.case_id)
    own = _right(ordered)
    groups = np.array([row.unit for row in ordered])
    by_case = {name: own - _right(sorted(rows, key=lambda row: row.case_id)) for name, rows in baselines.items()}
    p_values = np.array([sign_flip_test(each, groups).p for each in by_case.values()])
    return [
        Difference(name, int(each.sum()), int((each > 0).sum()), int((each < 0).sum()), float(p), float(corrected))
        for (name, each), p, corrected in zip(by_case.items(), p_values, holm(p_values), strict=True)
    ]


def _right(rows: Sequence[Prediction]) -> Floats:
    return np.array([row.predicted == row.label for row in rows], dtype=np.float64)
