"""How far a photograph's features lie from those of the training photographs.

Mahalanobis distance with the covariance that Ledoit and Wolf shrink towards a multiple of the identity (A
well-conditioned estimator for large-dimensional covariance matrices, Journal of Multivariate Analysis 88, 2004): a few
dozen photographs and thousands of features have no other. It is kept as the training photographs' principal axes, since
in every direction that they do not span the shrunk covariance is the same.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage

from cvs_med.types import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """The training photographs' features; D features, R axes.

    Attributes:
        centre: (D,), their mean.
        scale: (D,), what stands for one.
        axes: (R, D), orthonormal.
        variances: (R,), shrunk variance along each axis.
        rest: shrunk variance in every other direction; one number, kept as (1,).
    """

    centre: Floats
    scale: Floats
    axes: Floats
    variances: Floats
    rest: Floats

    def distance(self, features: Floats) -> Floats:
        """Measure features (N, D): (N,), near one for photographs like the training ones."""
        values = (features - self.centre) / self.scale
        along = values @ self.axes.T
        beside = (np.square(values).sum(axis=1) - np.square(along).sum(axis=1)).clip(min=0)
        squared = (np.square(along) / self.variances).sum(axis=1) + beside / self.rest
        distances: Floats = np.sqrt(squared / features.shape[1])
        return distances


def fit(features: Floats) -> Cloud:
    """Fit a cloud to features (N, D) of at least two photographs."""
    centre, deviations = features.mean(axis=0), features.std(axis=0)
    # A channel that is nearly silent in training would otherwise decide alone.
    scale = deviations + 0.1 * np.median(deviations) + 1e-6
    values = (features - centre) / scale
    shrinkage = float(ledoit_wolf_shrinkage(values, assume_centered=True))
    _, lengths, axes = np.linalg.svd(values, full_matrices=False)
    kept = lengths > 1e-9 * max(lengths.max(initial=0), 1)
    variances = np.square(lengths[kept]) / len(values)
    even = max(float(variances.sum()) / features.shape[1], 1e-9)
    share = max(shrinkage, 1e-3)
    return Cloud(centre, scale, axes[kept], (1 - share) * variances + share * even, np.array([share * even]))
