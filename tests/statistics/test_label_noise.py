"""Labels that the answers contradict: those that cleanlab finds, and never one that the answers agree with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvs_med.errors import StatisticsError
from cvs_med.statistics.label_noise import doubted_labels

LABELS = np.array([0, 1, 2, 1, 2, 2, 2, 0, 1, 1, 0, 1, 1, 2, 1, 0, 2, 2])
PROBABILITIES = np.array([
    [0.41, 0.12, 0.47], [0.19, 0.78, 0.03], [0.48, 0.01, 0.51], [0.28, 0.53, 0.19], [0.10, 0.30, 0.60],
    [0.56, 0.02, 0.42], [0.14, 0.73, 0.13], [0.62, 0.32, 0.06], [0.29, 0.42, 0.29], [0.61, 0.29, 0.10],
    [0.38, 0.29, 0.33], [0.18, 0.66, 0.16], [0.14, 0.65, 0.21], [0.72, 0.06, 0.22], [0.45, 0.36, 0.19],
    [0.58, 0.37, 0.05], [0.46, 0.08, 0.46], [0.17, 0.14, 0.69],
])  # fmt: skip


def test_the_doubts_are_those_of_cleanlab() -> None:
    """`find_label_issues(LABELS, PROBABILITIES, filter_by="confident_learning")` of cleanlab 2.9.0 names these."""
    found = doubted_labels(LABELS, PROBABILITIES)
    assert sorted(doubt.case for doubt in found) == [0, 5, 6, 9, 13]
    assert [(doubt.case, doubt.label, doubt.answer, doubt.probability) for doubt in found] == [
        (6, 2, 1, 0.13), (13, 2, 0, 0.22), (9, 1, 0, 0.29), (0, 0, 2, 0.41), (5, 2, 0, 0.42),
    ]  # fmt: skip


@given(st.integers(0, 10_000))
def test_swapped_labels_of_a_sure_method_are_found_and_no_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.arange(60) % 3
    probabilities = 0.9 * np.eye(3)[truth] + 0.1 / 3
    labels, swapped = truth.copy(), rng.choice(60, 5, replace=False)
    labels[swapped] = (labels[swapped] + 1) % 3
    found = doubted_labels(labels, probabilities)
    assert sorted(doubt.case for doubt in found) == sorted(swapped.tolist())
    assert all(doubt.answer == truth[doubt.case] for doubt in found)


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_a_label_that_is_the_most_probable_class_is_never_doubted(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    labels, probabilities = rng.integers(0, classes, 40), rng.dirichlet(np.ones(classes), 40)
    for doubt in doubted_labels(labels, probabilities):
        assert probabilities[doubt.case].argmax() != labels[doubt.case] == doubt.label != doubt.answer


def test_a_class_that_nobody_was_given_is_no_answer() -> None:
    assert doubted_labels(np.array([0, 0, 1]), np.array([[0.1, 0.0, 0.9], [0.6, 0.2, 0.2], [0.1, 0.8, 0.1]])) == ()


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(StatisticsError, match="labels of 2, probabilities of 3"):
        doubted_labels(np.array([0, 1]), np.full((3, 2), 0.5))
    with pytest.raises(StatisticsError):
        doubted_labels(np.array([0, 2]), np.full((2, 2), 0.5))
