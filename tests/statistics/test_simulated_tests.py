"""Do the tests keep quiet as often as they say, with as few cases as we have? The cases are those of `sittings`."""

import numpy as np
import pytest
from scipy.stats import norm

from cvs_med.statistics.calibration import confidence_p
from cvs_med.statistics.cross_validation import corrected_resampled_t
from cvs_med.statistics.paired import mcnemar_exact, sign_flip_test
from cvs_med.statistics.roc import delong_test
from sittings import FIVE_FOLDS, ONE_MODEL, POSITIVE, covered, quality, sittings

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("accuracy", [0.6, 0.8])
def test_mcnemars_test_stays_below_its_level(accuracy: float) -> None:
    bound, draws = norm.ppf(accuracy), (quality(seed, 3000, np.arange(45), 0.0) for seed in (11, 12))
    p_values = [mcnemar_exact(first < bound, second < bound).p for first, second in zip(*draws, strict=True)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05


def test_flipping_whole_groups_keeps_its_level_and_flipping_cases_does_not() -> None:
    groups = sittings()
    draws = list(quality(13, 1500, groups, 0.9))
    grouped, single = (
        np.mean([sign_flip_test(draw, chosen, resamples=499, seed=seed).p <= 0.05 for seed, draw in enumerate(draws)])
        for chosen in (groups, None)
    )
    assert 0.03 <= grouped <= 0.07
    assert single > 0.08


def test_flipping_a_few_groups_through_all_signs_keeps_its_level() -> None:
    groups = np.repeat(np.arange(14), 2)
    found = [sign_flip_test(draw, groups) for draw in quality(14, 1500, groups, 0.5)]
    assert all(test.exact for test in found)
    assert 0.03 <= np.mean([test.p <= 0.05 for test in found]) <= 0.07


def _delong_finds(area: float, folds: np.ndarray) -> float:
    """Give the share of experiments in which two equal, correlated scores are found to differ."""
    shift, found = norm.ppf(area) * np.sqrt(2) * POSITIVE, []
    draws = (quality(seed, 2000, np.arange(45), 0.0) for seed in (15, 16, 17))
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
    assert 0.93 <= covered([test.interval for test in corrected], 0.0) <= 0.97
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
    groups, right = sittings(), np.empty((5, 5))
    features = _features(rng, groups, shift, alike)
    for repeat in range(5):
        folds = (rng.permutation(28) % 5)[groups]
        right[repeat] = [_nearest_mean_right(features, groups % 2, folds == fold) for fold in range(5)]
    return right


def _expected_accuracy(rng: np.random.Generator, shift: float, alike: float) -> float:
    """Train on four fifths of the sittings, as every fold does, and test on a thousand new people; in the mean."""
    groups, found = sittings(), []
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
    assert 0.93 <= covered([test.interval for test in found], expected) <= 0.97


@pytest.mark.parametrize("typical", [30, 9, 4])
@pytest.mark.parametrize("alike", [True, False])
def test_a_method_that_is_as_right_as_it_says_is_seldom_called_bolder_or_humbler(typical: float, alike: bool) -> None:
    rng, groups, p_values = np.random.default_rng(61), sittings(), []
    for seed in range(1000):
        # In the mean 0.98, 0.93 and 0.87, sittings alike or each case for itself.
        confidences = 1 / 3 + 2 / 3 * rng.beta(typical, 1, 45)
        confidences = confidences[groups] if alike else confidences
        chances = rng.random(45)
        right = (chances[groups] if alike else chances) < confidences
        p_values.append(confidence_p(confidences, right, groups, resamples=199, seed=seed))
    assert np.mean(np.array(p_values) <= 0.05) <= 0.065
