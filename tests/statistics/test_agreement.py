from math import atanh

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import t
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from cvs_med.errors import StatisticsError
from cvs_med.statistics.agreement import cohen_kappa
from cvs_med.statistics.intervals import wilson
from cvs_med.statistics.metrics import confusion_matrix


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_kappa_agrees_with_scikit_learn(seed: int, classes: int) -> None:
    first, second = np.random.default_rng(seed).integers(0, classes, (2, 30))
    expected = cohen_kappa_score(first, second, labels=range(classes))
    assert cohen_kappa(confusion_matrix(first, second, classes)).kappa == pytest.approx(expected)


@given(st.integers(0, 10_000), st.integers(2, 4), st.floats(0.5, 0.99))
def test_the_interval_has_the_standard_error_of_statsmodels(
    seed: int, classes: int, level: float
) -> None:
    matrix = np.random.default_rng(seed).integers(0, 12, (classes, classes)) + 3 * np.eye(classes, dtype=np.int64)
    reference = cohens_kappa(matrix)
    found = cohen_kappa(matrix, level)
    assert found.kappa == pytest.approx(reference.kappa)
    assert found.interval is not None
    low, high = map(atanh, found.interval)
    half = t.ppf((1 + level) / 2, matrix.sum() - 1) * reference.std_kappa / (1 - reference.kappa**2)
    assert (low + high) / 2 == pytest.approx(atanh(reference.kappa), abs=1e-9)
    assert (high - low) / 2 == pytest.approx(half, rel=1e-6)


def test_cohens_example_by_hand() -> None:
    found = cohen_kappa(np.array([[20, 5], [10, 15]]))
    assert (found.agreement, found.by_chance, found.n) == (0.7, 0.5, 50)
    assert found.kappa == pytest.approx(0.4)


@given(st.integers(0, 10_000))
def test_readers_can_be_exchanged(seed: int) -> None:
    matrix = np.random.default_rng(seed).integers(0, 9, (3, 3)) + np.eye(3, dtype=np.int64)
    there, back = cohen_kappa(matrix), cohen_kappa(matrix.T)
    assert there.kappa == pytest.approx(back.kappa)
    assert there.interval == pytest.approx(back.interval)


def test_full_agreement_on_45_cases_is_not_certainty() -> None:
    found = cohen_kappa(np.diag([15, 15, 15]))
    assert found.kappa == 1
    assert found.interval is not None
    expected = (wilson(45, 45).low - found.by_chance) / (1 - found.by_chance)
    assert found.interval == pytest.approx((expected, 1))


def test_one_class_named_by_both_leaves_kappa_undefined() -> None:
    found = cohen_kappa(np.array([[45, 0], [0, 0]]))
    assert (found.kappa, found.interval, found.agreement) == (None, None, 1)


@given(st.integers(0, 10_000), st.integers(2, 4))
def test_the_interval_holds_kappa_whatever_the_counts(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 4, (classes, classes)) * (rng.random((classes, classes)) < 0.3)
    assume(matrix.sum() >= 2)
    found = cohen_kappa(matrix)
    if found.kappa is not None:
        assert found.interval is not None
        assert found.interval.low - 1e-9 <= found.kappa <= found.interval.high + 1e-9


@pytest.mark.parametrize(
    "matrix",
    [np.ones((2, 3), int), np.ones((1, 1), int), np.array([[1, -1], [2, 3]]), np.ones((2, 2)), np.zeros((2, 2), int)],
)
def test_what_is_no_table_of_cases_is_refused(matrix: np.ndarray) -> None:
    with pytest.raises(StatisticsError, match=r"expected .* found"):
        cohen_kappa(matrix)
