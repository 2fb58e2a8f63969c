import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from sklearn import metrics as reference

from cvs_med.errors import StatisticsError
from cvs_med.statistics import metrics


def _draw(seed: int, n: int = 60, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    return labels, rng.integers(0, classes, n)


@given(st.integers(0, 10_000))
def test_matrix_accuracy_and_balanced_accuracy_agree_with_scikit_learn(seed: int) -> None:
    labels, predicted = _draw(seed)
    matrix = metrics.confusion_matrix(labels, predicted, 4)
    assert matrix.tolist() == reference.confusion_matrix(labels, predicted, labels=range(4)).tolist()
    assert metrics.accuracy(matrix).share == pytest.approx(reference.accuracy_score(labels, predicted))
    assert metrics.balanced_accuracy(matrix) == pytest.approx(reference.balanced_accuracy_score(labels, predicted))


@given(st.integers(0, 10_000))
def test_sensitivity_and_specificity_are_recalls_of_scikit_learn(seed: int) -> None:
    labels, predicted = _draw(seed)
    matrix = metrics.confusion_matrix(labels, predicted, 4)
    for c in range(4):
        found = metrics.sensitivity(matrix, c).share, metrics.specificity(matrix, c).share
        expected = [reference.recall_score(labels == c, predicted == c, pos_label=side) for side in (True, False)]
        assert found == pytest.approx(expected)


@budget(max_examples=15)
@given(st.integers(0, 10_000))
def test_predictive_values_are_precisions_of_scikit_learn(seed: int) -> None:
    labels, predicted = _draw(seed)
    matrix = metrics.confusion_matrix(labels, predicted, 4)
    for c in range(4):
        values = metrics.positive_predictive_value(matrix, c), metrics.negative_predictive_value(matrix, c)
        for found, side in zip(values, (True, False), strict=True):
            expected = reference.precision_score(labels == c, predicted == c, pos_label=side, zero_division=np.nan)
            assert np.nan if found.value.share is None else found.value.share == pytest.approx(expected)
            assert found.prevalence == pytest.approx(np.mean(labels == c))


@given(st.integers(0, 10_000))
def test_predictive_values_follow_from_sensitivity_specificity_and_prevalence(seed: int) -> None:
    labels, predicted = _draw(seed, n=400)
    matrix = metrics.confusion_matrix(labels, predicted, 4)
    found = metrics.positive_predictive_value(matrix, 1)
    sensitivity, specificity = metrics.sensitivity(matrix, 1).share, metrics.specificity(matrix, 1).share
    assert sensitivity is not None
    assert specificity is not None
    assert found.prevalence is not None
    true, false = sensitivity * found.prevalence, (1 - specificity) * (1 - found.prevalence)
    assert found.value.share == pytest.approx(true / (true + false))


def test_a_class_that_is_never_answered_has_no_positive_predictive_value() -> None:
    matrix = metrics.confusion_matrix(np.array([0, 1, 2]), np.array([0, 0, 1]), 3)
    assert metrics.positive_predictive_value(matrix, 2).value == metrics.Proportion(0, 0, 0.0, 1.0)
    assert metrics.negative_predictive_value(matrix, 2).value.share == pytest.approx(2 / 3)
    assert metrics.positive_predictive_value(np.zeros((3, 3), dtype=np.int64), 2).prevalence is None


@pytest.mark.parametrize(
    ("labels", "predicted", "found"),
    [
        (np.array([0, 3]), np.array([0, 1]), r"labels from 0 to 2, found \[3\]"),
        (np.array([0, 1]), np.array([0, -1]), r"predicted from 0 to 2, found \[-1\]"),
        (np.array([0.0, 1.0]), np.array([0, 1]), "found float64"),
        (np.array([0, 1]), np.array([0]), "labels of 2, predicted of 1"),
    ],
)
def test_what_is_no_class_is_not_counted(labels: np.ndarray, predicted: np.ndarray, found: str) -> None:
    with pytest.raises(StatisticsError, match=f"expected .*{found}"):
        metrics.confusion_matrix(labels, predicted, 3)


def test_a_class_without_cases_has_no_sensitivity_and_does_not_weigh_on_the_balance() -> None:
    matrix = metrics.confusion_matrix(np.array([0, 0, 1]), np.array([0, 2, 1]), 3)
    assert metrics.sensitivity(matrix, 2) == metrics.Proportion(0, 0, 0.0, 1.0)
    assert metrics.sensitivity(matrix, 2).share is None
    assert metrics.balanced_accuracy(matrix) == pytest.approx(0.75)


@given(st.integers(0, 10_000))
def test_dice_inside_a_mask_is_the_f1_score_of_its_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    predicted, gold, inside = (rng.integers(0, 2, (9, 7)) * 255 for _ in range(3))
    pixels = inside > 0
    expected = reference.f1_score(gold[pixels] > 0, predicted[pixels] > 0, zero_division=np.nan)
    found = metrics.dice(predicted, gold, inside)
    assert (np.nan if found is None else found) == pytest.approx(expected, nan_ok=True)


def test_dice_counts_every_pixel_without_a_mask_and_none_of_two_empty_ones() -> None:
    gold = np.array([[1, 1, 0, 0]])
    assert metrics.dice(np.array([[1, 0, 1, 0]]), gold) == pytest.approx(0.5)
    assert metrics.dice(np.zeros_like(gold), np.zeros_like(gold)) is None


def test_dice_refuses_masks_of_other_shapes() -> None:
    with pytest.raises(StatisticsError, match=r"shapes \(2, 3\), \(3, 2\)"):
        metrics.dice(np.zeros((2, 3)), np.zeros((3, 2)))
