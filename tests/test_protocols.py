"""Every protocol that comes with the package runs, one step of it, on tiny data in the right layout."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvs_med import experiment
from cvs_med.protocol import catalogue, load
from cvs_med.tables import read_predictions

# What makes a protocol cheap without changing what it does.
CHEAP = (
    "images.size=32", "network.backbone=resnet18", "network.weights=none", "training.epochs=1",
    "training.batch_size=20", "splits.folds=2",
)  # fmt: skip


class Unwatched:
    def stage(self, text: str) -> None: ...

    def counted(self, done: int, total: int) -> None: ...

    def epoch(self, fold: int, epoch: object) -> None: ...


def write_digits(root: Path) -> Path:
    """Write two noisy squares for each digit, in the layout of `digits`."""
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    rows = [("case_id", "label")]
    for number in range(20):
        grey = rng.integers(0, 255, (8, 8), dtype=np.uint8) * (rng.random((8, 8)) < 0.5)
        Image.fromarray(np.stack([grey] * 3, axis=-1)).save(root / "images" / f"{number:04d}.png")
        Image.fromarray((grey > 0) * np.uint8(255)).save(root / "masks" / f"{number:04d}.png")
        rows.append((f"{number:04d}", str(number % 10)))
    with (root / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return root


@pytest.mark.parametrize("name", catalogue())
def test_a_protocol_of_the_catalogue_runs(name: str, tmp_path: Path, phantom_folder: Path) -> None:
    protocol = load(name, CHEAP)
    folder = write_digits(tmp_path / "digits") if protocol.dataset == "digits" else phantom_folder
    experiment.cross_validate(
        protocol,
        tmp_path / "run",
        data_dir=folder,
        cache_dir=tmp_path / "cache",
        accelerator="cpu",
        workers=1,
        observer=Unwatched(),
    )
    facts = json.loads((tmp_path / "run" / "dataset.json").read_text())
    rows = read_predictions(tmp_path / "run" / "predictions.csv", facts["class_names"])
    assert len(rows) == facts["cases"]
    assert (tmp_path / "run" / "segmentation.csv").exists() == protocol.has_map


@pytest.mark.parametrize("name", catalogue())
def test_a_protocol_opens_with_its_command(name: str) -> None:
    protocol, text = load(name), catalogue()[name].read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert first.startswith(f"# cvs-med cv --dataset {protocol.dataset}")
    assert name in (protocol.dataset, f"{protocol.dataset}-gpu") or f"--protocol {name}" in first


def test_every_data_set_has_a_protocol_of_its_name() -> None:
    from cvs_med.datasets import DATASETS

    # Data sets with an official test part are not cross-validated.
    official = {"mnist", "cifar10", "cifar100"}
    assert set(DATASETS) - official <= set(catalogue())
    assert all(load(name).dataset in DATASETS for name in catalogue())


def test_the_paper_s_protocol_is_what_the_paper_says() -> None:
    protocol = load("paper/hrf-resnet101")
    assert (protocol.method, protocol.q, protocol.within) == ("cvs", "mean", "image")
    assert (protocol.images.size, protocol.network.backbone, protocol.network.weights) == (512, "resnet101", "imagenet")
    assert (protocol.network.trainable, protocol.network.decoder) == ("all", "deeplab")
    training = protocol.training
    assert (training.optimiser, training.learning_rate, training.momentum) == ("sgd", 0.1, 0.9)
    assert training.weight_decay == 5e-4
    assert (protocol.splits.kind, protocol.splits.folds) == ("random", 5)
    loss = protocol.loss
    assert (loss.map_weight, loss.foreground_weight, loss.dice_weight, loss.class_weight) == (1, 1, 0, 0)
