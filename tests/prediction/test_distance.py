import numpy as np
from sklearn.covariance import LedoitWolf

from cvs_med.prediction import distance


def test_the_distance_is_mahalanobis_with_the_shrunk_covariance() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20, 50)) @ rng.normal(size=(50, 50))
    new = rng.normal(size=(5, 50)) * 10
    cloud = distance.fit(features)
    model = LedoitWolf(assume_centered=True).fit((features - cloud.centre) / cloud.scale)
    expected = np.sqrt(model.mahalanobis((new - cloud.centre) / cloud.scale) / 50)
    np.testing.assert_allclose(cloud.distance(new), expected, rtol=1e-6)


def test_a_direction_that_training_never_took_counts() -> None:
    features = np.random.default_rng(1).normal(size=(30, 4)) * [1, 1, 1, 1e-3]
    cloud = distance.fit(features)
    inside, beside = cloud.distance(np.array([[0, 0, 0, 0], [0, 0, 0, 5.0]]))
    assert beside > 5 * inside
