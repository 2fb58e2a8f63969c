"""Labels that a run's answers contradict, by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from cvs_med.datasets import get, read
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


def test_a_run_of_another_data_set_or_of_other_labels_is_refused(finished_run: Path, phantom_folder: Path) -> None:
    cases = read(get("phantom"), phantom_folder, folds=2)
    assert doubts_of_run(finished_run, "phantom", cases).cases == 9
    with pytest.raises(RunError, match="expected a run of the data set hrf, found one of phantom"):
        doubts_of_run(finished_run, "hrf", cases)
    relabelled = [replace(cases[0], label=(cases[0].label + 1) % 3), *cases[1:]]
    with pytest.raises(RunError, match=f"found 1 of 9 .* have another label now, such as {cases[0].id}"):
        doubts_of_run(finished_run, "phantom", relabelled)
    with pytest.raises(RunError, match="found 1 of 9 that are not there"):
        doubts_of_run(finished_run, "phantom", cases[1:])
