"""Two methods on the same cases: is the one better than the other?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from cvs_med.statistics.checks import group_numbers, require, require_finite, require_flags, require_one_length
from cvs_med.types import Floats

ENUMERATED = 20
"""Up to this many units that differ, all their signs are tried: 2^19 sums, some milliseconds."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """The cases that only one of two methods has right.

    Attributes:
        only_first: cases that the first has right and the second wrong.
        only_second: the other way round.
        p: exact, two-sided; 1 where the methods never differ.
    """

    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True, slots=True)
class SignFlip:
    """A paired permutation test.

    Attributes:
        mean: mean difference of a case.
        p: two-sided.
        exact: whether all signs were tried; otherwise signs were drawn.
        units: number of cases (or groups) whose difference is not 0; only these can speak.
    """

    mean: float
    p: float
    exact: bool
    units: int


def mcnemar_exact(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> McNemar:
    """Test whether two methods are right equally often, by the cases on which they differ.

    Cases count as independent; for cases in groups, use `sign_flip_test` with groups.

    Args:
        first: (N,), whether the first method has the case right.
        second: (N,), the same of the second.

    Raises:
        StatisticsError: lengths differ, or the arrays are not booleans.

    Source: Q. McNemar, Psychometrika 12 (1947) 153-157, with the binomial distribution itself.
    """
    require_flags(first=first, second=second)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    return McNemar(only_first, only_second, float(binomtest(only_first, differing).pvalue) if differing else 1.0)


def sign_flip_test(
    differences: Floats, groups: npt.NDArray[Any] | None = None, *, resamples: int = 9999, seed: int = 0
) -> SignFlip:
    """Test whether the mean of paired differences is 0, by flipping their signs.

    Under the hypothesis that two methods can be exchanged, each difference could have had the other sign. With groups,
    all cases of a group are flipped together. With up to 20 units that differ, all signs are tried; with more, signs
    are drawn, and the found ones are counted among them, so that p is never 0.

    Args:
        differences: (N,), first minus second of a score of each case, such as right (1) and wrong (0), or Dice.
        groups: (N,), what each case belongs to; without it, cases count as independent.
        resamples: number of draws where signs are drawn.
        seed: the same seed gives the same p.

    Raises:
        StatisticsError: lengths differ, a difference is no number, or a group has no name.

    Source: R. A. Fisher, The Design of Experiments (1935), 21; drawn signs: B. Phipson, G. K. Smyth, Statistical
    Applications in Genetics and Molecular Biology 9 (2010) 39.
    """
    require(differences.ndim == 1 and differences.size > 0, "differences (N,)", f"shape {differences.shape}")
    require_finite(differences=differences)
    require(resamples > 0, "at least one resample", resamples)
    sums = _sums(differences, groups)
    found, size = abs(float(sums.sum())), float(np.abs(sums).sum())
    # Sums that differ by rounding only are the same.
    least = found - 1e-9 * size
    if sums.size <= ENUMERATED:
        p = float(np.mean(np.abs(_all_signs(sums)) >= least))
    else:
        p = (1 + int(np.sum(np.abs(_drawn_signs(sums, resamples, seed)) >= least))) / (1 + resamples)
    return SignFlip(float(differences.mean()), p, sums.size <= ENUMERATED, sums.size)


def _sums(differences: Floats, groups: npt.NDArray[Any] | None) -> Floats:
    """Add up the differences of each unit, and keep those that are not 0."""
    sums = differences.astype(np.float64)
    if groups is not None:
        require_one_length(differences=differences, groups=groups)
        sums = np.bincount(group_numbers(groups), weights=sums).astype(np.float64)
    return sums[np.abs(sums) > 1e-12]


def _all_signs(sums: Floats) -> Floats:
    """Give the sum for every choice of signs, but for turning all of them at once, which only turns the sum."""
    found = sums[:1] if sums.size else np.zeros(1)
    for value in sums[1:]:
        found = np.concatenate([found + value, found - value])
    return found


def _drawn_signs(sums: Floats, resamples: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    # A thousand at a time, or thousands of cases would need gigabytes.
    parts = [min(1000, resamples - start) for start in range(0, resamples, 1000)]
    return np.concatenate([(2.0 * rng.integers(0, 2, (part, sums.size)) - 1) @ sums for part in parts])
