from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from cvs_med.errors import StatisticsError
from cvs_med.statistics.roc import auroc, auroc_by_fold, delong, delong_test

# Albumin, total protein, K-G score (10 - it), benefit of surgery: 43 complete cases of E. R. DeLong et al. (1988), as
# printed in the manual of SAS/STAT, LOGISTIC, "Comparing ROC curves", with the areas and standard errors below.
CASES = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1
3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1
4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""
OVARIAN = np.array(CASES.split(), dtype=np.float64).reshape(-1, 4)
BENEFIT = OVARIAN[:, 3] == 1
ALBUMIN, PROTEIN, SCORE = OVARIAN[:, 0], OVARIAN[:, 1], 10 - OVARIAN[:, 2]
ONE_MODEL = np.zeros(43, dtype=np.int64)


def _draw(seed: int, n: int = 40, of: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give classes and two scores with ties."""
    rng = np.random.default_rng(seed)
    positive = rng.permutation(np.arange(n) < of)
    return positive, *(rng.integers(0, 8, (2, n)) + 2.0 * positive)


@given(st.integers(0, 10_000))
def test_auroc_agrees_with_scikit_learn_also_with_ties(seed: int) -> None:
    positive, scores, _ = _draw(seed)
    assert auroc(positive, scores) == pytest.approx(roc_auc_score(positive, scores))


def test_auroc_is_not_defined_for_one_class() -> None:
    assert auroc(np.ones(3, dtype=bool), np.arange(3.0)) is None
    assert auroc(np.zeros(3, dtype=bool), np.arange(3.0)) is None


@pytest.mark.parametrize(
    ("scores", "area", "error"), [(ALBUMIN, 0.7366, 0.0927), (PROTEIN, 0.6478, 0.1), (SCORE, 0.7258, 0.1028)]
)
def test_published_areas_and_their_errors(scores: np.ndarray, area: float, error: float) -> None:
    found = delong(BENEFIT, scores, ONE_MODEL)
    assert (round(found.auroc, 4), round(sqrt(found.variance), 4)) == (area, error)
    assert (found.positives, found.negatives) == (31, 12)


@pytest.mark.parametrize(
    ("scores", "difference", "error", "p"), [(ALBUMIN, 0.0108, 0.0953, 0.9102), (PROTEIN, -0.0780, 0.1046, 0.4561)]
)
def test_published_differences(scores: np.ndarray, difference: float, error: float, p: float) -> None:
    found = delong_test(BENEFIT, scores, SCORE, ONE_MODEL)
    assert found.p is not None
    assert round(found.first - found.second, 4) == difference
    assert (round(sqrt(found.variance), 4), round(found.p, 4)) == (error, p)


def _wins(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Compare every positive case (rows) with every negative one (columns)."""
    up, down = scores[positive][:, None], scores[~positive][None]
    return (up > down) + 0.5 * (up == down)


@given(st.integers(0, 10_000))
def test_ranks_give_what_comparing_all_pairs_gives(seed: int) -> None:
    positive, first, second = _draw(seed)
    one_model = np.zeros(40, dtype=np.int64)
    wins = [_wins(positive, scores) for scores in (first, second)]
    rows, columns = (np.cov([table.mean(axis=axis) for table in wins]) for axis in (1, 0))
    covariance = rows / 12 + columns / 28
    assert delong(positive, first, one_model).variance == pytest.approx(covariance[0, 0])
    expected = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert delong_test(positive, first, second, one_model).variance == pytest.approx(expected, abs=1e-14)


@given(st.integers(0, 10_000), st.floats(0.5, 0.99))
def test_the_interval_is_even_on_the_logit_scale(seed: int, level: float) -> None:
    positive, scores, _ = _draw(seed)
    found = delong(positive, scores, np.zeros(40, dtype=np.int64), level)
    low, middle, high = (log(area / (1 - area)) for area in (found.interval.low, found.auroc, found.interval.high))
    half = norm.ppf((1 + level) / 2) * sqrt(found.variance) / (found.auroc * (1 - found.auroc))
    assert (middle - low, high - middle) == pytest.approx((half, half))


def test_a_perfect_separation_is_not_certainty() -> None:
    positive, one_model = np.arange(45) < 15, np.zeros(45, dtype=np.int64)
    found = delong(positive, positive.astype(float), one_model)
    assert (found.auroc, found.variance, found.interval.high) == (1, 0, 1)
    # Newcombe's method 5: the squared distance to the true area is 1.96 squared times its variance.
    low, others = found.interval.low, 45 / 2 - 1
    variance = low * (1 - low) * (1 + others * (1 - low) / (2 - low) + others * low / (1 + low)) / (15 * 30)
    assert (1 - low) ** 2 == pytest.approx(norm.ppf(0.975) ** 2 * variance, rel=1e-6)
    turned = delong(positive, -positive.astype(float), one_model).interval
    assert turned == pytest.approx((0, 1 - low), abs=1e-9)


def test_scores_that_are_all_alike_know_nothing() -> None:
    found = delong(np.arange(45) < 15, np.zeros(45), np.zeros(45, dtype=np.int64))
    assert found.auroc == 0.5
    assert found.interval.low < 0.35
    assert found.interval.high > 0.65


@given(st.integers(0, 10_000))
def test_scores_of_different_folds_are_never_compared(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, folds = np.tile(np.repeat([0, 1, 2], 3), 4), np.repeat(np.arange(4), 9)
    logits = rng.normal(size=(36, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = auroc_by_fold(labels, probabilities, folds)
    parts = [
        roc_auc_score(labels[folds == fold], probabilities[folds == fold], multi_class="ovr") for fold in range(4)
    ]
    assert found.macro == pytest.approx(np.mean(parts))
    # What each network adds to all its scores changes nothing.
    positive, scores = labels == 0, logits[:, 0]
    assert delong(positive, scores + 100 * folds, folds) == delong(positive, scores, folds)
    assert delong(positive, scores, folds).auroc == pytest.approx(_mean_area(positive, scores, folds))


def _mean_area(positive: np.ndarray, scores: np.ndarray, folds: np.ndarray) -> float:
    """Average scikit-learn's areas over the folds."""
    return float(np.mean([roc_auc_score(positive[folds == fold], scores[folds == fold]) for fold in np.unique(folds)]))


def test_variances_of_folds_add_up() -> None:
    folds = np.arange(43) % 2
    parts = [delong(BENEFIT[folds == f], ALBUMIN[folds == f], folds[folds == f]).variance for f in (0, 1)]
    assert delong(BENEFIT, ALBUMIN, folds).variance == pytest.approx(sum(parts) / 4)


def test_a_fold_without_a_class_is_left_out_of_the_mean_of_that_class_only() -> None:
    labels, folds = np.array([0, 1, 2, 0, 1, 1]), np.array([3, 3, 3, 5, 5, 5])
    probabilities = np.array([[6, 2, 2], [2, 6, 2], [2, 2, 6], [2, 7, 1], [4, 5, 1], [5, 4, 1]]) / 10
    found = auroc_by_fold(labels, probabilities, folds)
    assert found.folds == (3, 5)
    assert found.values == ((1, 1, 1), (0, 0, None))
    assert (found.per_class, found.defined) == ((0.5, 0.5, 1), (2, 2, 1))
    assert found.macro == pytest.approx(2 / 3)


def test_a_class_without_any_case_leaves_no_macro_mean() -> None:
    found = auroc_by_fold(np.array([0, 1, 0, 1]), np.full((4, 3), 1 / 3), np.zeros(4, dtype=np.int64))
    assert (found.per_class, found.defined, found.macro) == ((0.5, 0.5, None), (1, 1, 0), None)


def test_the_same_scores_do_not_differ() -> None:
    found = delong_test(BENEFIT, ALBUMIN, 2 * ALBUMIN, ONE_MODEL)
    assert (found.variance, found.z, found.p) == (0, 0, 1)


def test_a_difference_without_variance_has_no_p() -> None:
    positive = np.arange(9) < 4
    found = delong_test(positive, positive.astype(float), -positive.astype(float), np.zeros(9, dtype=np.int64))
    assert (found.first, found.second, found.z, found.p) == (1, 0, None, None)


def test_exchanging_the_scores_turns_the_sign() -> None:
    there, back = (delong_test(BENEFIT, *pair, ONE_MODEL) for pair in ((ALBUMIN, PROTEIN), (PROTEIN, ALBUMIN)))
    assert there.z == pytest.approx(-back.z)
    assert there.p == pytest.approx(back.p)


@pytest.mark.parametrize(
    ("positive", "scores", "folds", "found"),
    [
        (BENEFIT, ALBUMIN[:-1], ONE_MODEL, "positive of 43, scores of 42"),
        (BENEFIT, ALBUMIN, ONE_MODEL[:-1], "positive of 43, folds of 42"),
        (OVARIAN[:, 3], ALBUMIN, ONE_MODEL, "float64"),
        (BENEFIT, np.full(43, np.nan), ONE_MODEL, "43 that are not"),
        (BENEFIT, ALBUMIN, np.arange(43), "0 and 1 in fold 0"),
    ],
)
def test_what_gives_no_area_is_refused(positive: np.ndarray, scores: np.ndarray, folds: np.ndarray, found: str) -> None:
    with pytest.raises(StatisticsError, match=f"expected .*found .*{found}"):
        delong(positive, scores, folds)
