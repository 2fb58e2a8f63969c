"""What anyone would try first, on the same folds: every result stands beside these."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cvs_med.cache import Photographs
from cvs_med.features import Features
from cvs_med.protocol_sections import Probe
from cvs_med.types import Floats, Integers


def majority(labels: Integers, known: Sequence[int], test: Sequence[int], classes: int) -> Floats:
    """Give every test case the class frequencies of some cases: (test, P).

    As a baseline, those of all cases: the best that a constant answer reaches. The most frequent class of a training
    part is, in balanced data, the rarest of its test part, so that it would be right less often than a coin.
    """
    shares = np.bincount(labels[known], minlength=classes) / len(known)
    return np.tile(shares, (len(test), 1))


def mask_area(
    photographs: Photographs, labels: Integers, train: Sequence[int], test: Sequence[int], classes: int
) -> Floats:
    """Guess from one number, the share of the field of view that the reference mask covers: (test, P).

    One normal distribution a class, which with one number is the quadratic discriminant. It reads the reference masks
    of the test cases, which no user has: it shows what the masks alone give away.
    """
    seen = photographs.field_of_view.double().sum(dim=(1, 2))
    areas = (photographs.foreground.double().sum(dim=(1, 2)) / seen).numpy()[:, None]
    if np.ptp(areas[train]) == 0:  # Masks of one size tell nothing, and have no normal distribution.
        return majority(labels, train, test, classes)
    model = GaussianNB().fit(areas[train], labels[train])
    return _spread(model.predict_proba(areas[test]), model.classes_, classes)


def probe(
    features: Features, settings: Probe, labels: Integers, train: Sequence[int], test: Sequence[int], classes: int
) -> Floats:
    """Logistic regression on the frozen encoder's features, pooled over the field of view: (test, P).

    Mean and standard deviation of one level; all views are training samples, and a prediction averages over them.
    """
    level = settings.level
    values = np.concatenate([features.means[level].numpy(), features.deviations[level].numpy()], axis=-1)
    views = len(values)
    if len(set(labels[train])) == 1:  # Random folds of very few cases can leave a single class to learn from.
        return majority(labels, train, test, classes)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=settings.inverse_penalty, max_iter=5000))
    model.fit(values[:, train].reshape(views * len(train), -1), np.tile(labels[train], views))
    shares = np.mean([model.predict_proba(values[view, test]) for view in range(views)], axis=0)
    return _spread(shares, model.classes_, classes)


def _spread(shares: Floats, known: Integers, classes: int) -> Floats:
    """Give classes that the training part did not have a probability of zero."""
    spread = np.zeros((len(shares), classes))
    spread[:, known] = shares
    normalised: Floats = spread / spread.sum(axis=1, keepdims=True)
    return normalised
