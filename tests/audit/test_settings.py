"""Settings counted by class, with the counts of HRF's JPEG tables."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from cvs_med.audit import guessing
from cvs_med.audit.guessing import Deal
from cvs_med.audit.sample import Measures
from cvs_med.audit.settings import spread
from cvs_med.types import Case

NAMES = ("healthy", "diabetic retinopathy", "glaucoma")
PAIRS = (7, 3, 7)
"""Sittings of each class of HRF with two photographs; its other photographs are alone."""


def tables(*fine: int) -> list[Measures]:
    return [{"brightness": 5.2 if place < count else 6.6} for count in fine for place in range(15)]


def permuted(pairs: tuple[int, int, int] = (0, 0, 0)) -> list[Deal]:
    """Permute the labels of 45 photographs, the first ones of each class being pairs; nothing is dealt into folds."""
    groups = [f"{c}-{place // 2 * 2 if place < 2 * pairs[c] else place}" for c in range(3) for place in range(15)]
    cases = [Case(str(n), Path("x"), n // 15, group=group) for n, group in enumerate(groups)]
    labels, rng, folds = np.repeat(np.arange(3), 15), np.random.default_rng(0), np.zeros(45, dtype=np.int64)
    return [Deal(labels, folds), *(Deal(guessing.permuted(labels, cases, rng), folds) for _ in range(999))]


def test_with_every_photograph_alone_the_permutation_agrees_with_pearsons_test() -> None:
    found = spread(tables(5, 12, 8), permuted(), NAMES)
    assert found
    assert found.counts.endswith("has 5 of 15 healthy, 12 of 15 diabetic retinopathy, 8 of 15 glaucoma")
    assert found.p == pytest.approx(chi2_contingency([[5, 12, 8], [10, 3, 7]]).pvalue, abs=0.02)


def test_two_photographs_of_one_sitting_are_one_witness() -> None:
    alone, paired = (spread(tables(5, 12, 8), permuted(pairs), NAMES) for pairs in ((0, 0, 0), PAIRS))
    assert alone
    assert paired
    assert paired.p > 0.1 > alone.p


def test_chance_is_found_as_often_as_promised() -> None:
    """Settings shared by the two of a sitting: Pearson's test finds too much in them, the permutation does not."""
    every = permuted((7, 7, 7))[:100]
    rng = np.random.default_rng(0)
    p_values, pearsons = [], []
    for _ in range(200):
        settings = np.concatenate([np.append(np.repeat(rng.integers(0, 2, 7), 2), rng.integers(0, 2)) for _ in NAMES])
        found = spread([{"brightness": float(setting)} for setting in settings], every, NAMES)
        assert found
        p_values.append(found.p)
        counts = np.stack([np.bincount(part, minlength=2) for part in settings.reshape(3, 15)])
        pearsons.append(chi2_contingency(counts).pvalue)
    # 5 % of 200 is 10; more than 20 has a chance below 0.2 %.
    assert np.sum(np.array(p_values) <= 0.05) <= 20
    assert np.sum(np.array(pearsons) <= 0.05) > 20


@pytest.mark.parametrize("fine", [(8, 8, 8), (7, 9, 8)])
def test_an_even_spread_is_not_surprising(fine: tuple[int, ...]) -> None:
    found = spread(tables(*fine), permuted(), NAMES)
    assert found
    assert found.p > 0.5


def test_a_single_setting_and_numbers_that_all_differ_are_not_counted() -> None:
    every = permuted()[:2]
    assert spread(tables(15, 15, 15), every, NAMES) is None
    assert spread([{"size": float(number)} for number in range(45)], every, NAMES) is None
