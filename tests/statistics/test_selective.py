from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from cvs_med.errors import StatisticsError
from cvs_med.statistics.selective import (
    area_under_risk_coverage,
    assured_threshold,
    empirical_threshold,
    risk_coverage,
)


def _draw(seed: int, n: int = 45, steps: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Give confidences with ties, and answers that are right about as often."""
    rng = np.random.default_rng(seed)
    confidences = rng.integers(1, steps + 1, n) / steps
    return confidences, rng.random(n) < confidences


@given(st.integers(0, 10_000))
def test_every_selection_is_what_its_threshold_selects(seed: int) -> None:
    confidences, right = _draw(seed)
    curve = risk_coverage(confidences, right)
    for point in curve:
        chosen = confidences > point.above
        assert (point.answered, point.wrong, point.n) == (chosen.sum(), (~right[chosen]).sum(), 45)
    assert [point.answered for point in curve] == sorted({int((confidences >= c).sum()) for c in confidences})
    assert curve[-1].coverage == 1
    assert curve[-1].risk == pytest.approx(1 - right.mean())


@pytest.mark.parametrize("errors", [0, 1, 9, 45])
def test_the_best_order_has_the_known_area(errors: int) -> None:
    # All right answers before all wrong ones: the risk of the first n answers is 0, then (n - right) / n.
    right = np.arange(45) >= errors
    expected = sum(i / (45 - errors + i) for i in range(1, errors + 1)) / 45
    assert area_under_risk_coverage(np.arange(1, 46) / 45, right) == pytest.approx(expected)


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.integers(0, 10_000))
def test_equal_confidences_are_taken_in_random_order(right: list[bool], seed: int) -> None:
    confidences = np.random.default_rng(seed).integers(1, 3, len(right)) / 2
    # The mean over all orders, with confidences that differ by a crumb.
    areas = [
        area_under_risk_coverage(confidences - 1e-6 * np.array(order), np.array(right))
        for order in permutations(range(len(right)))
    ]
    assert area_under_risk_coverage(confidences, np.array(right)) == pytest.approx(np.mean(areas))


@given(st.integers(0, 10_000))
def test_a_blind_confidence_has_the_error_rate_as_its_area(seed: int) -> None:
    _, right = _draw(seed)
    assert area_under_risk_coverage(np.full(45, 0.7), right) == pytest.approx(1 - right.mean())


@given(st.integers(0, 10_000), st.floats(0.01, 0.5))
def test_the_empirical_threshold_answers_most_at_the_wanted_risk(seed: int, risk: float) -> None:
    confidences, right = _draw(seed)
    found = empirical_threshold(confidences, right, risk)
    allowed = [point for point in risk_coverage(confidences, right) if point.risk <= risk]
    assert (None if found is None else found.answered) == max((point.answered for point in allowed), default=None)


def test_where_the_surest_answer_is_wrong_no_threshold_may_fit() -> None:
    assert empirical_threshold(np.array([0.9, 0.8]), np.array([False, False]), 0.05) is None


@given(st.floats(0.01, 0.5), st.floats(0.5, 0.99))
def test_the_needed_answers_are_the_fewest_that_can_prove_the_risk(risk: float, level: float) -> None:
    needed = assured_threshold(np.array([0.5]), np.array([True]), risk, level).needed
    assert binom.pmf(0, needed, risk) <= 1 - level + 1e-9
    assert needed == 1 or binom.pmf(0, needed - 1, risk) > 1 - level


def test_45_cases_cannot_promise_five_percent_and_59_can() -> None:
    def perfect(n: int) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(1, n + 1) / n, np.ones(n, dtype=bool)

    too_few = assured_threshold(*perfect(45), 0.05)
    assert (too_few.selection, too_few.bound, too_few.needed) == (None, None, 59)
    enough = assured_threshold(*perfect(59), 0.05)
    assert enough.selection is not None
    assert (enough.selection.answered, enough.selection.above) == (59, 0)
    assert enough.bound is not None
    assert enough.bound <= 0.05


def test_the_first_failure_ends_the_search() -> None:
    confidences = np.arange(200, 0, -1) / 200
    right = np.ones(200, dtype=bool)
    right[70] = False
    found = assured_threshold(confidences, right, 0.05)
    # 71 answers with one wrong one fail; 93 would prove it, but would be a second try.
    assert found.selection is not None
    assert (found.selection.answered, found.selection.wrong) == (70, 0)
    later = np.ones(200, dtype=bool)
    later[100] = False
    kept = assured_threshold(confidences, later, 0.05).selection
    assert kept is not None
    assert (kept.answered, kept.wrong) == (200, 1)


@given(st.integers(0, 10_000), st.floats(0.05, 0.5))
def test_a_promise_is_never_bolder_than_the_cases(seed: int, risk: float) -> None:
    confidences, right = _draw(seed, n=300, steps=250)
    assured, plain = assured_threshold(confidences, right, risk), empirical_threshold(confidences, right, risk)
    if assured.selection is not None:
        assert assured.bound is not None
        assert assured.selection.risk <= assured.bound <= risk + 1e-9
        assert plain is not None
        assert assured.selection.answered <= plain.answered


@pytest.mark.parametrize(
    ("confidences", "right", "found"),
    [
        (np.array([0.5, 1.5]), np.ones(2, bool), "0.5 to 1.5"),
        (np.array([0.0, 0.5]), np.ones(2, bool), "0.0 to 0.5"),
        (np.array([0.5, np.nan]), np.ones(2, bool), "1 that are not"),
        (np.array([0.5]), np.ones(2, bool), "confidences of 1, right of 2"),
        (np.array([0.5]), np.ones(1), "float64"),
    ],
)
def test_what_is_no_confidence_is_refused(confidences: np.ndarray, right: np.ndarray, found: str) -> None:
    with pytest.raises(StatisticsError, match=f"expected .*found .*{found}"):
        risk_coverage(confidences, right)


@pytest.mark.parametrize("risk", [0.0, 1.0])
def test_what_is_no_risk_is_refused(risk: float) -> None:
    for search in (empirical_threshold, assured_threshold):
        with pytest.raises(StatisticsError, match="a risk between 0 and 1"):
            search(np.array([0.5]), np.ones(1, bool), risk)
