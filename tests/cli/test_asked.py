"""What is taken where a command leaves something out."""

import pytest

from cvs_med.cli.asked import settings, usual
from cvs_med.datasets import DATASETS
from cvs_med.protocol import load


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_data_set_has_a_usual_protocol_for_every_device(dataset: str, device: str) -> None:
    assert load(usual(dataset, device), [f"dataset={dataset}"]).dataset == dataset
    assert usual(dataset, device).endswith("-gpu") == (device == "cuda" and dataset == "hrf")


def test_epochs_that_are_asked_for_count_before_the_steps_of_a_protocol() -> None:
    fields = {"training.epochs": 3, "splits.folds": None}
    training = load("folder", ["training.steps=100", "training.least_steps=9", *settings(fields, [])]).training
    assert (training.epochs, training.steps, training.least_steps) == (3, None, 1)
    assert load("folder", ["training.steps=100", *settings({"splits.folds": 3}, [])]).training.steps == 100
    assert load("folder", settings(fields, ["training.steps=7"])).training.steps == 7
