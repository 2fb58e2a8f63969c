from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from cvs_med.errors import StatisticsError
from cvs_med.statistics.conformal import Conformal, calibrate, prediction_sets


def _draw(seed: int, n: int, steps: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = np.round(rng.normal(0, 1, (n, 3)) * steps) / steps
    return rng.integers(0, 3, n), softmax(logits, axis=1)


@given(st.integers(0, 10_000), st.integers(2, 40), st.floats(0.05, 0.95), st.sampled_from([1, 1000]))
def test_each_case_left_out_in_turn_is_covered_as_often_as_promised(
    seed: int, n: int, coverage: float, steps: int
) -> None:
    # The promise without chance: of N + 1 cases, each calibrated by the N others, enough are covered, ties or not.
    labels, probabilities = _draw(seed, n, steps)
    covered = 0
    for case in range(n):
        others = np.arange(n) != case
        conformal = calibrate(labels[others], probabilities[others], coverage)
        covered += int(prediction_sets(probabilities[[case]], conformal)[0, labels[case]])
    promised = ceil(n * coverage - 1e-9)
    assert covered >= promised
    if steps == 1000 and np.unique(probabilities).size == probabilities.size:
        assert covered == promised


def test_too_few_cases_put_every_class_in_every_set() -> None:
    labels, probabilities = _draw(0, 18)
    assert calibrate(labels, probabilities, 0.95) == Conformal(0.0, 0.95, 18)
    assert prediction_sets(probabilities, calibrate(labels, probabilities, 0.95)).all()
    labels, probabilities = _draw(0, 19)
    assert calibrate(labels, probabilities, 0.95).least == probabilities[np.arange(19), labels].min()


@given(st.integers(0, 10_000))
def test_a_bolder_promise_makes_no_set_smaller(seed: int) -> None:
    labels, probabilities = _draw(seed, 45)
    sizes = [prediction_sets(probabilities, calibrate(labels, probabilities, c)).sum(axis=1) for c in (0.5, 0.8, 0.9)]
    assert np.all(np.diff(sizes, axis=0) >= 0)


def test_a_set_may_be_empty() -> None:
    sure = np.tile([0.98, 0.01, 0.01], (45, 1))
    conformal = calibrate(np.zeros(45, dtype=np.int64), sure, 0.9)
    assert not prediction_sets(np.full((1, 3), 1 / 3), conformal).any()


@pytest.mark.parametrize("coverage", [0.0, 1.0])
def test_what_is_no_coverage_is_refused(coverage: float) -> None:
    with pytest.raises(StatisticsError, match="a level between 0 and 1"):
        calibrate(*_draw(0, 5), coverage)


def test_what_are_no_probabilities_is_refused() -> None:
    with pytest.raises(StatisticsError, match=r"labels from 0 to 1, found \[2\]"):
        calibrate(np.array([2]), np.array([[0.5, 0.5]]))
    with pytest.raises(StatisticsError, match="a sum that is"):
        prediction_sets(np.array([[0.5, 0.6]]), Conformal(0.2, 0.9, 45))
    with pytest.raises(StatisticsError, match="a least probability from 0 to 1, found 7"):
        prediction_sets(np.array([[0.5, 0.5]]), Conformal(7, 0.9, 45))
