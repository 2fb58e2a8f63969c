"""What is decided inside 36 training cases, held against simulation: what it promises, and what it cannot."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cvs_med.decisions import Decided, apply, decide
from cvs_med.protocol_sections import Inner
from cvs_med.types import Prediction

pytestmark = pytest.mark.slow


def _answers(features: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray) -> list[Prediction]:
    shares = LogisticRegression().fit(features[train], labels[train]).predict_proba(features[test])
    return [Prediction(f"{n}", "", 0, int(labels[n]), tuple(row)) for n, row in zip(test, shares, strict=True)]


def _decided_inside(asked: Inner, repeats: int) -> list[tuple[Prediction, Decided]]:
    """Decide by five inner folds of 36 cases, then answer for 100 others by a model that learnt from all 36."""
    rng, found = np.random.default_rng(19), []
    for _ in range(repeats):
        labels, features = np.arange(136) % 3, rng.normal(size=(136, 6))
        features[labels < 2, labels[labels < 2]] += 1.2
        fold = rng.permutation(36) % 5
        parts = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(5)]
        inner = [p for train, test in parts for p in _answers(features, labels, train, test)]
        tested = _answers(features, labels, np.arange(36), np.arange(36, 136))
        found += zip(tested, apply(decide(0, inner, asked), tested, asked), strict=True)
    return found


def test_sets_decided_inside_a_training_part_of_36_cover_at_least_as_aimed_at() -> None:
    # The tested network has learnt from more cases than the inner ones, so its sets are rather too careful.
    found = _decided_inside(Inner(calibrate=True, coverage=0.9), 300)
    assert 0.9 <= np.mean([p.label in (each.classes or ()) for p, each in found]) <= 0.96


def test_a_threshold_that_looked_good_inside_36_cases_keeps_no_risk() -> None:
    # A task in which half of the answers are wrong: some threshold looks good by chance.
    found = _decided_inside(Inner(abstain_at_risk=0.05), 300)
    wrong = [p.predicted != p.label for p, each in found if each.answered]
    assert len(wrong) > 500
    assert np.mean(wrong) > 0.1
    assert np.mean(wrong) < np.mean([p.predicted != p.label for p, _ in found])
