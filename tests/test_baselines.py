"""What anyone would try first: the baselines, against scikit-learn and against arithmetic."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from cvs_med.augmentation import View
from cvs_med.baselines import majority, mask_area, probe
from cvs_med.cache import Photographs
from cvs_med.features import Features
from cvs_med.geometry import Geometry
from cvs_med.protocol_sections import Probe

LABELS = np.array([0, 1, 2] * 6)
TRAIN, TEST = list(range(3, 18)), [0, 1, 2]


def some_photographs(covered: np.ndarray, seen: int = 16) -> Photographs:
    """Squares of 16 pixels, of which so many rows are seen and so many columns of those covered."""
    count = len(covered)
    view, mask = (torch.zeros(count, 16, 16, dtype=torch.uint8) for _ in range(2))
    view[:, :seen] = 255
    for number, columns in enumerate(covered):
        mask[number, :seen, : int(columns)] = 255
    geometry = Geometry(16, 16, 0, 0, 16, 16, 16)
    names = tuple(str(number) for number in range(count))
    return Photographs(torch.zeros(count, 3, 16, 16, dtype=torch.uint8), mask, view, (True,) * count,
                       (geometry,) * count, names, "")  # fmt: skip


def some_features(seed: int = 0, views: int = 2, strength: float = 1.0) -> Features:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(3, 8, generator=generator)
    means = strength * centres[torch.from_numpy(LABELS)] + torch.randn(views, len(LABELS), 8, generator=generator)
    deviations = torch.rand(views, len(LABELS), 8, generator=generator)
    return Features(Path(), (View(),) * views, {3: means}, {3: deviations})


def test_majority_gives_the_shares_of_the_training_part() -> None:
    labels = np.array([0, 0, 0, 1, 2, 1])
    assert majority(labels, [0, 1, 2, 3], [4, 5], 3).tolist() == [[0.75, 0.25, 0.0]] * 2


def test_mask_area_is_the_quadratic_discriminant_of_one_number() -> None:
    areas = (np.random.default_rng(0).integers(1, 6, len(LABELS)) + 4 * LABELS) / 16
    densities = []
    for label in range(3):
        known = areas[TRAIN][LABELS[TRAIN] == label]
        densities.append(norm.pdf(areas[TEST], known.mean(), known.std()) * len(known) / len(TRAIN))
    expected = np.stack(densities, axis=1) / np.sum(densities, axis=0)[:, None]
    found = mask_area(some_photographs(16 * areas), LABELS, TRAIN, TEST, 3)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.argmax(axis=1).tolist() == [0, 1, 2]


def test_mask_area_is_a_share_of_what_is_seen() -> None:
    covered = np.random.default_rng(1).integers(1, 6, len(LABELS)) + 4 * LABELS
    whole, half = (mask_area(some_photographs(covered, seen), LABELS, TRAIN, TEST, 3) for seen in (16, 8))
    np.testing.assert_allclose(whole, half)


def test_mask_area_of_equal_masks_is_a_guess() -> None:
    found = mask_area(some_photographs(np.full(len(LABELS), 5)), LABELS, TRAIN, TEST, 3)
    np.testing.assert_allclose(found, 1 / 3)


def test_the_probe_is_logistic_regression_on_standardised_features() -> None:
    features = some_features(views=1)
    values = np.concatenate([features.means[3][0].numpy(), features.deviations[3][0].numpy()], axis=1)
    values = (values - values[TRAIN].mean(axis=0)) / values[TRAIN].std(axis=0)
    reference = LogisticRegression(C=0.5, max_iter=5000).fit(values[TRAIN], LABELS[TRAIN])
    found = probe(features, Probe(inverse_penalty=0.5), LABELS, TRAIN, TEST, 3)
    np.testing.assert_allclose(found, reference.predict_proba(values[TEST]), atol=1e-3)


def test_the_probe_finds_what_is_there_and_averages_over_the_views() -> None:
    found = probe(some_features(views=4, strength=3), Probe(), LABELS, TRAIN, TEST, 3)
    assert found.argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_the_probe_does_not_look_at_the_test_part() -> None:
    features = some_features()
    changed = features.means[3].clone()
    changed[:, TEST[0]] += 100
    other = Features(Path(), features.views, {3: changed}, features.deviations)
    first, second = (probe(given, Probe(), LABELS, TRAIN, TEST, 3) for given in (features, other))
    assert not np.allclose(first[0], second[0])
    np.testing.assert_array_equal(first[1:], second[1:])


@pytest.mark.parametrize("baseline", ["majority", "mask_area", "probe"])
def test_a_class_that_is_not_in_the_training_part_has_no_chance(baseline: str) -> None:
    train = [case for case in TRAIN if LABELS[case] != 1]
    covered = np.arange(len(LABELS)) % 7 + 1
    found = {
        "majority": lambda: majority(LABELS, train, TEST, 3),
        "mask_area": lambda: mask_area(some_photographs(covered), LABELS, train, TEST, 3),
        "probe": lambda: probe(some_features(), Probe(), LABELS, train, TEST, 3),
    }[baseline]()
    assert (found[:, 1] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("baseline", ["mask_area", "probe"])
def test_a_single_class_in_the_training_part_is_the_answer(baseline: str) -> None:
    train = [case for case in TRAIN if LABELS[case] == 2]
    covered = np.arange(len(LABELS)) % 7 + 1
    found = {
        "mask_area": lambda: mask_area(some_photographs(covered), LABELS, train, TEST, 3),
        "probe": lambda: probe(some_features(), Probe(), LABELS, train, TEST, 3),
    }[baseline]()
    np.testing.assert_allclose(found, [[0, 0, 1]] * 3)
