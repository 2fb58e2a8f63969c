"""Intervals of what is no count: where they lie, whom they count, and where there is none."""

import numpy as np
import pytest

from cvs_med.evaluation import intervals as of_metrics
from cvs_med.evaluation.intervals import intervals
from cvs_med.statistics.clusters import mean_by_group, skewed_mean_by_group
from cvs_med.tables import Segmentation
from cvs_med.types import Prediction


def answers(groups: int, *, sure: bool = False) -> list[Prediction]:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(60):
        label, fold = number % 2, number // 12
        share = 0.999 if sure else float(rng.beta(3, 2))
        shares = (share, 1 - share) if label == 0 else (1 - share, share)
        rows.append(Prediction(f"c{number}", f"g{number % groups}", fold, label, shares))
    return rows


def test_they_hold_what_they_are_of_and_count_groups() -> None:
    overlaps = [Segmentation(row.case_id, row.fold, n / 100, n / 200, 0.1, 0.1) for n, row in enumerate(answers(30))]
    alone, pairs = intervals(answers(60), overlaps), intervals(answers(30), overlaps)
    for name, least, most in (("balanced_accuracy", 0.4, 0.9), ("mean_auroc", 0.4, 0.95), ("brier", 0.2, 0.8)):
        found = getattr(alone, name)
        assert least < found.low < found.high < most
    values = np.array([row.dice_working for row in overlaps], dtype=np.float64)
    groups = np.array([row.group for row in answers(30)])
    assert pairs.dice_working == mean_by_group(values, groups).interval
    assert pairs.dice_native is not None
    assert pairs.dice_native.high == pytest.approx(pairs.dice_working.high / 2)  # type: ignore[union-attr]


def test_none_is_given_where_none_can_be() -> None:
    perfect = intervals(answers(60, sure=True), [])
    assert (perfect.balanced_accuracy, perfect.mean_auroc, perfect.dice_native) == (None, None, None)
    assert intervals(answers(1), []).brier is None


def test_they_never_leave_their_range() -> None:
    rows = [Prediction(f"c{n}", f"g{n}", 0, n % 2, (0.1, 0.9) if n % 5 else (0.9, 0.1)) for n in range(12)]
    found = intervals(rows, [Segmentation(row.case_id, 0, float(n > 0), None, 0.1, 0.1) for n, row in enumerate(rows)])
    assert found.brier is not None
    assert 0 < found.brier.low < found.brier.high <= 2
    assert found.dice_working is not None
    assert found.dice_working.high == 1


def test_a_brier_score_that_one_sure_mistake_makes_has_no_interval() -> None:
    shares = [0.05 + 0.01 * (n % 5) for n in range(41)]
    rows = [Prediction(f"c{n}", f"g{n}", 0, int(n == 0), (1 - share, share)) for n, share in enumerate(shares)]
    errors = np.array([2 * (1 - row.probabilities[row.label]) ** 2 for row in rows])
    drawn = skewed_mean_by_group(errors, np.arange(41)).interval
    assert drawn is not None
    assert drawn.high > 2
    assert intervals(rows, []).brier is None


def test_of_very_many_cases_nothing_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_metrics, "_MOST_CASES", 59)
    found = intervals(answers(60), [])
    assert (found.balanced_accuracy, found.mean_auroc) == (None, None)
    rows = answers(60)
    errors = np.array([2 * (1 - row.probabilities[row.label]) ** 2 for row in rows])
    plain = mean_by_group(errors, np.arange(60)).interval
    assert found.brier is not None
    assert plain is not None
    assert (found.brier.low, found.brier.high) == pytest.approx((plain.low, plain.high))
