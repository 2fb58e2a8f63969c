import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t
from statsmodels.api import OLS

from cvs_med.errors import StatisticsError
from cvs_med.statistics.clusters import mean_by_group, skewed_mean_by_group, wilson_by_group
from cvs_med.statistics.intervals import wilson


@given(st.integers(0, 10_000), st.floats(0.5, 0.99))
def test_the_mean_has_the_cluster_robust_interval_of_statsmodels(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(5), rng.integers(0, 5, 25)])
    values = rng.normal(size=30) + rng.normal(size=5)[groups]
    fitted = OLS(values, np.ones(30)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    found = mean_by_group(values, groups, level)
    assert (found.mean, found.groups) == (pytest.approx(values.mean()), 5)
    assert found.interval == pytest.approx(tuple(fitted.conf_int(1 - level)[0]))


@given(st.integers(0, 10_000))
def test_cases_of_their_own_have_students_interval(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=12)
    expected = t.interval(0.95, 11, values.mean(), values.std(ddof=1) / np.sqrt(12))
    assert mean_by_group(values, np.arange(12)).interval == pytest.approx(expected)


def test_equal_means_are_not_certainty() -> None:
    assert mean_by_group(np.zeros(45), np.arange(45)).interval is None
    assert mean_by_group(np.tile([0.1, 0.7], 9), np.repeat(np.arange(9), 2)).interval is None


@given(st.integers(0, 10_000))
def test_groups_of_one_case_widen_wilson_by_students_quantile_only(seed: int) -> None:
    right = np.random.default_rng(seed).random(45) < 0.7
    effect = 45 / 44  # the variance of single cases is estimated, with 44 degrees of freedom
    student = t.ppf(0.975, 44) ** 2 * effect / 1.959964**2
    expected = wilson(int(right.sum()), 45, level=2 * t.cdf(np.sqrt(student) * 1.959964, 1e9) - 1)
    assert wilson_by_group(right, np.arange(45)) == pytest.approx(expected, abs=1e-4)


@given(st.integers(0, 10_000), st.integers(2, 4))
def test_photographs_that_repeat_each_other_count_once(seed: int, times: int) -> None:
    right = np.random.default_rng(seed).permutation(np.arange(28) < 20)
    alone = wilson_by_group(right, np.arange(28))
    assert wilson_by_group(np.tile(right, times), np.tile(np.arange(28), times)) == pytest.approx(alone)


def test_groups_that_are_all_right_count_once_each() -> None:
    groups = np.repeat(np.arange(9), 5)
    low, high = wilson_by_group(np.ones(45, dtype=bool), groups)
    student = 2 * t.cdf(t.ppf(0.975, 8), 1e9) - 1
    assert (low, high) == pytest.approx(wilson(9, 9, student), abs=1e-6)
    assert low < wilson(45, 45).low


def test_groups_more_alike_than_chance_are_not_rewarded() -> None:
    # Every pair has one right and one wrong, so the mean of a new draw of pairs would not vary at all.
    low, high = wilson_by_group(np.tile([True, False], 20), np.repeat(np.arange(20), 2))
    assert (low, high) == pytest.approx(wilson(20, 40, 2 * t.cdf(t.ppf(0.975, 19), 1e9) - 1), abs=1e-6)


@pytest.mark.parametrize(
    ("right", "groups", "found"),
    [
        (np.ones(3, bool), np.arange(2), "values of 3, groups of 2"),
        (np.ones(3), np.arange(3), "float64"),
        (np.ones(3, bool), np.zeros(3), "1"),
        (np.ones(3, bool), np.array(["a", "", ""]), "2 empty"),
    ],
)
def test_groups_that_do_not_fit_are_refused(right: np.ndarray, groups: np.ndarray, found: str) -> None:
    with pytest.raises(StatisticsError, match=f"expected .*found .*{found}"):
        wilson_by_group(right, groups)


@pytest.mark.parametrize(
    ("values", "found"), [(np.array([1, np.nan, 2]), "1 that are not"), (np.zeros((3, 2)), r"shape \(3, 2\)")]
)
def test_what_has_no_mean_is_refused(values: np.ndarray, found: str) -> None:
    with pytest.raises(StatisticsError, match=f"expected .*found {found}"):
        mean_by_group(values, np.arange(3))


@given(st.integers(0, 1000))
def test_the_interval_of_a_skewed_mean_holds_it_scales_with_it_and_stays_above_zero(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, groups = rng.exponential(size=48), np.arange(48) // 2
    found, ten_times = (skewed_mean_by_group(factor * values, groups, resamples=200) for factor in (1, 10))
    assert found.mean == pytest.approx(values.mean())
    assert found.interval is not None
    assert ten_times.interval is not None
    assert 0 < found.interval.low < found.interval.high
    assert (ten_times.interval.low, ten_times.interval.high) == pytest.approx(
        (10 * found.interval.low, 10 * found.interval.high)
    )


def test_the_interval_of_a_skewed_mean_reaches_further_up_than_students() -> None:
    values = np.array([0.01] * 30 + [1.0] * 3 + [0.5] * 3)
    groups = np.arange(36)
    skewed, plain = skewed_mean_by_group(values, groups), mean_by_group(values, groups)
    assert skewed.interval is not None
    assert plain.interval is not None
    assert skewed.interval.high > plain.interval.high
    assert skewed.interval.low > plain.interval.low


def test_a_skewed_mean_has_no_interval_where_few_groups_or_one_case_would_make_it() -> None:
    few = skewed_mean_by_group(np.linspace(0.1, 1, 14), np.arange(14) // 2)
    one = skewed_mean_by_group(np.array([0.0] * 40 + [1.9]), np.arange(41))
    assert (few.interval, one.interval) == (None, None)
    assert (few.groups, one.mean) == (7, pytest.approx(1.9 / 41))


def test_a_skewed_mean_of_equal_numbers_has_no_interval_and_one_below_zero_is_refused() -> None:
    assert skewed_mean_by_group(np.full(6, 0.5), np.arange(6)).interval is None
    assert skewed_mean_by_group(np.zeros(6), np.arange(6)).interval is None
    with pytest.raises(StatisticsError, match="no value below zero"):
        skewed_mean_by_group(np.array([0.1, -0.1, 0.2]), np.arange(3))
