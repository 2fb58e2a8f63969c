"""AUROC of two methods, paired by case: against scikit-learn, and under exchange."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cvs_med.evaluation.auroc_difference import auroc_difference
from cvs_med.types import Prediction


def answers(seed: int, apart: float, *, groups: bool = True) -> list[Prediction]:
    """Forty cases of two classes in two folds; their scores lie `apart` for the classes."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(40):
        label = number % 2
        share = 1 / (1 + np.exp(-rng.normal(apart * (label - 0.5), 1)))
        group = f"g{number // 4}" if groups else ""
        found.append(Prediction(f"{number:02d}", group, number // 20, label, (1 - share, share)))
    return found


def area(rows: list[Prediction]) -> float:
    folds = [[row for row in rows if row.fold == fold] for fold in (0, 1)]
    return float(
        np.mean([roc_auc_score([row.label for row in fold], [row.probabilities[1] for row in fold]) for fold in folds])
    )


@pytest.mark.parametrize("groups", [True, False])
def test_the_mean_is_scikit_learn_s_over_folds_and_repeats(groups: bool) -> None:
    repeats = [(answers(seed, 2, groups=groups), answers(seed + 10, 1, groups=groups)) for seed in (1, 2)]
    found = auroc_difference(repeats)
    assert found is not None
    assert found.mean == pytest.approx(np.mean([area(first) - area(second) for first, second in repeats]))
    assert found.interval is not None
    assert found.interval.low < found.mean < found.interval.high


def test_the_other_way_round_it_is_the_same_with_the_other_sign() -> None:
    first, second = answers(3, 2), answers(4, 1)
    one, other = auroc_difference([(first, second)]), auroc_difference([(second, first)])
    assert one is not None
    assert other is not None
    assert one.interval is not None
    assert other.interval is not None
    assert one.mean == pytest.approx(-other.mean)
    assert (one.interval.low, one.interval.high) == pytest.approx((-other.interval.high, -other.interval.low))


def test_pairing_by_case_is_surer_than_two_methods_apart() -> None:
    first = answers(5, 1.5)
    alike = [
        Prediction(row.case_id, row.group, row.fold, row.label, (1 - share, share))
        for row, noise in zip(first, np.random.default_rng(6).normal(0, 0.02, 40), strict=True)
        for share in [float(np.clip(row.probabilities[1] + noise, 0, 1))]
    ]
    near, far = auroc_difference([(first, alike)]), auroc_difference([(first, answers(7, 1.5))])
    assert near is not None
    assert far is not None
    assert near.interval is not None
    assert far.interval is not None
    assert near.interval.high - near.interval.low < 0.5 * (far.interval.high - far.interval.low)


def test_without_a_fold_of_every_class_there_is_none_and_of_one_group_no_interval() -> None:
    rows = [Prediction(row.case_id, row.group, row.label, row.label, row.probabilities) for row in answers(8, 1)]
    assert auroc_difference([(rows, rows)]) is None
    one = [Prediction(row.case_id, "all", row.fold, row.label, row.probabilities) for row in answers(8, 1)]
    found = auroc_difference([(one, answers(9, 1))])
    assert found is not None
    assert found.interval is None
