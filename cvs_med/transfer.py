"""Deep Metric Transfer: labels are propagated to images without one, and a classifier is trained on all of them.

Liu, Wu, Hu, Lin: "Deep Metric Transfer for Label Propagation with Limited Annotated Data", arXiv 1812.08781. The
encoder as it was loaded decides how they travel. With `network.trainable: all` the whole network is then trained, each
image weighted by the confidence of its label; with `head`, a linear classifier on the embedding.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import one_hot

from cvs_med.embedding import embed
from cvs_med.propagation.metric_transfer import UNKNOWN, Propagated, propagate
from cvs_med.setup import Setup, timed
from cvs_med.types import Floats


def label_all(setup: Setup, train: Sequence[int], labelled: set[str], cache_dir: Path) -> Propagated:
    """Propagate the labels of a few cases to the others of a training part.

    Args:
        setup: its encoder, as loaded, gives the embedding.
        train: the training part, as positions in `setup.cases`, from 0 on.
        labelled: ids of the cases whose label may be used; those of all others are not looked at.
        cache_dir: where embeddings are kept.
    """
    known = [setup.cases[number].id in labelled for number in train]
    with timed(setup.seconds, "propagation"):
        return propagate(
            _embedding(setup, cache_dir)[: len(train)],
            np.where(known, setup.labels[: len(train)], UNKNOWN),
            setup.classes,
            setup.protocol.transfer,
            seed=setup.protocol.splits.seed,
        )


def weighted_shares(found: Propagated, classes: int) -> Tensor:
    """Write labels as shares of classes, (N, P): a row sums to its confidence, which so weighs its cross-entropy."""
    shares = one_hot(torch.from_numpy(found.labels), classes) * torch.from_numpy(found.confidence)[:, None]
    return shares.float()


def classify_embedding(setup: Setup, found: Propagated, test: Sequence[int], cache_dir: Path) -> Floats:
    """Fit logistic regression to the embedding of the training part, weighted, and answer for others: (test, P).

    The penalty is the probe's.
    """
    embedding = _embedding(setup, cache_dir)
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=setup.protocol.probe.inverse_penalty, max_iter=5000)
    )
    model.fit(embedding[: len(found.labels)], found.labels, logisticregression__sample_weight=found.confidence)
    shares = np.zeros((len(test), setup.classes))
    shares[:, model.classes_] = model.predict_proba(embedding[list(test)])
    return shares


def _embedding(setup: Setup, cache_dir: Path) -> Floats:
    """Embed all cases, in the order of `setup.cases`: (N, C)."""
    found: Floats = embed(
        setup.network,
        setup.photographs,
        setup.protocol.transfer.level,
        identity=setup.encoder,
        precision=setup.precision,
        folder=cache_dir,
        step=setup.observer.counted,
    ).double().numpy()
    return found
