"""Metrics of weighted cases: a case that weighs two is a case that is there twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from cvs_med.statistics import weighted
from cvs_med.statistics.bootstrap import cluster_bootstrap, of_cases

GROUPS = np.arange(60) // 2


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities with ties, and folds of sixty cases of three classes."""
    rng = np.random.default_rng(seed)
    labels, folds = np.arange(60) % 3, np.arange(60) // 6 % 3
    raw = np.round(rng.dirichlet(np.ones(3), 60) + 0.4 * np.eye(3)[labels], 1) + 0.1
    return labels, raw / raw.sum(axis=1, keepdims=True), folds


@given(st.integers(0, 10_000))
def test_they_are_those_of_scikit_learn_with_cases_repeated(seed: int) -> None:
    labels, probabilities, folds = drawn(seed)
    predicted = probabilities.argmax(axis=1)
    weights = np.random.default_rng(seed).integers(1, 4, 60)
    many = np.repeat(np.arange(60), weights)
    (balanced,) = weighted.balanced_accuracy(labels, predicted)(weights[None].astype(float))
    assert balanced == pytest.approx(balanced_accuracy_score(labels[many], predicted[many]))
    (area,) = weighted.mean_auroc(labels, probabilities, folds)(weights[None].astype(float))
    macro = [
        roc_auc_score(labels[many][at], probabilities[many][at], multi_class="ovr", average="macro")
        for at in (folds[many] == fold for fold in range(3))
    ]
    assert area == pytest.approx(np.mean(macro))


def test_a_fold_without_a_class_is_left_out_and_no_fold_is_no_area() -> None:
    labels, probabilities, folds = drawn(0)
    metric = weighted.mean_auroc(labels, probabilities, folds)
    without = np.where((folds == 0) & (labels == 1), 0.0, 1.0)
    only = np.where(folds == 0, 0.0, 1.0)
    assert metric(np.stack([without]))[0] == pytest.approx(metric(np.stack([only]))[0])
    assert np.isnan(metric(np.zeros((1, 60)))[0])
    predicted = probabilities.argmax(axis=1)
    assert np.isnan(weighted.balanced_accuracy(labels, predicted)((labels > 0).astype(float)[None])[0])


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_weights_draw_again_what_lists_of_cases_do(method: str) -> None:
    labels, probabilities, _ = drawn(3)
    predicted = probabilities.argmax(axis=1)

    def metric(cases: np.ndarray) -> float:
        shares = [np.mean(predicted[cases][labels[cases] == label] == label) for label in range(3)]
        return float(np.mean(shares))

    slow = cluster_bootstrap(of_cases(metric), GROUPS, method=method, resamples=300)
    quick = cluster_bootstrap(weighted.balanced_accuracy(labels, predicted), GROUPS, method=method, resamples=300)
    assert quick.interval is not None
    assert slow.interval is not None
    assert quick.interval == pytest.approx(slow.interval)
    assert (quick.estimate, quick.groups, quick.dropped) == (pytest.approx(slow.estimate), 30, slow.dropped)
