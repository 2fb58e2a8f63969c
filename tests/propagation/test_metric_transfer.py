"""Labels that travel: to clear clusters they travel right, and their confidence says where they did not."""

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.datasets import make_moons
from sklearn.preprocessing import StandardScaler

from cvs_med.propagation.metric_transfer import UNKNOWN, confidence, propagate, spectral, standardised, votes
from cvs_med.protocol_sections import Transfer

PROPAGATIONS = [Transfer(propagation="knn"), Transfer(propagation="spectral", graph=8, eigenvectors=10)]


def clusters(noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Put forty images of each of three classes around a place of its own in eight dimensions."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 40)
    return rng.standard_normal((3, 8))[truth] + 5 + noise * rng.standard_normal((120, 8)), truth


def hide(truth: np.ndarray, kept: int) -> np.ndarray:
    """Keep the labels of the first images of each class alone."""
    labels = np.full(len(truth), UNKNOWN)
    for label in set(truth):
        places = np.flatnonzero(truth == label)[:kept]
        labels[places] = label
    return labels


@pytest.mark.parametrize("settings", PROPAGATIONS, ids=lambda each: each.propagation)
def test_labels_reach_every_image_of_clear_clusters(settings: Transfer) -> None:
    embedding, truth = clusters()
    found = propagate(embedding, hide(truth, 1), 3, settings, seed=0)
    np.testing.assert_array_equal(found.labels, truth)
    assert found.confidence.mean() > 0.5


@pytest.mark.parametrize("settings", PROPAGATIONS, ids=lambda each: each.propagation)
def test_known_labels_stay_and_count_whole(settings: Transfer) -> None:
    embedding, truth = clusters()
    labels = hide(truth, 2)
    labels[0] = 2  # Wrong, but known.
    found = propagate(embedding, labels, 3, settings, seed=0)
    known = labels != UNKNOWN
    np.testing.assert_array_equal(found.labels[known], labels[known])
    assert (found.confidence[known] == 1).all()
    assert (found.confidence[~known] < 1).all()


@pytest.mark.parametrize("settings", PROPAGATIONS, ids=lambda each: each.propagation)
def test_confidence_tells_where_labels_are_wrong(settings: Transfer) -> None:
    embedding, truth = clusters(noise=1.6)
    labels = hide(truth, 5)
    found = propagate(embedding, labels, 3, settings, seed=0)
    right = (found.labels == truth)[labels == UNKNOWN]
    sure = found.confidence[labels == UNKNOWN]
    assert 0.5 < right.mean() < 1
    assert sure[right].mean() > sure[~right].mean() + 0.02


@pytest.mark.parametrize("settings", PROPAGATIONS, ids=lambda each: each.propagation)
def test_the_same_again_gives_the_same_and_the_order_does_not_matter(settings: Transfer) -> None:
    embedding, truth = clusters()
    labels = hide(truth, 2)
    first, again = (propagate(embedding, labels, 3, settings, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.confidence, again.confidence)
    order = np.random.default_rng(1).permutation(len(truth))
    turned = propagate(embedding[order], labels[order], 3, settings, seed=4)
    np.testing.assert_array_equal(turned.labels, first.labels[order])
    np.testing.assert_allclose(turned.confidence, first.confidence[order], atol=0.02)


def test_nothing_is_propagated_where_all_is_known() -> None:
    embedding, truth = clusters()
    found = propagate(embedding, truth, 3, Transfer(), seed=0)
    np.testing.assert_array_equal(found.labels, truth)
    assert (found.confidence == 1).all()


def test_votes_are_weighted_by_the_cosine() -> None:
    rng = np.random.default_rng(0)
    place, labels = rng.standard_normal((30, 4)), np.where(np.arange(30) < 12, np.arange(30) % 3, UNKNOWN)
    unit = place / np.linalg.norm(place, axis=1, keepdims=True)
    voices = np.exp(unit[12:] @ unit[:12].T / 0.5)
    expected = np.stack([voices[:, label::3].sum(axis=1) for label in range(3)], axis=1)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(votes(place, labels, 3, neighbours=99, temperature=0.5), expected)


def test_a_low_temperature_leaves_the_nearest_voice() -> None:
    embedding, truth = clusters()
    labels = hide(truth, 2)
    shares = votes(embedding, labels, 3, neighbours=4, temperature=1e-9)
    nearest = votes(embedding, labels, 3, neighbours=1, temperature=1)
    np.testing.assert_allclose(shares, nearest, atol=1e-6)


def test_a_class_without_a_label_gets_no_votes() -> None:
    embedding, truth = clusters()
    labels = hide(truth, 3)
    labels[labels == 1] = UNKNOWN
    shares = votes(embedding, labels, 3, neighbours=5, temperature=0.1)
    assert (shares[:, 1] == 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_spectral_coordinates_follow_a_chain_that_the_cosine_cuts() -> None:
    points, truth = make_moons(200, noise=0.03, random_state=0)
    # Where two points lie is told by a bell around each, as an embedding would tell it.
    apart = np.square(points[:, None] - points[None]).sum(axis=2)
    embedding = np.exp(-apart / 0.1)
    labels = hide(truth, 3)
    by_cosine = votes(embedding, labels, 2, neighbours=99, temperature=0.1).argmax(axis=1)
    place = spectral(embedding, neighbours=6, components=5, seed=0)
    by_graph = votes(place, labels, 2, neighbours=99, temperature=0.1).argmax(axis=1)
    hidden = truth[labels == UNKNOWN]
    assert (by_graph == hidden).mean() > 0.97
    assert (by_graph == hidden).mean() > (by_cosine == hidden).mean() + 0.03


def test_confidence_is_one_minus_the_share_of_entropy() -> None:
    shares = np.array([[1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3], [0.7, 0.2, 0.1]])
    np.testing.assert_allclose(confidence(shares), 1 - entropy(shares, axis=1) / np.log(3), atol=1e-9)


def test_standardising_is_scikit_learn_s() -> None:
    embedding = np.random.default_rng(0).random((20, 5))
    np.testing.assert_allclose(standardised(embedding), StandardScaler().fit_transform(embedding), atol=1e-4)
