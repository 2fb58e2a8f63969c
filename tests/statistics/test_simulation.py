"""Do the intervals cover, and do the tests keep quiet, as often as they say, with as few cases as we have?

Cases are drawn in the shape of HRF unless said otherwise: 45 photographs of 28 sittings, 17 of them with two.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm

from cvs_med.statistics import weighted
from cvs_med.statistics.agreement import cohen_kappa
from cvs_med.statistics.bootstrap import Method, cluster_bootstrap, of_cases
from cvs_med.statistics.clusters import mean_by_group, wilson_by_group
from cvs_med.statistics.conformal import calibrate, prediction_sets
from cvs_med.statistics.cross_validation import corrected_resampled_t
from cvs_med.statistics.decision import net_benefit_intervals
from cvs_med.statistics.intervals import Interval, clopper_pearson, wilson
from cvs_med.statistics.paired import mcnemar_exact, sign_flip_test
from cvs_med.statistics.roc import auroc, delong, delong_test
from cvs_med.statistics.selective import assured_threshold

pytestmark = pytest.mark.slow

ONE_MODEL, FIVE_FOLDS = np.zeros(45, dtype=np.int64), np.arange(45) // 9
# A third of every fold.
POSITIVE = np.arange(45) % 9 < 3


def _sittings(times: int = 1) -> np.ndarray:
    return np.repeat(np.arange(28 * times), np.r_[np.full(17 * times, 2), np.ones(11 * times, dtype=np.int64)])


def _quality(seed: int, count: int, groups: np.ndarray, alike: float) -> Iterator[np.ndarray]:
    """Draw standard normal numbers whose correlation inside a group is `alike`, again and again."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        shared, own = rng.normal(size=groups.max() + 1)[groups], rng.normal(size=groups.size)
        yield np.sqrt(alike) * shared + np.sqrt(1 - alike) * own


def _covered(intervals: list[Interval | None], true: float) -> float:
    """Give the share of intervals that hold the truth; a missing one does not."""
    return float(np.mean([interval is not None and interval.low <= true <= interval.high for interval in intervals]))


def _counted(interval: Callable[[int, int], Interval], share: float, n: int) -> float:
    counts = np.random.default_rng(19).binomial(n, share, size=5000)
    return _covered([interval(int(count), n) for count in counts], share)


@pytest.mark.parametrize("n", [45, 90])
@pytest.mark.parametrize("share", [0.6, 0.7, 0.8, 0.9])
def test_wilson_covers_and_clopper_pearson_is_never_short(share: float, n: int) -> None:
    assert 0.93 <= _counted(wilson, share, n) <= 0.97
    # The counts are drawn: a coverage of just 95 % may come out a little below it.
    assert _counted(clopper_pearson, share, n) >= 0.95 - 0.006


def _wilson_by_group(accuracy: float, alike: float) -> float:
    draws = _quality(1, 2000, _sittings(), alike)
    return _covered([wilson_by_group(draw < norm.ppf(accuracy), _sittings()) for draw in draws], accuracy)


@pytest.mark.parametrize("accuracy", [0.6, 0.7, 0.8])
def test_wilson_by_group_covers(accuracy: float) -> None:
    assert 0.93 <= _wilson_by_group(accuracy, alike=0.5) <= 0.97


@pytest.mark.parametrize("accuracy", [0.6, 0.8, 0.95])
def test_wilson_by_group_is_careful_where_groups_mean_nothing_and_near_one(accuracy: float) -> None:
    assert _wilson_by_group(accuracy, alike=0.0) >= 0.95


def test_plain_wilson_falls_short_where_cases_of_a_group_are_alike() -> None:
    draws = _quality(1, 2000, _sittings(), 0.9)
    found = [wilson(int((draw < norm.ppf(0.7)).sum()), 45) for draw in draws]
    assert _covered(found, 0.7) < 0.93


@pytest.mark.parametrize(("first", "second", "common"), [(0.8, 0.8, 0.5), (0.8, 0.7, 0.5), (0.8, 0.8, 0.9)])
def test_the_difference_of_two_accuracies_is_covered(first: float, second: float, common: float) -> None:
    groups, found = _sittings(), []
    draws = (_quality(seed, 2000, groups, 0.3) for seed in (2, 3, 4))
    for hard, own, other in zip(*draws, strict=True):
        right = [
            np.sqrt(common) * hard + np.sqrt(1 - common) * noise < norm.ppf(accuracy)
            for noise, accuracy in ((own, first), (other, second))
        ]
        found.append(mean_by_group(right[0].astype(float) - right[1], groups).interval)
    assert 0.93 <= _covered(found, first - second) <= 0.97


def _scored(apart: float, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draw labels of three classes and probabilities, `apart` in favour of the label; sittings err alike."""
    groups, labels = _sittings(), np.arange(45) % 3
    draws = (_quality(seed, count, groups, 0.5) for seed in (21, 22, 23))
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
        found = [cluster_bootstrap(pair[place], _sittings(), resamples=500).interval for pair in metrics]
        assert 0.93 <= _covered(found, true) <= 0.97


def _net_benefit(apart: float, threshold: float, prevalence: float) -> float:
    """Simulate probabilities whose normal scores lie `apart` for positive and negative cases."""
    groups, positive, cut = _sittings(), np.arange(45) % 3 == 0, norm.ppf(threshold)
    sensitivity, false_alarms = norm.sf(cut - apart / 2), norm.sf(cut + apart / 2)
    true = prevalence * sensitivity - (1 - prevalence) * threshold / (1 - threshold) * false_alarms
    found = [
        net_benefit_intervals(
            positive, norm.cdf(draw + apart * (positive - 0.5)), np.array([threshold]), prevalence, groups
        )[0]
        for draw in _quality(7, 1000, groups, 0.5)
    ]
    return _covered(found, true)


@pytest.mark.parametrize(("threshold", "prevalence"), [(0.1, 0.33), (0.5, 0.33), (0.3, 0.5)])
def test_net_benefit_is_covered_where_the_classes_lie_apart(threshold: float, prevalence: float) -> None:
    assert 0.93 <= _net_benefit(2, threshold, prevalence) <= 0.97


@pytest.mark.parametrize(("apart", "threshold", "prevalence"), [(1, 0.1, 0.33), (1, 0.5, 0.33), (2, 0.1, 0.1)])
def test_the_interval_of_net_benefit_is_careful_elsewhere(apart: float, threshold: float, prevalence: float) -> None:
    assert _net_benefit(apart, threshold, prevalence) >= 0.95


def _bootstrap_accuracy(accuracy: float, method: Method, times: int = 1) -> float:
    groups, found = _sittings(times), []
    for seed, draw in enumerate(_quality(5, 1000, groups, 0.5)):
        right = draw < norm.ppf(accuracy)
        bootstrap = cluster_bootstrap(
            of_cases(lambda cases, right=right: right[cases].mean()), groups, method=method, resamples=500, seed=seed
        )
        found.append(bootstrap.interval)
    return _covered(found, accuracy)


@pytest.mark.parametrize("accuracy", [0.7, 0.8])
def test_the_accelerated_bootstrap_covers_with_28_groups(accuracy: float) -> None:
    assert 0.93 <= _bootstrap_accuracy(accuracy, "bca") <= 0.97


@pytest.mark.parametrize(("accuracy", "times"), [(0.7, 1), (0.8, 1), (0.8, 4)])
def test_the_percentile_bootstrap_covers_an_accuracy_with_28_and_112_groups(accuracy: float, times: int) -> None:
    assert 0.93 <= _bootstrap_accuracy(accuracy, "percentile", times) <= 0.97


def _bootstrap_area(area: float, method: Method) -> float:
    groups, found = _sittings(), []
    positive = groups % 3 == 0

    def metric(cases: np.ndarray) -> float | None:
        # `auroc` of these cases, from a table of all comparisons, which is many times faster.
        up, down = cases[positive[cases]], cases[~positive[cases]]
        return wins[up[:, None], down].mean() if up.size and down.size else None

    for seed, draw in enumerate(_quality(6, 1000, groups, 0.3)):
        scores = draw + norm.ppf(area) * np.sqrt(2) * positive
        wins = scores[:, None] > scores
        assert metric(np.arange(45)) == pytest.approx(auroc(positive, scores))
        found.append(cluster_bootstrap(of_cases(metric), groups, method=method, resamples=500, seed=seed).interval)
    return _covered(found, area)


@pytest.mark.parametrize("area", [0.75, 0.9])
def test_the_accelerated_bootstrap_covers_an_area_with_28_groups(area: float) -> None:
    assert 0.93 <= _bootstrap_area(area, "bca") <= 0.97


@pytest.mark.parametrize("area", [0.6, 0.75])
def test_the_percentile_bootstrap_covers_a_moderate_area_with_28_groups(area: float) -> None:
    assert 0.93 <= _bootstrap_area(area, "percentile") <= 0.97


def test_the_percentile_bootstrap_does_not_cover_a_large_area_with_28_groups() -> None:
    assert _bootstrap_area(0.9, "percentile") < 0.93


def _delong(area: float, folds: np.ndarray) -> float:
    draws = _quality(7, 2000, np.arange(45), 0.0)
    shift = norm.ppf(area) * np.sqrt(2) * POSITIVE
    return _covered([delong(POSITIVE, draw + shift, folds).interval for draw in draws], area)


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
    assert 0.93 <= _covered([cohen_kappa(table).interval for table in tables], kappa) <= 0.97


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


@pytest.mark.parametrize("accuracy", [0.6, 0.8])
def test_mcnemars_test_stays_below_its_level(accuracy: float) -> None:
    bound, draws = norm.ppf(accuracy), (_quality(seed, 3000, np.arange(45), 0.0) for seed in (11, 12))
    p_values = [mcnemar_exact(first < bound, second < bound).p for first, second in zip(*draws, strict=True)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05


def test_flipping_whole_groups_keeps_its_level_and_flipping_cases_does_not() -> None:
    groups = _sittings()
    draws = list(_quality(13, 1500, groups, 0.9))
    grouped, single = (
        np.mean([sign_flip_test(draw, chosen, resamples=499, seed=seed).p <= 0.05 for seed, draw in enumerate(draws)])
        for chosen in (groups, None)
    )
    assert 0.03 <= grouped <= 0.07
    assert single > 0.08


def test_flipping_a_few_groups_through_all_signs_keeps_its_level() -> None:
    groups = np.repeat(np.arange(14), 2)
    found = [sign_flip_test(draw, groups) for draw in _quality(14, 1500, groups, 0.5)]
    assert all(test.exact for test in found)
    assert 0.03 <= np.mean([test.p <= 0.05 for test in found]) <= 0.07


def _delong_finds(area: float, folds: np.ndarray) -> float:
    """Give the share of experiments in which two equal, correlated scores are found to differ."""
    shift, found = norm.ppf(area) * np.sqrt(2) * POSITIVE, []
    draws = (_quality(seed, 2000, np.arange(45), 0.0) for seed in (15, 16, 17))
    for common, own, other in zip(*draws, strict=True):
        pair = [(common + noise) / np.sqrt(2) + shift for noise in (own, other)]
        p = delong_test(POSITIVE, *pair, folds).p
        found.append(p is not None and p <= 0.05)
    return float(np.mean(found))


@pytest.mark.parametrize(("area", "folds"), [(0.7, ONE_MODEL), (0.85, ONE_MODEL), (0.7, FIVE_FOLDS)])
def test_delongs_test_keeps_its_level(area: float, folds: np.ndarray) -> None:
    assert 0.03 <= _delong_finds(area, folds) <= 0.07


def test_delongs_test_is_careful_near_one() -> None:
    assert _delong_finds(0.95, ONE_MODEL) <= 0.05


def _nearest_mean_right(features: np.ndarray, labels: np.ndarray, test: np.ndarray) -> float:
    """Train a nearest-mean classifier of two classes outside `test`, and give its accuracy inside."""
    means = [features[~test & (labels == c)].mean(axis=0) for c in (0, 1)]
    far = [((features[test] - mean) ** 2).sum(axis=1) for mean in means]
    return float(np.mean((far[1] < far[0]) == labels[test]))


def _repeated_differences(rng: np.random.Generator) -> np.ndarray:
    """Cross-validate the same learner on two sets of features, each as good as the other; ten times five folds."""
    labels = np.arange(45) % 2
    views = rng.normal(size=(2, 45, 5))
    views[:, :, 0] += 1.5 * labels
    differences = np.empty((10, 5))
    for repeat in range(10):
        folds = rng.permutation(45) % 5
        for fold in range(5):
            first, second = (_nearest_mean_right(view, labels, folds == fold) for view in views)
            differences[repeat, fold] = first - second
    return differences


def test_the_corrected_t_test_keeps_its_level_and_the_plain_one_does_not() -> None:
    rng = np.random.default_rng(18)
    experiments = [_repeated_differences(rng) for _ in range(1000)]
    corrected = [corrected_resampled_t(differences, ratio=9 / 36) for differences in experiments]
    assert 0.03 <= np.mean([test.p is not None and test.p <= 0.05 for test in corrected]) <= 0.07
    assert 0.93 <= _covered([test.interval for test in corrected], 0.0) <= 0.97
    # As many training cases as you like leave no correction.
    plain = [corrected_resampled_t(differences, ratio=0).p for differences in experiments]
    assert np.mean([p is not None and p <= 0.05 for p in plain]) > 0.4


def _features(rng: np.random.Generator, groups: np.ndarray, shift: float, alike: float) -> np.ndarray:
    """Draw five features; those of a group resemble each other, and the first tells the class, groups' turn by turn."""
    shared, own = rng.normal(size=(groups.max() + 1, 5))[groups], rng.normal(size=(groups.size, 5))
    features = np.sqrt(alike) * shared + np.sqrt(1 - alike) * own
    features[:, 0] += shift * (groups % 2)
    return features


def _repeated_accuracies(rng: np.random.Generator, shift: float, alike: float) -> np.ndarray:
    """Cross-validate a nearest-mean classifier on 45 cases of 28 sittings; five times five folds, by sittings."""
    groups, right = _sittings(), np.empty((5, 5))
    features = _features(rng, groups, shift, alike)
    for repeat in range(5):
        folds = (rng.permutation(28) % 5)[groups]
        right[repeat] = [_nearest_mean_right(features, groups % 2, folds == fold) for fold in range(5)]
    return right


def _expected_accuracy(rng: np.random.Generator, shift: float, alike: float) -> float:
    """Train on four fifths of the sittings, as every fold does, and test on a thousand new people; in the mean."""
    groups, found = _sittings(), []
    for _ in range(1500):
        kept = rng.permutation(28)[groups] % 5 > 0
        features = np.concatenate(
            [_features(rng, groups, shift, alike)[kept], _features(rng, np.arange(1000), shift, 0.0)]
        )
        labels = np.concatenate([groups[kept], np.arange(1000)]) % 2
        found.append(_nearest_mean_right(features, labels, np.arange(labels.size) >= kept.sum()))
    return float(np.mean(found))


@pytest.mark.parametrize(("shift", "alike"), [(1.0, 0.0), (1.5, 0.0), (2.0, 0.0), (1.5, 0.5), (1.5, 0.8)])
def test_the_corrected_t_interval_covers_an_accuracy_over_five_times_five_grouped_folds(
    shift: float, alike: float
) -> None:
    rng = np.random.default_rng(20)
    expected = _expected_accuracy(rng, shift, alike)
    found = [corrected_resampled_t(_repeated_accuracies(rng, shift, alike), ratio=9 / 36) for _ in range(1000)]
    assert 0.93 <= _covered([test.interval for test in found], expected) <= 0.97
