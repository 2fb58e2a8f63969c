import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from cvs_med.errors import StatisticsError
from cvs_med.statistics.clusters import wilson_by_group
from cvs_med.statistics.decision import net_benefit, net_benefit_intervals

THRESHOLDS = np.array([0.05, 0.1, 0.5, 0.9])


@given(st.integers(0, 10_000))
def test_it_counts_what_scikit_learns_confusion_matrix_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive, probabilities = rng.random(45) < 0.4, rng.integers(0, 21, 45) / 20
    found = net_benefit(positive, probabilities, THRESHOLDS)
    for threshold, benefit in zip(found.thresholds, found.method, strict=True):
        _, false, _, true = confusion_matrix(positive, probabilities >= threshold, labels=[False, True]).ravel()
        assert benefit == pytest.approx((true - false * threshold / (1 - threshold)) / 45)
    assert found.prevalence == pytest.approx(positive.mean())


def test_a_worked_example() -> None:
    # 100 patients, 20 of them ill; at a threshold of 1/5 the method treats 18 ill and 24 healthy ones.
    positive = np.arange(100) < 20
    probabilities = np.where((np.arange(100) < 18) | (np.arange(100) >= 76), 0.3, 0.1)
    found = net_benefit(positive, probabilities, np.array([0.2]))
    assert found.method == pytest.approx((0.18 - 0.24 / 4,))
    assert found.treat_all == pytest.approx((0.2 - 0.8 / 4,))
    assert found.prevalence == 0.2


@given(st.integers(0, 10_000))
def test_knowing_the_truth_is_best_and_a_constant_is_treating_all_or_nobody(seed: int) -> None:
    positive = np.random.default_rng(seed).random(45) < 0.4
    perfect = net_benefit(positive, positive.astype(float), THRESHOLDS)
    assert perfect.method == pytest.approx([positive.mean()] * 4)
    constant = net_benefit(positive, np.full(45, 0.3), THRESHOLDS)
    assert constant.method == pytest.approx([*constant.treat_all[:2], 0, 0])


def test_treating_all_is_worth_nothing_at_the_prevalence() -> None:
    positive = np.arange(40) < 10
    assert net_benefit(positive, np.full(40, 0.5), np.array([0.25])).treat_all == pytest.approx([0])


@given(st.integers(0, 10_000), st.floats(0.01, 0.99))
def test_a_stated_prevalence_weighs_sensitivity_and_specificity(seed: int, prevalence: float) -> None:
    rng = np.random.default_rng(seed)
    positive, probabilities = np.arange(45) % 3 == 0, rng.integers(0, 21, 45) / 20
    found = net_benefit(positive, probabilities, THRESHOLDS, prevalence)
    assert found.prevalence == prevalence
    for threshold, benefit in zip(found.thresholds, found.method, strict=True):
        sensitivity = (probabilities[positive] >= threshold).mean()
        false_alarms = (probabilities[~positive] >= threshold).mean()
        cost = threshold / (1 - threshold)
        assert benefit == pytest.approx(sensitivity * prevalence - false_alarms * (1 - prevalence) * cost)
    own = net_benefit(positive, probabilities, THRESHOLDS, 1 / 3)
    assert own.method == pytest.approx(net_benefit(positive, probabilities, THRESHOLDS).method)


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, float("nan")])
def test_an_impossible_prevalence_is_refused(prevalence: float) -> None:
    with pytest.raises(StatisticsError, match="prevalence between 0 and 1"):
        net_benefit(np.arange(4) < 2, np.full(4, 0.5), THRESHOLDS, prevalence)


def test_a_prevalence_of_one_kind_of_cases_says_nothing() -> None:
    with pytest.raises(StatisticsError, match="4 of 4 positive"):
        net_benefit(np.ones(4, bool), np.full(4, 0.5), THRESHOLDS, 0.1)


@pytest.mark.parametrize(
    ("positive", "probabilities", "thresholds", "found"),
    [
        (np.ones(3, bool), np.full(3, 1.1), THRESHOLDS, "3 outside"),
        (np.ones(3, bool), np.full(2, 0.5), THRESHOLDS, "positive of 3, probabilities of 2"),
        (np.ones(3, bool), np.full(3, 0.5), np.array([0.0]), r"\[0.0\]"),
        (np.ones(3, bool), np.full(3, 0.5), np.array([1.0]), r"\[1.0\]"),
        (np.ones(3), np.full(3, 0.5), THRESHOLDS, "float64"),
    ],
)
def test_what_has_no_benefit_is_refused(
    positive: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray, found: str
) -> None:
    with pytest.raises(StatisticsError, match=f"expected .*found {found}"):
        net_benefit(positive, probabilities, thresholds)


@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.3, 0.9]))
def test_the_interval_of_one_kind_alone_is_that_of_its_share(seed: int, threshold: float) -> None:
    """Where no negative case is treated in any draw, what is left is Wilson's interval of the treated positive ones."""
    rng = np.random.default_rng(seed)
    positive, groups = np.arange(400) % 2 == 0, np.arange(400)
    probabilities = np.where(positive, rng.random(400), 0.0)
    (found,) = net_benefit_intervals(positive, probabilities, np.array([threshold]), 0.999, groups)
    share = wilson_by_group(probabilities[positive] >= threshold, groups[positive])
    # False alarms weigh a thousandth of what they would.
    lost = 0.001 * threshold / (1 - threshold)
    assert found.high == pytest.approx(0.999 * share.high, abs=lost)
    assert found.low == pytest.approx(0.999 * share.low, abs=lost)


def test_an_interval_holds_its_estimate_and_never_ends_in_a_point() -> None:
    positive, groups = np.arange(45) % 3 == 0, np.arange(45) // 2
    for probabilities in (np.full(45, 0.99), np.full(45, 0.01), positive.astype(float)):
        found = net_benefit(positive, probabilities, THRESHOLDS, 0.2).method
        intervals = net_benefit_intervals(positive, probabilities, THRESHOLDS, 0.2, groups)
        for benefit, interval in zip(found, intervals, strict=True):
            assert interval.low <= benefit <= interval.high
            assert interval.high - interval.low > 0.01


def test_images_of_one_group_weigh_as_one() -> None:
    positive = np.arange(40) < 20
    probabilities = np.repeat(np.arange(20) % 4 / 4 + 0.1, 2)
    alone, pairs = (
        net_benefit_intervals(positive, probabilities, np.array([0.5]), 0.3, groups)[0]
        for groups in (np.arange(40), np.arange(40) // 2)
    )
    assert pairs.high - pairs.low > alone.high - alone.low


def test_one_group_of_a_kind_has_no_interval() -> None:
    with pytest.raises(StatisticsError, match="at least two groups"):
        net_benefit_intervals(np.arange(6) < 2, np.full(6, 0.5), THRESHOLDS, 0.3, np.arange(6) // 2)
