"""Labels that a run's answers contradict, by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from cvs_med.errors import RunError
from cvs_med.evaluation.doubts import DoubtedLabel, doubts, doubts_of_run
from cvs_med.types import Prediction

NAMES = ("calm", "wild")


def predictions() -> list[Prediction]:
    """Four sure and right answers of each class, and one case whose label is the other class."""
    answers = ((0.9, 0.1), (0.1, 0.9))
    sure = [Prediction(f"{label}-{n}", "", n % 2, label, answers[label]) for label in (0, 1) for n in range(4)]
    return [*sure, Prediction("mistaken", "", 0, 0, (0.05, 0.95))]


def test_a_wrong_label_is_named_with_both_classes() -> None:
    found = doubts(predictions(), NAMES)
    assert (found.cases, found.right) == (9, 8)
    assert found.found == (DoubtedLabel("mistaken", "calm", "wild", 0.05),)


def test_right_labels_are_not_doubted() -> None:
    right = [replace(each, label=1) if each.case_id == "mistaken" else each for each in predictions()]
    assert doubts(right, NAMES).found == ()


def test_a_run_of_another_data_set_is_refused(finished_run: Path) -> None:
    assert doubts_of_run(finished_run, "phantom").cases == 9
    with pytest.raises(RunError, match="expected a run of the data set hrf, found one of phantom"):
        doubts_of_run(finished_run, "hrf")
