import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test
from statsmodels.stats.contingency_tables import mcnemar

from cvs_med.errors import StatisticsError
from cvs_med.statistics.paired import ENUMERATED, mcnemar_exact, sign_flip_test


def _cells(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    first = np.repeat([True, True, False, False], [both, only_first, only_second, neither])
    second = np.repeat([True, False, True, False], [both, only_first, only_second, neither])
    return first, second


@given(st.tuples(*[st.integers(0, 40)] * 4).filter(sum))
def test_mcnemar_agrees_with_statsmodels(cells: tuple[int, int, int, int]) -> None:
    both, only_first, only_second, neither = cells
    found = mcnemar_exact(*_cells(*cells))
    assert (found.only_first, found.only_second) == (only_first, only_second)
    expected = mcnemar([[both, only_first], [only_second, neither]], exact=True).pvalue
    assert found.p == pytest.approx(expected if only_first + only_second else 1)


def test_six_cases_all_on_one_side_are_the_fewest_that_speak() -> None:
    assert mcnemar_exact(*_cells(30, 5, 0, 10)).p == pytest.approx(2 / 2**5)
    assert mcnemar_exact(*_cells(30, 6, 0, 9)).p == pytest.approx(2 / 2**6)


@given(st.tuples(*[st.integers(0, 10)] * 4).filter(sum))
def test_flipping_right_and_wrong_is_mcnemars_test(cells: tuple[int, int, int, int]) -> None:
    first, second = _cells(*cells)
    flipped = sign_flip_test(first.astype(float) - second)
    assert flipped.exact
    assert flipped.units == cells[1] + cells[2]
    assert flipped.p == pytest.approx(mcnemar_exact(first, second).p)


@given(st.integers(0, 10_000), st.integers(2, 9))
def test_all_signs_agree_with_scipy(seed: int, n: int) -> None:
    differences = np.random.default_rng(seed).normal(0.4, 1, n)
    reference = permutation_test(
        (differences, np.zeros(n)), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples"
    )
    found = sign_flip_test(differences)
    assert found.mean == pytest.approx(reference.statistic)
    assert found.p == pytest.approx(reference.pvalue)


@given(st.integers(0, 10_000))
def test_drawn_signs_come_near_all_signs(seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.3, 1, ENUMERATED)
    exact = sign_flip_test(differences)
    # A difference that cannot turn the sum makes one unit too many to try all signs.
    drawn = sign_flip_test(np.append(differences, 1e-9), resamples=9999, seed=seed)
    assert (exact.exact, drawn.exact) == (True, False)
    assert drawn.p == pytest.approx(exact.p, abs=0.025)


def test_a_drawn_p_is_never_zero_and_the_seed_decides() -> None:
    differences = np.full(60, 0.1)
    assert sign_flip_test(differences, resamples=99).p == 0.01
    noisy = np.random.default_rng(0).normal(0.2, 1, 60)
    assert sign_flip_test(noisy, resamples=500, seed=1) == sign_flip_test(noisy, resamples=500, seed=1)
    assert sign_flip_test(noisy, resamples=500, seed=1).p != sign_flip_test(noisy, resamples=500, seed=2).p


@given(st.integers(0, 10_000))
def test_a_group_is_flipped_as_one(seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.3, 1, 14)
    groups = np.repeat(list("abcdefg"), 2)
    grouped = sign_flip_test(differences, groups)
    assert grouped.p == pytest.approx(sign_flip_test(differences.reshape(7, 2).sum(axis=1)).p)
    assert grouped.mean == pytest.approx(differences.mean())
    assert grouped.units == 7


def test_two_eyes_of_one_person_are_no_two_witnesses() -> None:
    differences, groups = np.ones(8), np.repeat(np.arange(4), 2)
    assert sign_flip_test(differences).p == pytest.approx(2 / 2**8)
    assert sign_flip_test(differences, groups).p == pytest.approx(2 / 2**4)


def test_the_same_answers_do_not_differ() -> None:
    assert sign_flip_test(np.zeros(45)).p == 1
    assert mcnemar_exact(*_cells(40, 0, 0, 5)).p == 1


def test_rounding_does_not_part_equal_sums() -> None:
    assert sign_flip_test(np.array([0.1, 0.2, -0.3])).p == 1


@pytest.mark.parametrize(
    ("differences", "groups", "found"),
    [
        (np.zeros((3, 2)), None, r"shape \(3, 2\)"),
        (np.array([]), None, r"shape \(0,\)"),
        (np.array([np.nan, 1]), None, "1 that are not"),
        (np.ones(3), np.arange(2), "differences of 3, groups of 2"),
    ],
)
def test_what_cannot_be_flipped_is_refused(differences: np.ndarray, groups: np.ndarray | None, found: str) -> None:
    with pytest.raises(StatisticsError, match=f"expected .*found {found}"):
        sign_flip_test(differences, groups)


def test_mcnemar_refuses_numbers_and_other_lengths() -> None:
    with pytest.raises(StatisticsError, match="found float64"):
        mcnemar_exact(np.ones(3), np.ones(3))
    with pytest.raises(StatisticsError, match="first of 3, second of 2"):
        mcnemar_exact(np.ones(3, bool), np.ones(2, bool))
