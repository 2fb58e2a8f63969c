"""Which cases are tested when: k folds as pure functions of labels, groups and a seed."""

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

from cvs_med.errors import DataError, Problem
from cvs_med.protocol import Splits
from cvs_med.types import Case


def k_folds(cases: Sequence[Case], settings: Splits) -> list[list[str]]:
    """Deal the cases into test parts.

    Args:
        cases: all cases.
        settings: `random` deals as the paper does, without a look at the labels; `stratified` gives every fold its
            share of each class; `grouped` does so as well as it can while a group (a patient, a sitting) stays in one
            fold. A case without a group is a group of its own.

    Returns:
        The case ids of each test part, in the order of `cases`; every case is in exactly one.

    Raises:
        DataError: there are fewer cases, or fewer groups, than folds.
    """
    labels = np.array([case.label for case in cases])
    groups = np.array([case.group or f"case {case.id}" for case in cases])
    units = len(set(groups)) if settings.kind == "grouped" else len(cases)
    if units < settings.folds:
        what = "groups" if settings.kind == "grouped" else "cases"
        raise DataError(
            [Problem("the whole data set", f"at least {settings.folds} {what} for {settings.folds} folds", f"{units}",
                     "Ask for fewer folds, or for another kind of split.")]
        )  # fmt: skip
    parts = _splitter(settings).split(labels, labels, groups if settings.kind == "grouped" else None)
    return [[cases[i].id for i in test] for _, test in parts]


def _splitter(settings: Splits) -> KFold | StratifiedKFold | StratifiedGroupKFold:
    kinds = {"random": KFold, "stratified": StratifiedKFold, "grouped": StratifiedGroupKFold}
    return kinds[settings.kind](settings.folds, shuffle=True, random_state=settings.seed)
