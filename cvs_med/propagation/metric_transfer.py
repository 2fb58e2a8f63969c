"""Labels that travel from a few images to many, along a metric that was learnt elsewhere: pure functions on vectors.

Liu, Wu, Hu, Lin: "Deep Metric Transfer for Label Propagation with Limited Annotated Data", arXiv 1812.08781. The metric
is the cosine of two embeddings. An image without a label asks its nearest labelled images, each with a voice of
exp(cosine / temperature). Spectral propagation asks the same in other coordinates: the eigenvectors of the normalised
Laplacian of the graph of neighbours, in which images are near if many short paths join them. How far the votes agree,
by their entropy, is the confidence of a label.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph

from cvs_med.protocol_sections import Transfer
from cvs_med.types import Floats, Integers

UNKNOWN: Final = -1
"""Stands for the label of an image that has none."""

_SPREAD: Final = 0.2
"""Cosine distance at which an edge of the graph weighs 1/e of one between equal images; as the authors have it."""

_ALPHA: Final = 0.99
"""Share of a label that is passed on at each step of a walk on the graph; as in Zhou et al., "Learning with local and
global consistency", NIPS 2003, whose kernel weighs the eigenvectors here."""


@dataclass(frozen=True, slots=True, eq=False)
class Propagated:
    """A label for every image.

    Attributes:
        labels: (N,), 0 to P - 1; a label that was known stays as it is.
        confidence: (N,), one where the label was known or all votes agree, zero where every class has as many.
    """

    labels: Integers
    confidence: Floats


def propagate(embedding: Floats, labels: Integers, classes: int, settings: Transfer, *, seed: int) -> Propagated:
    """Give every image without a label the class that its labelled neighbours vote for.

    Args:
        embedding: (N, C), one vector an image.
        labels: (N,), 0 to P - 1, or `UNKNOWN`; at least one is known.
        classes: P, two or more.
        settings: which propagation, and how many neighbours vote.
        seed: of the search for eigenvectors.
    """
    known = labels != UNKNOWN
    found = Propagated(labels.copy(), np.ones(len(labels)))
    if known.all():
        return found
    place = standardised(embedding)
    if settings.propagation == "spectral":
        place = spectral(place, neighbours=settings.graph, components=settings.eigenvectors, seed=seed)
    shares = votes(place, labels, classes, neighbours=settings.neighbours, temperature=settings.temperature)
    found.labels[~known] = shares.argmax(axis=1)
    found.confidence[~known] = confidence(shares)
    return found


def votes(place: Floats, labels: Integers, classes: int, *, neighbours: int, temperature: float) -> Floats:
    """Let the nearest labelled images vote for every image without a label.

    Args:
        place: (N, C), where each image lies; the cosine says how near two are.
        labels: (N,), 0 to P - 1, or `UNKNOWN`.
        classes: P.
        neighbours: labelled images that vote, at most all.
        temperature: cosine by which a voice grows e-fold.

    Returns:
        (unlabelled, P), the share of each class in the votes.
    """
    known = labels != UNKNOWN
    model = KNeighborsClassifier(
        min(neighbours, int(known.sum())),
        # Held against the nearest, so that the voices of far neighbours vanish and never all of them.
        weights=lambda distances: np.exp((distances.min(axis=1, keepdims=True) - distances) / temperature),
        metric="cosine",
        algorithm="brute",
    ).fit(place[known], labels[known])
    shares = np.zeros((int((~known).sum()), classes))
    shares[:, model.classes_] = model.predict_proba(place[~known])
    return shares


def spectral(place: Floats, *, neighbours: int, components: int, seed: int) -> Floats:
    """Give every image its coordinates along the smoothest eigenvectors of the graph of neighbours: (N, components).

    The constant direction, which all images share, is left out. A direction counts by the kernel of label spreading,
    1 / (1 - alpha * eigenvalue) for an eigenvalue of the normalised adjacency, so that smooth ones count most.
    """
    graph = kneighbors_graph(place, min(neighbours, len(place) - 1), mode="distance", metric="cosine")
    graph.data = np.exp(-graph.data / _SPREAD)
    adjacency = csr_array((graph + graph.T) / 2)
    root = np.sqrt(adjacency.sum(axis=1))
    adjacency = adjacency.multiply(1 / root[:, None]).multiply(1 / root[None]).tocsr()
    constant = root / np.linalg.norm(root)
    without = LinearOperator(
        adjacency.shape, matvec=lambda x: adjacency @ x - constant * (constant @ x), dtype=np.float64
    )
    start = np.random.default_rng(seed).standard_normal(len(place))
    values, vectors = eigsh(without, k=min(components, len(place) - 1), which="LA", v0=start)
    coordinates: Floats = vectors / np.sqrt(1 - _ALPHA * values)
    return coordinates


def confidence(shares: Floats) -> Floats:
    """Measure how far votes (N, P) agree: one minus their entropy, as a share of the largest there can be; (N,)."""
    entropy = -(shares * np.log(np.clip(shares, 1e-12, 1))).sum(axis=1)
    agreed: Floats = np.clip(1 - entropy / np.log(shares.shape[1]), 0, 1)
    return agreed


def standardised(embedding: Floats) -> Floats:
    """Give every channel mean zero and deviation one over the images, so that a cosine tells them apart.

    What follows a ReLU is positive, and a few strong channels drown the others: without this, any two photographs have
    a cosine near one.
    """
    moved: Floats = (embedding - embedding.mean(axis=0)) / (embedding.std(axis=0) + 1e-6)
    return moved
