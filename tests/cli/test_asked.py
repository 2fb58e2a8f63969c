"""What is taken where a command leaves something out."""

import pytest

from cvs_med.cli.asked import usual
from cvs_med.datasets import DATASETS
from cvs_med.protocol import load


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_data_set_has_a_usual_protocol_for_every_device(dataset: str, device: str) -> None:
    assert load(usual(dataset, device), [f"dataset={dataset}"]).dataset == dataset
    assert usual(dataset, device).endswith("-gpu") == (device == "cuda" and dataset == "hrf")
