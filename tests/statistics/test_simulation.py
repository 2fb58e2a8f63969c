"""Do the intervals cover as often as they say, with as few cases as we have?

Cases are drawn in the shape of HRF unless said otherwise: 45 photographs of 28 sittings, 17 of them with two.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import beta, norm

from cvs_med.statistics import weighted
from cvs_med.statistics.agreement import cohen_kappa
from cvs_med.statistics.bootstrap import Method, cluster_bootstrap, of_cases
from cvs_med.statistics.calibration import squared_errors
from cvs_med.statistics.clusters import mean_by_group, skewed_mean_by_group, wilson_by_group
from cvs_med.statistics.conformal import calibrate, prediction_sets
from cvs_med.statistics.decision import net_benefit_intervals
from cvs_med.statistics.intervals import Interval, clopper_pearson, wilson
from cvs_med.statistics.roc import auroc, delong
from cvs_med.statistics.selective import assured_threshold
from sittings import FIVE_FOLDS, ONE_MODEL, POSITIVE, covered, quality, sittings

pytestmark = pytest.mark.slow


def _counted(interval: Callable[[int, int], Interval], share: float, n: int) -> float:
    counts = np.random.default_rng(19).binomial(n, share, size=5000)
    return covered([interval(int(count), n) for count in counts], share)


@pytest.mark.parametrize("n", [45, 90])
@pytest.mark.parametrize("share", [0.6, 0.7, 0.8, 0.9])
def test_wilson_covers_and_clopper_pearson_is_never_short(share: float, n: int) -> None:
    assert 0.93 <= _counted(wilson, share, n) <= 0.97
    # The counts are drawn: a coverage of just 95 % may come out a little below it.
    assert _counted(clopper_pearson, share, n) >= 0.95 - 0.006


def _wilson_by_group(accuracy: float, alike: float) -> float:
    draws = quality(1, 2000, sittings(), alike)
    return covered([wilson_by_group(draw < norm.ppf(accuracy), sittings()) for draw in draws], accuracy)


@pytest.mark.parametrize("accuracy", [0.6, 0.7, 0.8])
def test_wilson_by_group_covers(accuracy: float) -> None:
    assert 0.93 <= _wilson_by_group(accuracy, alike=0.5) <= 0.97


@pytest.mark.parametrize("accuracy", [0.6, 0.8, 0.95])
def test_wilson_by_group_is_careful_where_groups_mean_nothing_and_near_one(accuracy: float) -> None:
    assert _wilson_by_group(accuracy, alike=0.0) >= 0.95


def test_plain_wilson_falls_short_where_cases_of_a_group_are_alike() -> None:
    draws = quality(1, 2000, sittings(), 0.9)
    found = [wilson(int((draw < norm.ppf(0.7)).sum()), 45) for draw in draws]
    assert covered(found, 0.7) < 0.93


@pytest.mark.parametrize(("first", "second", "common"), [(0.8, 0.8, 0.5), (0.8, 0.7, 0.5), (0.8, 0.8, 0.9)])
def test_the_difference_of_two_accuracies_is_covered(first: float, second: float, common: float) -> None:
    groups, found = sittings(), []
    draws = (quality(seed, 2000, groups, 0.3) for seed in (2, 3, 4))
    for hard, own, other in zip(*draws, strict=True):
        right = [
            np.sqrt(common) * hard + np.sqrt(1 - common) * noise < norm.ppf(accuracy)
            for noise, accuracy in ((own, first), (other, second))
        ]
        found.append(mean_by_group(right[0].astype(float) - right[1], groups).interval)
    assert 0.93 <= covered(found, first - second) <= 0.97


def _brier(apart: float, classes: int) -> float:
    """Simulate Brier scores of probabilities that are bolder than they should be; sittings err alike."""
    labels, found, means = sittings() % classes, [], []
    draws = (quality(seed, 1000, sittings(), 0.5) for seed in range(41, 41 + classes))
    for seed, columns in enumerate(zip(*draws, strict=True)):
        scores = np.stack(columns, axis=1) + apart * np.eye(classes)[labels]
        errors = squared_errors(labels, softmax(2 * scores, axis=1))
        means.append(errors.mean())
        found.append(skewed_mean_by_group(errors, sittings(), resamples=500, seed=seed).interval)
    return covered(found, float(np.mean(means)))


@pytest.mark.parametrize(("apart", "classes"), [(0.8, 3), (1.5, 3), (2.5, 3), (1.0, 2), (1.5, 2)])
def test_brier_scores_from_a_tenth_on_are_covered(apart: float, classes: int) -> None:
    assert 0.93 <= _brier(apart, classes) <= 0.97


def test_a_very_small_brier_score_is_not_covered() -> None:
    assert _brier(3.5, 2) < 0.93


@pytest.mark.parametrize(("mean", "deviation"), [(0.45, 0.15), (0.72, 0.08), (0.9, 0.05)])
def test_dice_is_covered(mean: float, deviation: float) -> None:
    count = mean * (1 - mean) / deviation**2 - 1
    shares = beta(mean * count, (1 - mean) * count)
    found = [
        mean_by_group(shares.ppf(norm.cdf(draw)), sittings()).interval for draw in quality(51, 2000, sittings(), 0.5)
    ]
    assert 0.93 <= covered(found, mean) <= 0.97


def test_dice_is_not_covered_where_one_mask_in_thirty_is_missed() -> None:
    rng, found, dices = np.random.default_rng(52), [], beta(20, 3)
    for _ in range(2000):
        values = np.where(rng.random(45) < 1 / 30, 0.0, dices.rvs(45, random_state=rng))
        found.append(mean_by_group(values, sittings()).interval)
    assert covered(found, dices.mean() * 29 / 30) < 0.93


def _scored(apart: float, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draw labels of three classes and probabilities, `apart` in favour of the label; sittings err alike."""
    groups, labels = sittings(), np.arange(45) % 3
    draws = (quality(seed, count, groups, 0.5) for seed in (21, 22, 23))
    for columns in zip(*draws, strict=True):
        yield labels, softmax(np.stack(columns, axis=1) + apart * np.eye(3)[labels], axis=1)


@pytest.mark.parametrize("apart", [0.8, 1.5])
def test_balanced_accuracy_and_mean_auroc_over_folds_are_covered(apart: float) -> None:
    drawn = list(_scored(apart, 1000))
    folds = np.arange(45) // 9
    everyone = np.ones((1, 45))
    metrics = [
        (weighted.balanced_accuracy(labels, shares.argmax(axis=1)), weighted.mean_auroc(labels, shares, folds))
        for labels, shares in drawn
    ]
    for place in (0, 1):
        true = float(np.mean([pair[place](everyone)[0] for pair in metrics]))
        found = [cluster_bootstrap(pair[place], sittings(), resamples=500).interval for pair in metrics]
        assert 0.93 <= covered(found, true) <= 0.97


def _auroc_differences(first: float, second: float, alike: float) -> float:
    """Simulate two methods that see a case alike up to `alike`, and tell the classes by so much."""
    labels, folds, everyone = np.arange(45) % 3, np.arange(45) // 9, np.ones((1, 45))
    metrics = []
    for columns in zip(*(quality(seed, 1000, sittings(), 0.5) for seed in range(31, 37)), strict=True):
        seen, own = np.stack(columns[:3], axis=1), np.stack(columns[3:], axis=1)
        areas = [
            weighted.mean_auroc(labels, softmax(scores + apart * np.eye(3)[labels], axis=1), folds)
            for scores, apart in ((seen, first), (np.sqrt(alike) * seen + np.sqrt(1 - alike) * own, second))
        ]
        metrics.append(lambda weights, areas=areas: areas[0](weights) - areas[1](weights))
    true = float(np.mean([metric(everyone)[0] for metric in metrics]))
    found = [cluster_bootstrap(each, sittings(), method="percentile", resamples=500).interval for each in metrics]
    return covered(found, true)


@pytest.mark.parametrize(("first", "second", "alike"), [(1.5, 0.8, 0.5), (0.8, 0.8, 0.5), (1.5, 1.5, 0.9)])
def test_the_difference_of_two_mean_aurocs_over_folds_is_covered(first: float, second: float, alike: float) -> None:
    assert 0.93 <= _auroc_differences(first, second, alike) <= 0.97


def test_the_difference_of_two_mean_aurocs_is_not_covered_where_both_are_nearly_one() -> None:
    assert _auroc_differences(2.5, 2.5, 0.5) < 0.93


def _net_benefit(apart: float, threshold: float, prevalence: float) -> float:
    """Simulate probabilities whose normal scores lie `apart` for positive and negative cases."""
    groups, positive, cut = sittings(), np.arange(45) % 3 == 0, norm.ppf(threshold)
    sensitivity, false_alarms = norm.sf(cut - apart / 2), norm.sf(cut + apart / 2)
    true = prevalence * sensitivity - (1 - prevalence) * threshold / (1 - threshold) * false_alarms
    found = [
        net_benefit_intervals(
            positive, norm.cdf(draw + apart * (positive - 0.5)), np.array([threshold]), prevalence, groups
        )[0]
        for draw in quality(7, 1000, groups, 0.5)
    ]
    return covered(found, true)


@pytest.mark.parametrize(("threshold", "prevalence"), [(0.1, 0.33), (0.5, 0.33), (0.3, 0.5)])
def test_net_benefit_is_covered_where_the_classes_lie_apart(threshold: float, prevalence: float) -> None:
    assert 0.93 <= _net_benefit(2, threshold, prevalence) <= 0.97


@pytest.mark.parametrize(("apart", "threshold", "prevalence"), [(1, 0.1, 0.33), (1, 0.5, 0.33), (2, 0.1, 0.1)])
def test_the_interval_of_net_benefit_is_careful_elsewhere(apart: float, threshold: float, prevalence: float) -> None:
    assert _net_benefit(apart, threshold, prevalence) >= 0.95


def _bootstrap_accuracy(accuracy: float, method: Method, times: int = 1) -> float:
    groups, found = sittings(times), []
    for seed, draw in enumerate(quality(5, 1000, groups, 0.5)):
        right = draw < norm.ppf(accuracy)
        bootstrap = cluster_bootstrap(
            of_cases(lambda cases, right=right: right[cases].mean()), groups, method=method, resamples=500, seed=seed
        )
        found.append(bootstrap.interval)
    return covered(found, accuracy)


@pytest.mark.parametrize("accuracy", [0.7, 0.8])
def test_the_accelerated_bootstrap_covers_with_28_groups(accuracy: float) -> None:
    assert 0.93 <= _bootstrap_accuracy(accuracy, "bca") <= 0.97


@pytest.mark.parametrize(("accuracy", "times"), [(0.7, 1), (0.8, 1), (0.8, 4)])
def test_the_percentile_bootstrap_covers_an_accuracy_with_28_and_112_groups(accuracy: float, times: int) -> None:
    assert 0.93 <= _bootstrap_accuracy(accuracy, "percentile", times) <= 0.97


def _bootstrap_area(area: float, method: Method) -> float:
    groups, found = sittings(), []
    positive = groups % 3 == 0

    def metric(cases: np.ndarray) -> float | None:
        # `auroc` of these cases, from a table of all comparisons, which is many times faster.
        up, down = cases[positive[cases]], cases[~positive[cases]]
        return wins[up[:, None], down].mean() if up.size and down.size else None

    for seed, draw in enumerate(quality(6, 1000, groups, 0.3)):
        scores = draw + norm.ppf(area) * np.sqrt(2) * positive
        wins = scores[:, None] > scores
        assert metric(np.arange(45)) == pytest.approx(auroc(positive, scores))
        found.append(cluster_bootstrap(of_cases(metric), groups, method=method, resamples=500, seed=seed).interval)
    return covered(found, area)


@pytest.mark.parametrize("area", [0.75, 0.9])
def test_the_accelerated_bootstrap_covers_an_area_with_28_groups(area: float) -> None:
    assert 0.93 <= _bootstrap_area(area, "bca") <= 0.97


@pytest.mark.parametrize("area", [0.6, 0.75])
def test_the_percentile_bootstrap_covers_a_moderate_area_with_28_groups(area: float) -> None:
    assert 0.93 <= _bootstrap_area(area, "percentile") <= 0.97


def test_the_percentile_bootstrap_does_not_cover_a_large_area_with_28_groups() -> None:
    assert _bootstrap_area(0.9, "percentile") < 0.93


def _delong(area: float, folds: np.ndarray) -> float:
    draws = quality(7, 2000, np.arange(45), 0.0)
    shift = norm.ppf(area) * np.sqrt(2) * POSITIVE
    return covered([delong(POSITIVE, draw + shift, folds).interval for draw in draws], area)


@pytest.mark.parametrize("area", [0.6, 0.75, 0.9, 0.95])
def test_delong_covers_with_15_positive_and_30_negative_cases(area: float) -> None:
    assert 0.93 <= _delong(area, ONE_MODEL) <= 0.97


@pytest.mark.parametrize(("area", "folds"), [(0.98, ONE_MODEL), (0.75, FIVE_FOLDS), (0.95, FIVE_FOLDS)])
def test_delong_is_careful_near_one_and_over_folds(area: float, folds: np.ndarray) -> None:
    assert _delong(area, folds) >= 0.93


@pytest.mark.parametrize("kappa", [0.3, 0.6, 0.8, 0.9])
def test_kappa_is_covered(kappa: float) -> None:
    # Both name the same class, or, with the share 1 - kappa, guess.
    shares = kappa * np.eye(3) / 3 + (1 - kappa) / 9
    tables = np.random.default_rng(8).multinomial(45, shares.ravel(), size=2000).reshape(-1, 3, 3)
    assert 0.93 <= covered([cohen_kappa(table).interval for table in tables], kappa) <= 0.97


def _conformal(coverage: float) -> float:
    rng, covered = np.random.default_rng(9), []
    for _ in range(2000):
        probabilities = softmax(rng.normal(0, 2, (145, 3)), axis=1)
        labels = (rng.random((145, 1)) > probabilities.cumsum(axis=1)[:, :-1]).sum(axis=1)
        sets = prediction_sets(probabilities[45:], calibrate(labels[:45], probabilities[:45], coverage))
        covered.append(sets[np.arange(100), labels[45:]].mean())
    return float(np.mean(covered))


@pytest.mark.parametrize(("coverage", "ranks"), [(0.9, 42), (0.95, 44)])
def test_conformal_sets_cover_as_promised_from_45_cases(coverage: float, ranks: int) -> None:
    # Of 46 exchangeable cases the new one is equally likely to have each rank: the promise, rounded up to a rank.
    assert _conformal(coverage) == pytest.approx(ranks / 46, abs=0.005)


def test_an_assured_risk_is_kept_as_often_as_promised() -> None:
    rng, broken, given = np.random.default_rng(10), 0, 0
    for _ in range(2000):
        # The more confident, the more often right: wrong with a chance of (1 - confidence) / 2.
        confidences = 1 - rng.random(300)
        right = rng.random(300) > (1 - confidences) / 2
        selection = assured_threshold(confidences, right, risk=0.1).selection
        if selection is not None:
            given += 1
            broken += (1 - selection.above) / 4 > 0.1
    assert given > 500
    assert broken / 2000 <= 0.05
