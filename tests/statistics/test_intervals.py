import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from statsmodels.stats.proportion import proportion_confint

from cvs_med.errors import StatisticsError
from cvs_med.statistics.intervals import clopper_pearson, clopper_pearson_upper, wilson

COUNTS = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
LEVELS = st.floats(0.5, 0.999)


@given(COUNTS, LEVELS)
def test_wilson_agrees_with_scipy(counts: tuple[int, int], level: float) -> None:
    successes, n = counts
    reference = binomtest(successes, n).proportion_ci(confidence_level=level, method="wilson")
    assert wilson(successes, n, level) == pytest.approx((reference.low, reference.high), abs=1e-9)


@given(COUNTS, LEVELS)
def test_clopper_pearson_agrees_with_scipy_and_statsmodels(counts: tuple[int, int], level: float) -> None:
    successes, n = counts
    exact = binomtest(successes, n).proportion_ci(confidence_level=level, method="exact")
    beta = proportion_confint(successes, n, alpha=1 - level, method="beta")
    assert clopper_pearson(successes, n, level) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert clopper_pearson(successes, n, level) == pytest.approx(beta, abs=1e-9)


@given(COUNTS, LEVELS)
def test_the_upper_bound_is_the_share_that_just_allows_so_few(counts: tuple[int, int], level: float) -> None:
    successes, n = counts
    bound = clopper_pearson_upper(successes, n, level)
    assert bound == 1 if successes == n else binom.cdf(successes, n, bound) == pytest.approx(1 - level, abs=1e-6)


def test_wilson_of_the_papers_result() -> None:
    low, high = wilson(37, 45)
    assert (round(100 * low, 1), round(100 * high, 1)) == (68.7, 90.7)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_the_ends_are_reached_exactly_and_never_passed(interval: type) -> None:
    assert interval(0, 45).low == 0
    assert interval(45, 45).high == 1


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_without_trials_nothing_is_known(interval: type) -> None:
    assert interval(0, 0) == (0, 1)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson, clopper_pearson_upper])
@pytest.mark.parametrize(("successes", "n", "level"), [(-1, 3, 0.95), (4, 3, 0.95), (1, 3, 1.0), (1, 3, 0.0)])
def test_what_is_no_count_and_no_level_is_refused(interval: type, successes: int, n: int, level: float) -> None:
    with pytest.raises(StatisticsError, match=r"expected .* found"):
        interval(successes, n, level)


def _coverages(interval: type, n: int) -> np.ndarray:
    """Add up the chances of the counts whose interval holds the true share, for shares from 0.1 to 0.9."""
    low, high = np.array([interval(k, n) for k in range(n + 1)]).T
    shares = np.linspace(0.1, 0.9, 801)[:, None]
    return (binom.pmf(np.arange(n + 1), n, shares) * ((low <= shares) & (shares <= high))).sum(axis=1)


@pytest.mark.parametrize("n", [60, 90, 200])
def test_wilson_covers_between_93_and_97_percent_from_60_cases_on(n: int) -> None:
    coverages = _coverages(wilson, n)
    assert coverages.min() >= 0.93
    assert coverages.max() <= 0.97


def test_wilson_covers_95_percent_of_45_cases_in_the_mean_and_93_in_the_worst() -> None:
    coverages = _coverages(wilson, 45)
    assert coverages.mean() == pytest.approx(0.95, abs=0.003)
    assert coverages.min() >= 0.93
    assert coverages.max() <= 0.975


@pytest.mark.parametrize("n", [9, 45, 200])
def test_clopper_pearson_never_covers_less_than_95_percent(n: int) -> None:
    assert _coverages(clopper_pearson, n).min() >= 0.95
