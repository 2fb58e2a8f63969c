"""Labels that a run's out-of-fold answers contradict: label noise, or mistakes of the method."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvs_med.errors import RunError, printable
from cvs_med.evaluation.files import read_card
from cvs_med.statistics.label_noise import doubted_labels
from cvs_med.tables import read_predictions
from cvs_med.types import Case, Prediction


@dataclass(frozen=True, slots=True)
class DoubtedLabel:
    """A case whose label the answers contradict.

    Attributes:
        case: its id.
        label: name of the class that it was given.
        answer: name of the class that the answers give it.
        probability: of its label.
    """

    case: str
    label: str
    answer: str
    probability: float


@dataclass(frozen=True, slots=True)
class Doubts:
    """What the answers of a run say of its labels.

    Attributes:
        cases: how many were asked.
        right: answers that agree with the label.
        found: labels in doubt, the least probable first.
    """

    cases: int
    right: int
    found: tuple[DoubtedLabel, ...]


def doubts(predictions: Sequence[Prediction], class_names: Sequence[str]) -> Doubts:
    """Find the labels that out-of-fold answers contradict; see `statistics.label_noise`."""
    labels = np.array([each.label for each in predictions], dtype=np.int64)
    probabilities = np.array([each.probabilities for each in predictions], dtype=np.float64)
    found = [
        DoubtedLabel(predictions[one.case].case_id, class_names[one.label], class_names[one.answer], one.probability)
        for one in doubted_labels(labels, probabilities)
    ]
    right = sum(each.predicted == each.label for each in predictions)
    return Doubts(len(predictions), right, tuple(found))


def doubts_of_run(run: Path, dataset: str, cases: Sequence[Case]) -> Doubts:
    """Find the labels of a data set that a finished run of it contradicts.

    Args:
        run: the run's folder.
        dataset: name of the data set.
        cases: its cases as they are now.

    Raises:
        RunError: the run is of another data set or of other labels, is not finished, is a folder of repeats, or a file
            is damaged.
    """
    card = read_card(run)
    if card.name != dataset:
        raise RunError(f"{run}: expected a run of the data set {dataset}, found one of {card.name}. Name another run.")
    predictions = read_predictions(run / "predictions.csv", card.class_names)
    labels = {case.id: case.label for case in cases}
    other = [each.case_id for each in predictions if labels.get(each.case_id) != each.label]
    if other:
        raise RunError(
            f"{run}: expected a run of these cases and labels, found {len(other)} of {len(predictions)} that are not "
            f"there or have another label now, such as {printable(other[0])}. Name a run of this folder, or run again."
        )
    return doubts(predictions, card.class_names)
