"""Guesses from measures: like scikit-learn's ridge, useless where there is nothing, and honest by permutation."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from cvs_med.audit.guessing import Deal, deals, design, guess, permutation_p, permuted, skill
from cvs_med.audit.sample import Measures
from cvs_med.protocol_sections import Splits
from cvs_med.types import Case

GROUPED = Splits(kind="grouped", folds=3, seed=1)


@pytest.fixture
def cases(tmp_path: object) -> list[Case]:
    """Thirty cases of three classes, ten pairs and ten alone."""
    return [
        Case(f"{number:02d}", tmp_path / f"{number}.jpg", number % 3, group=f"person {number % 3}-{number // 3 // 2}")  # type: ignore[operator]
        for number in range(30)
    ]


def test_the_guess_is_scikit_learns_ridge() -> None:
    rng = np.random.default_rng(0)
    columns, labels, folds = rng.normal(size=(24, 4)), np.arange(24) % 3, np.arange(24) % 4
    scores = guess(columns, Deal(labels, folds), 3)
    for fold in range(4):
        train = folds != fold
        model = Ridge(alpha=4.0).fit(columns[train], np.eye(3)[labels[train]])
        np.testing.assert_allclose(scores[~train], model.predict(columns[~train]))
    np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_an_outlier_a_name_and_a_missing_value_become_bounded_columns() -> None:
    measures: list[Measures] = [{"x": float(n), "camera": "AB"[n % 2], "same": 1.0} for n in range(9)]
    measures.append({"x": 1e12, "camera": None, "same": 1.0})
    measures.append({"x": None, "camera": "A", "same": 1.0})
    columns = design(measures)
    assert np.isfinite(columns).all()
    assert np.abs(columns).max() < 4
    np.testing.assert_allclose(columns.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(columns.std(axis=0), 1)
    # x missing, x, its square; camera missing, A, B.
    assert columns.shape == (11, 6)
    assert design([{"x": 2.0}, {"x": 2.0}, {}]).shape == (3, 1)
    assert design([{}, {}]).shape == (2, 0)


def test_groups_keep_one_label_and_all_labels_occur(cases: list[Case]) -> None:
    labels = np.array([case.label for case in cases])
    shuffled = permuted(labels, cases, np.random.default_rng(3))
    by_group: dict[str | None, set[int]] = {}
    for case, label in zip(cases, shuffled, strict=True):
        by_group.setdefault(case.group, set()).add(int(label))
    assert all(len(found) == 1 for found in by_group.values())
    assert set(shuffled.tolist()) == {0, 1, 2}
    assert not np.array_equal(shuffled, labels)


def test_mixed_groups_exchange_all_their_labels(cases: list[Case]) -> None:
    mixed = [replace(case, group=f"pair {number // 2}") for number, case in enumerate(cases)]
    labels = np.array([case.label for case in mixed])
    shuffled = permuted(labels, mixed, np.random.default_rng(0))
    pairs = sorted(map(tuple, labels.reshape(-1, 2).tolist()))
    assert sorted(map(tuple, shuffled.reshape(-1, 2).tolist())) == pairs


def test_a_shortcut_to_one_class_is_found_and_a_perfect_one_explains_all(cases: list[Case]) -> None:
    every = deals(cases, GROUPED, 99)
    rng = np.random.default_rng(0)
    told = np.array([case.label == 1 for case in cases]) * 3 + rng.normal(size=30)
    assert permutation_p(told[:, None], every, 3) == pytest.approx(0.01)
    perfect = np.eye(3)[every[0].labels]
    assert skill(perfect, every[0]) == 1


def test_chance_is_found_as_often_as_promised(cases: list[Case]) -> None:
    """Noise shared by the two of a group: p-values must be uniform, which they are not if groups are ignored."""
    every = deals(cases, GROUPED, 39)
    rng = np.random.default_rng(0)
    names = sorted({str(case.group) for case in cases})
    p_values = []
    for _ in range(200):
        of_group = dict(zip(names, rng.normal(size=len(names)), strict=True))
        noise = design([{"x": float(of_group[str(case.group)])} for case in cases])
        p_values.append(permutation_p(noise, every, 3))
    # 5 % of 200 is 10; more than 20 has a chance below 0.2 %.
    assert np.sum(np.array(p_values) <= 0.05) <= 20
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.1)


def test_folds_keep_groups_together_for_every_permutation(cases: list[Case]) -> None:
    for deal in deals(cases, GROUPED, 5):
        folds_of: dict[str | None, set[int]] = {}
        for case, fold in zip(cases, deal.folds, strict=True):
            folds_of.setdefault(case.group, set()).add(int(fold))
        assert all(len(found) == 1 for found in folds_of.values())
