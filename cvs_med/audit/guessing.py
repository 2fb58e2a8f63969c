"""How well a few measures guess the label: cross-validated, and held against chance by permuting the labels.

The guess is ridge regression on the measures and their squares. For given folds it is linear in the labels and has
nothing to tune, so that a thousand permutations cost little.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import rankdata

from cvs_med.audit.sample import Measures, Value
from cvs_med.protocol_sections import Splits
from cvs_med.splits import k_folds
from cvs_med.types import Case, Floats, Integers

MOST_NAMES = 8
"""Names (of cameras, say) that are told apart; rarer ones count as one."""


@dataclass(frozen=True, slots=True, eq=False)
class Deal:
    """Labels, as they are or permuted, and the folds dealt for them by the same rule.

    Attributes:
        labels: (N,).
        folds: (N,), the fold that tests the case.
    """

    labels: Integers
    folds: Integers


def deals(cases: Sequence[Case], settings: Splits, permutations: int) -> list[Deal]:
    """Deal the folds for the true labels, then for permuted ones.

    The folds look at the labels, so each permutation is dealt anew: guesses would else be compared with guesses from
    folds of another kind, and chance would come out too low.

    Args:
        cases: N cases.
        settings: how to deal; also seeds the permutations.
        permutations: how often the labels are permuted, see `permuted`.

    Returns:
        The true deal, and one for each permutation.
    """
    labels = np.array([case.label for case in cases])
    rng = np.random.default_rng(settings.seed)
    every = [labels, *(permuted(labels, cases, rng) for _ in range(permutations))]
    with warnings.catch_warnings():
        # Permuting groups of several sizes can leave a class with fewer cases than folds; it is then in some of them.
        warnings.filterwarnings("ignore", message="The least populated class")
        return [Deal(each, _folds(cases, each, settings)) for each in every]


def permuted(labels: Integers, cases: Sequence[Case], rng: np.random.Generator) -> Integers:
    """Permute the labels; cases of one group keep a common label.

    Where every group has one label, the groups exchange theirs. Where some have several, groups of the same size
    exchange all of theirs. A case without a group is a group of its own.

    Source: A. M. Winkler et al., Multi-level block permutation, NeuroImage 123 (2015) 253-268.
    """
    names = units(cases)
    members = [np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())]
    pure = all(len(set(labels[group].tolist())) == 1 for group in members)
    sizes = np.array([1 if pure else len(group) for group in members])
    shuffled = labels.copy()
    for size in np.unique(sizes):
        places = np.flatnonzero(sizes == size)
        for place, source in zip(places, rng.permutation(places), strict=True):
            shuffled[members[place]] = labels[members[source][0]] if pure else labels[members[source]]
    return shuffled


def units(cases: Sequence[Case]) -> npt.NDArray[np.str_]:
    """Name the group of each case, (N,); a case without a group is a group of its own."""
    return np.array([case.unit for case in cases])


def _folds(cases: Sequence[Case], labels: Integers, settings: Splits) -> Integers:
    relabelled = [replace(case, label=int(label)) for case, label in zip(cases, labels, strict=True)]
    numbers = {name: number for number, part in enumerate(k_folds(relabelled, settings)) for name in part}
    return np.array([numbers[case.id] for case in cases])


def design(measures: Sequence[Measures]) -> Floats:
    """Lay out measures as standardised columns, (N, D): normal scores, their squares, and marks of what is missing.

    Normal scores (the ranks, as a normal distribution would have them) take outliers their weight; squares let a class
    lie in the middle. Neither looks at a label. What is the same in all cases has no column.
    """
    names = dict.fromkeys(name for each in measures for name in each)
    columns = [column for name in names for column in _columns([each.get(name) for each in measures])]
    kept = [(column - column.mean()) / column.std() for column in columns if np.ptp(column) > 1e-9]
    return np.stack(kept, axis=1) if kept else np.zeros((len(measures), 0))


def _columns(values: Sequence[Value]) -> list[Floats]:
    missing = np.array([value is None for value in values], dtype=np.float64)
    if any(isinstance(value, str) for value in values):
        return [missing, *_indicators(values)]
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    scores = np.zeros(len(values))
    if known.size:
        scores[missing == 0] = ndtri(rankdata(known) / (known.size + 1))
    return [missing, scores, scores**2]


def _indicators(values: Sequence[Value]) -> list[Floats]:
    names, counts = np.unique([value for value in values if isinstance(value, str)], return_counts=True)
    common = names[np.argsort(-counts, kind="stable")[:MOST_NAMES]]
    return [np.array([value == name for value in values], dtype=np.float64) for name in common.tolist()]


def guess(columns: Floats, deal: Deal, classes: int) -> Floats:
    """Guess each fold from the others: (N, P) scores that sum to one.

    Ridge regression of the classes on the columns; the penalty is the number of columns, so that many of them
    together are believed no more than a few.
    """
    targets = np.eye(classes)[deal.labels]
    scores = np.empty_like(targets)
    for fold in np.unique(deal.folds):
        test = deal.folds == fold
        scores[test] = _ridge(columns[~test], targets[~test], columns[test])
    return scores


def _ridge(train: Floats, targets: Floats, test: Floats) -> Floats:
    middle, share = train.mean(axis=0), targets.mean(axis=0)
    centred = train - middle
    penalised = centred.T @ centred + train.shape[1] * np.eye(train.shape[1])
    fitted: Floats = share + (test - middle) @ np.linalg.solve(penalised, centred.T @ (targets - share))
    return fitted


def skill(scores: Floats, deal: Deal) -> float:
    """Give how much of the variance of one class against the rest the guesses explain, of the class best told.

    1 is perfect, 0 or less useless. A shortcut mostly gives one class away, whose trace a mean over the classes blurs.
    """
    targets = np.eye(scores.shape[1])[deal.labels]
    spread = np.square(targets - targets.mean(axis=0)).sum(axis=0)
    return float(np.max(1 - np.square(targets - scores).sum(axis=0) / spread))


def permutation_p(columns: Floats, every: Sequence[Deal], classes: int) -> float:
    """Give the share of deals, the true one among them, whose guesses explain as much as the true one's."""
    return among_permuted(np.array([skill(guess(columns, deal, classes), deal) for deal in every]))


def among_permuted(found: Floats) -> float:
    """Give the share of numbers, (1 + M,), that are as large as the first: that of the true labels, then the permuted.

    Source: B. Phipson, G. K. Smyth, Permutation p-values should never be zero, Statistical Applications in Genetics
    and Molecular Biology 9 (2010), article 39.
    """
    # A crumb of rounding is no difference.
    return float(np.mean(found >= found[0] - 1e-9))
