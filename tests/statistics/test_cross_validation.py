import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cvs_med.errors import StatisticsError
from cvs_med.statistics.cross_validation import by_size, corrected_resampled_t, held_out_ratio


@given(st.integers(0, 10_000), st.integers(1, 10), st.integers(2, 10), st.integers(1, 40), st.integers(1, 40))
def test_it_is_the_t_test_of_scipy_with_a_larger_variance(
    seed: int, repeats: int, folds: int, train: int, test: int
) -> None:
    differences = np.random.default_rng(seed).normal(0.02, 0.1, (repeats, folds))
    found = corrected_resampled_t(differences, test / train)
    plain = stats.ttest_1samp(differences.ravel(), 0)
    count = repeats * folds
    shrunk = float(plain.statistic) / np.sqrt(1 + count * test / train)
    assert found.t == pytest.approx(shrunk)
    assert found.degrees == plain.df == count - 1
    assert found.p == pytest.approx(2 * stats.t.sf(abs(shrunk), count - 1))


@given(st.integers(0, 10_000), st.floats(0.5, 0.99))
def test_the_interval_holds_zero_where_the_test_finds_nothing(seed: int, level: float) -> None:
    found = corrected_resampled_t(np.random.default_rng(seed).normal(0.1, 0.2, (10, 5)), 9 / 36, level)
    assert found.interval is not None
    assert found.p is not None
    assert (found.interval.low <= 0 <= found.interval.high) == (found.p >= 1 - level)
    assert sum(found.interval) / 2 == pytest.approx(found.mean)


def test_a_worked_example() -> None:
    # The variance of 0, 0.1, 0, 0.1 is 0.01 / 3; the mean's is 1/4 + 9/36 = 1/2 of it.
    found = corrected_resampled_t(np.array([[0.0, 0.1], [0.0, 0.1]]), 9 / 36)
    assert found.t == pytest.approx(0.05 / np.sqrt(0.5 * 0.01 / 3))
    assert found.degrees == 3


def test_equal_methods_do_not_differ_and_equal_differences_have_no_p() -> None:
    same = corrected_resampled_t(np.zeros((10, 5)), 9 / 36)
    assert (same.mean, same.t, same.p, same.interval) == (0, 0, 1, None)
    shifted = corrected_resampled_t(np.full((10, 5), 0.1), 9 / 36)
    assert (shifted.t, shifted.p, shifted.interval) == (None, None, None)
    assert shifted.mean == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("differences", "ratio"),
    [(np.zeros(5), 0.25), (np.zeros((1, 1)), 0.25), (np.full((2, 2), np.inf), 0.25), (np.zeros((2, 2)), -0.1)],
)
def test_what_gives_no_t_is_refused(differences: np.ndarray, ratio: float) -> None:
    with pytest.raises(StatisticsError, match=r"expected .* found"):
        corrected_resampled_t(differences, ratio)


@given(st.integers(0, 10_000))
def test_the_mean_over_folds_is_that_of_all_cases_whatever_the_folds_sizes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 40, (3, 5))
    sizes[:, 0] += 100 - sizes.sum(axis=1) + 100  # Repeats deal the same cases.
    sums = rng.binomial(sizes, 0.7).astype(np.float64)
    assert by_size(sums, sizes).mean() == pytest.approx(sums.sum() / sizes.sum())


def test_folds_of_one_size_keep_their_means() -> None:
    sums = np.array([[7.0, 9.0, 4.0], [8.0, 6.0, 6.0]])
    assert by_size(sums, np.full((2, 3), 10)) == pytest.approx(sums / 10)
    assert held_out_ratio(np.full((2, 3), 10)) == pytest.approx(0.5)


def test_a_fold_without_cases_is_refused() -> None:
    with pytest.raises(StatisticsError, match="at least one case in each fold"):
        by_size(np.zeros((1, 2)), np.array([[3, 0]]))
