"""Which cases are trained on and tested when: folds and draws as pure functions of labels, groups and a seed."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

from cvs_med.errors import DataError, Problem
from cvs_med.protocol_sections import Splits
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
    groups = np.array([case.unit for case in cases])
    units = len(set(groups)) if settings.kind == "grouped" else len(cases)
    if units < settings.folds:
        what = "groups" if settings.kind == "grouped" else "cases"
        raise DataError(
            [Problem("the whole data set", f"at least {settings.folds} {what} for {settings.folds} folds", f"{units}",
                     "Ask for fewer folds, or for another kind of split.")]
        )  # fmt: skip
    parts = _splitter(settings).split(labels, labels, groups if settings.kind == "grouped" else None)
    return [[cases[i].id for i in test] for _, test in parts]


def inner_folds(cases: Sequence[Case], settings: Splits, fold: int) -> list[list[str]]:
    """Deal the training part of a fold into test parts, in the same way as all cases were dealt.

    There are as many as outer folds, or fewer where a class of the training part has fewer cases (`stratified` and
    `grouped`), or where it has fewer cases or groups.

    Args:
        cases: the training part.
        settings: how all cases were dealt.
        fold: number of the outer fold, which with the seed gives the chance of this deal.

    Raises:
        DataError: the training part is too small for two parts.
    """
    most = len(cases)
    if settings.kind != "random":
        most = min(Counter(case.label for case in cases).values())
    if settings.kind == "grouped":
        most = min(most, len({case.unit for case in cases}))
    if most < 2:
        needed = "at least 2 cases" if settings.kind == "random" else "at least 2 cases of each class, and 2 groups,"
        remedy = "Ask for more folds, or decide nothing inside the training parts."
        raise DataError([Problem(f"training part of fold {fold + 1}", f"{needed} for an inner cross-validation",
                                 f"{most}", remedy)])  # fmt: skip
    seed = (settings.seed * 1009 + fold + 1) % 2**32
    inner = settings.model_copy(update={"folds": min(settings.folds, most), "seed": seed})
    return [part for part in k_folds(cases, inner) if part]


def samples_per_class(cases: Sequence[Case], count: int, class_names: Sequence[str], seed: int) -> list[str]:
    """Draw the same number of cases of every class (the paper's M samples per class).

    Draws of one seed are nested: the five contain the one. What is drawn of a class depends only on the seed and on
    the ids of its own cases, not on their order, and not on other classes.

    Args:
        cases: what may be drawn, such as an official train part.
        count: M, one or more.
        class_names: P names, in the order of the labels.
        seed: which draw.

    Returns:
        The ids of M cases of each class, in the order of `cases`.

    Raises:
        DataError: classes have fewer cases than M; all of them are listed.
    """
    ids = {label: sorted(case.id for case in cases if case.label == label) for label in range(len(class_names))}
    short = [label for label, known in ids.items() if len(known) < count]
    if short:
        remedy = "Ask for fewer per class, or add cases of this class."
        raise DataError(
            [Problem(f"class '{class_names[label]}'", f"at least {count} cases to draw {count} from",
                     f"{len(ids[label])}", remedy) for label in short]
        )  # fmt: skip
    orders = {label: np.random.default_rng([seed, label]).permutation(len(known)) for label, known in ids.items()}
    drawn = {known[place] for label, known in ids.items() for place in orders[label][:count]}
    return [case.id for case in cases if case.id in drawn]


def spread_over_groups(cases: Sequence[Case], count: int, seed: Sequence[int]) -> list[str]:
    """Draw cases of each class from as many groups as there are: a second one of a patient only after one of each.

    Draws of one seed are nested, and do not depend on the order of the cases.

    Args:
        cases: what may be drawn.
        count: how many of each class, or all where there are fewer.
        seed: which draw.

    Returns:
        The ids of the cases, in the order of `cases`.
    """
    drawn: set[str] = set()
    for label in sorted({case.label for case in cases}):
        chance = np.random.default_rng([*seed, label])
        of_class = sorted((case for case in cases if case.label == label), key=lambda case: case.id)
        drawn.update(_in_rounds([of_class[place] for place in chance.permutation(len(of_class))])[:count])
    return [case.id for case in cases if case.id in drawn]


def _in_rounds(cases: Sequence[Case]) -> list[str]:
    """Put the first case of every group before the second of any."""
    seen: Counter[str] = Counter()
    rounds = []
    for case in cases:
        rounds.append(seen[case.unit])
        seen[case.unit] += 1
    return [case.id for _, case in sorted(zip(rounds, cases, strict=True), key=lambda pair: pair[0])]


def _splitter(settings: Splits) -> KFold | StratifiedKFold | StratifiedGroupKFold:
    kinds = {"random": KFold, "stratified": StratifiedKFold, "grouped": StratifiedGroupKFold}
    return kinds[settings.kind](settings.folds, shuffle=True, random_state=settings.seed)
