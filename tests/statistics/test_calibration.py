import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from scipy.stats import binom
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from cvs_med.errors import StatisticsError
from cvs_med.statistics.calibration import (
    HOTTEST,
    apply_temperature,
    brier,
    calibration_error,
    confidence_p,
    fit_temperature,
    reliability,
)


def _draw(seed: int, n: int = 60, classes: int = 3, temperature: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw logits, and labels as often as the logits (divided by the temperature) say."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, classes))
    shares = softmax(logits / temperature, axis=1)
    return (rng.random((n, 1)) > shares.cumsum(axis=1)[:, :-1]).sum(axis=1), logits


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_brier_agrees_with_scikit_learn(seed: int, classes: int) -> None:
    labels, logits = _draw(seed, classes=classes)
    probabilities = softmax(logits, axis=1)
    expected = brier_score_loss(labels, probabilities, labels=range(classes), scale_by_half=False)
    assert brier(labels, probabilities) == pytest.approx(expected)


def test_brier_goes_from_zero_to_two() -> None:
    labels = np.array([0, 1, 2])
    assert brier(labels, np.eye(3)) == 0
    assert brier(labels, np.eye(3)[[1, 2, 0]]) == 2


@given(st.integers(0, 10_000), st.sampled_from([1, 4, 5, 10]))
def test_bins_agree_with_scikit_learns_quantile_bins(seed: int, bins: int) -> None:
    labels, logits = _draw(seed)
    probabilities = softmax(logits, axis=1)
    right, confidence = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    accuracies, means = calibration_curve(right, confidence, n_bins=bins, strategy="quantile")
    found = reliability(labels, probabilities, bins)
    assert [part.n for part in found] == [60 // bins] * bins
    assert [part.accuracy for part in found] == pytest.approx(accuracies)
    assert [part.confidence for part in found] == pytest.approx(means)
    assert calibration_error(labels, probabilities, bins) == pytest.approx(np.mean(np.abs(accuracies - means)))


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_equal_confidences_stay_together_so_the_order_of_cases_does_not_matter(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    labels, share = rng.integers(0, 2, 45), rng.integers(5, 10, 45) / 10
    probabilities, order = np.stack([share, 1 - share], axis=1), rng.permutation(45)
    found = reliability(labels, probabilities, bins)
    again = reliability(labels[order], probabilities[order], bins)
    assert [(part.n, part.accuracy) for part in again] == [(part.n, part.accuracy) for part in found]
    assert sum(part.n for part in found) == 45
    assert len(found) <= bins


def test_certain_and_always_wrong_is_the_worst() -> None:
    assert calibration_error(np.zeros(9, dtype=np.int64), np.tile([0.0, 1.0], (9, 1))) == 1
    assert calibration_error(np.ones(9, dtype=np.int64), np.tile([0.0, 1.0], (9, 1))) == 0


@given(st.integers(0, 10_000))
def test_the_fitted_temperature_is_where_confidence_and_truth_balance(seed: int) -> None:
    labels, logits = _draw(seed, n=200, temperature=2.0)
    found = fit_temperature(labels, logits)
    # The derivative of the likelihood is 0 where the mean logit equals the mean logit of the right class.
    shares = apply_temperature(logits, found.value)
    assert np.mean((shares * logits).sum(axis=1)) == pytest.approx(logits[np.arange(200), labels].mean(), abs=1e-4)
    assert found.loss_before == pytest.approx(log_loss(labels, softmax(logits, axis=1), labels=range(3)))
    assert found.loss_after == pytest.approx(log_loss(labels, shares, labels=range(3)))
    assert found.loss_after <= found.loss_before
    assert not found.at_limit


@given(st.integers(0, 10_000), st.floats(0.5, 4))
def test_the_true_temperature_is_found_again(seed: int, temperature: float) -> None:
    labels, logits = _draw(seed, n=20_000, temperature=temperature)
    assert fit_temperature(labels, logits).value == pytest.approx(temperature, rel=0.1)


@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_no_class_changes_and_log_probabilities_will_do(seed: int, temperature: float) -> None:
    labels, logits = _draw(seed)
    probabilities = apply_temperature(logits, temperature)
    assert np.array_equal(probabilities.argmax(axis=1), logits.argmax(axis=1))
    assert apply_temperature(log_softmax(logits, axis=1), temperature) == pytest.approx(probabilities)
    assert fit_temperature(labels, log_softmax(logits, axis=1)).value == pytest.approx(
        fit_temperature(labels, logits).value, rel=1e-4
    )


def test_a_fit_that_runs_away_says_so() -> None:
    _, logits = _draw(0)
    assert fit_temperature(logits.argmax(axis=1), logits).at_limit
    wrong = fit_temperature(logits.argmin(axis=1), logits)
    assert wrong.at_limit
    assert wrong.value == pytest.approx(HOTTEST, rel=0.01)


@pytest.mark.parametrize(
    ("labels", "probabilities", "found"),
    [
        (np.array([0, 1]), np.full((3, 2), 0.5), "labels of 2, probabilities of 3"),
        (np.array([0, 2]), np.full((2, 2), 0.5), r"\[2\]"),
        (np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.6]]), "a sum that is 0.1 off"),
        (np.array([0, 1]), np.array([[1.5, -0.5], [0.5, 0.5]]), "2 outside"),
        (np.array([0, 1]), np.array([[np.nan, 1], [0.5, 0.5]]), "1 that are not"),
        (np.array([0, 0]), np.ones((2, 1)), r"shape \(2, 1\)"),
        (np.zeros(0, dtype=np.int64), np.zeros((0, 2)), "labels of 0, probabilities of 0"),
    ],
)
def test_what_are_no_probabilities_is_refused(labels: np.ndarray, probabilities: np.ndarray, found: str) -> None:
    for measure in (brier, calibration_error):
        with pytest.raises(StatisticsError, match=f"expected .*found {found}"):
            measure(labels, probabilities)


def test_no_bin_and_no_temperature_are_refused() -> None:
    with pytest.raises(StatisticsError, match="at least one bin, found 0"):
        reliability(np.array([0]), np.array([[1.0, 0.0]]), 0)
    with pytest.raises(StatisticsError, match="a temperature above 0, found 0"):
        apply_temperature(np.zeros((2, 2)), 0)
    with pytest.raises(StatisticsError, match="finite logits, found 1"):
        fit_temperature(np.array([0]), np.array([[np.inf, 0.0]]))


def test_confidences_of_one_value_are_tested_as_by_the_binomial() -> None:
    right = np.arange(40) < 34
    p = confidence_p(np.full(40, 0.7), right, np.arange(40), resamples=20_000)
    # Two-sided by the distance from the expected 28: at least 34 or at most 22.
    expected = binom.sf(33, 40, 0.7) + binom.cdf(22, 40, 0.7)
    assert p == pytest.approx(expected, abs=0.004)


def test_cases_of_a_group_are_one_witness() -> None:
    right, confidences = np.arange(40) < 38, np.full(40, 0.75)
    alone, in_pairs = (confidence_p(confidences, right, groups) for groups in (np.arange(40), np.arange(40) // 2))
    assert alone < in_pairs


def test_all_right_with_sure_answers_is_no_surprise_and_all_wrong_is() -> None:
    sure = np.full(45, 0.98)
    assert confidence_p(sure, np.ones(45, dtype=np.bool_), np.arange(45)) > 0.3
    assert confidence_p(sure, np.zeros(45, dtype=np.bool_), np.arange(45)) == 1 / 2000
    with pytest.raises(StatisticsError):
        confidence_p(sure + 0.1, np.ones(45, dtype=np.bool_), np.arange(45))
