"""A cross-validation inside one training part: whatever is decided by its answers has not seen a test case."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cvs_med import baselines, checkpoints
from cvs_med.folds import as_predictions, source_of, train_network
from cvs_med.inference import predict
from cvs_med.observers import Inside
from cvs_med.setup import Setup
from cvs_med.splits import inner_folds
from cvs_med.tables import read_predictions, write_predictions
from cvs_med.types import Floats, Prediction


def inner_answers(setup: Setup, folder: Path, number: int, train: Sequence[int]) -> list[Prediction]:
    """Answer for every case of a training part, by models that were trained on the rest of it; or read the answers.

    Args:
        setup: what the folds share.
        folder: of these answers; made if missing. Finished inner folds in it are kept.
        number: of the outer fold, from zero.
        train: its training part, as positions in `setup.cases`. No other case is looked at.

    Returns:
        A prediction for each of these cases, but for those of other folders; its fold is the inner one.
    """
    names = setup.dataset.class_names
    folder.mkdir(parents=True, exist_ok=True)
    position = {setup.cases[case].id: case for case in train}
    own = [setup.cases[case] for case in train if case in setup.tested]
    parts = inner_folds(own, setup.protocol.splits, number)
    unheard, rows = replace(setup, observer=Inside(setup.observer, lambda epoch: None)), []
    for inner, part in enumerate(parts):
        done, place = folder / f"answers-{inner}.csv", folder / f"fold-{inner}"
        if not done.exists():
            test = [position[name] for name in part]
            rest = [case for case in train if case not in set(test)]
            shares = _answer(unheard, place, _chance(setup, number, inner), rest, test)
            write_predictions(done, as_predictions(setup, inner, test, shares), names)
        checkpoints.remove(place / checkpoints.FILE)
        rows += read_predictions(done, names)
        setup.observer.counted(inner + 1, len(parts))
    return rows


def _chance(setup: Setup, number: int, inner: int) -> int:
    """Give an inner training a number of its own, far from those of the folds, of other inner folds and other seeds."""
    entropy = (setup.protocol.splits.seed, number, inner)
    return int(np.random.SeedSequence(entropy).generate_state(1)[0]) + 2**32


def _answer(setup: Setup, folder: Path, number: int, train: Sequence[int], test: Sequence[int]) -> Floats:
    """Train on one part and answer for another: class probabilities (test, P)."""
    if setup.protocol.method == "probe":
        return baselines.probe(setup.features, setup.protocol.probe, setup.labels, train, test, setup.classes)
    folder.mkdir(exist_ok=True)
    network = train_network(setup, folder, number, train)
    source = source_of(setup, network, setup.protocol.augmentation)
    device, precision = setup.fabric.device, setup.precision
    answers = (predict(network, source, case, device=device, precision=precision) for case in test)
    return np.stack([answer.probabilities.numpy() for answer in answers])
