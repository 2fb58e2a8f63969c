import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from cvs_med.statistics.intervals import wilson


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_agrees_with_scipy(counts: tuple[int, int], level: float) -> None:
    successes, n = counts
    reference = binomtest(successes, n).proportion_ci(confidence_level=level, method="wilson")
    assert wilson(successes, n, level) == pytest.approx((reference.low, reference.high), abs=1e-9)


def test_wilson_of_the_papers_result() -> None:
    low, high = wilson(37, 45)
    assert (round(100 * low, 1), round(100 * high, 1)) == (68.7, 90.7)


def test_wilson_reaches_the_ends_exactly_and_never_passes_them() -> None:
    assert wilson(0, 45).low == 0
    assert wilson(45, 45).high == 1


def test_without_trials_nothing_is_known() -> None:
    assert wilson(0, 0) == (0, 1)


@pytest.mark.parametrize(("successes", "n", "level"), [(-1, 3, 0.95), (4, 3, 0.95), (1, 3, 1.0), (1, 3, 0.0)])
def test_wilson_refuses_what_is_no_count_and_no_level(successes: int, n: int, level: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        wilson(successes, n, level)
