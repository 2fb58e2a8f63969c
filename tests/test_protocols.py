"""Every protocol that comes with the package runs, one step of it, on tiny data in the right layout."""

import csv
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cvs_med import backbones, datasets, experiment, sweep_table
from cvs_med.cli import main
from cvs_med.protocol import catalogue, load
from cvs_med.setup import Machine
from cvs_med.tables import read_predictions

# What makes a protocol cheap without changing what it does.
CHEAP = (
    "images.size=32", "network.backbone=resnet18", "network.weights=none", "training.epochs=1",
    "training.least_steps=1", "training.batch_size=20", "splits.folds=2", "fine.steps=1",
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


OFFICIAL = {"mnist", "cifar10", "cifar100"}
"""Data sets with an official test part: they are swept, not cross-validated."""

SWEPT = [name for name in catalogue() if load(name).dataset in OFFICIAL]

OF_THE_PAPER = [name for name in SWEPT if name.startswith("paper/")]

ONE_STEP = {
    "resnet": (*CHEAP[:3], "training.steps=1", "training.batch_size=20", "training.smaller_batches={}"),
    "densenet": (*CHEAP[:3], "training.steps=1"),
    "wideresnet": ("network.backbone=wideresnet-10-1", "training.steps=1"),
    "lenet": ("training.steps=1",),
    "bit": ("images.size=32", "training.steps=1"),
}
"""What makes one step of a swept protocol cheap, by the family of its backbone."""


@pytest.fixture
def cifar100(tmp_path: Path, make_record: Callable[[int, bytes], bytes]) -> Path:
    """One image of each class to train on and to test on, in the layout of CIFAR-100."""
    (tmp_path / "cifar100").mkdir()
    for seed, name in enumerate(("train.bin", "test.bin")):
        records = [make_record(1000 * seed + label, bytes([label // 5, label])) for label in range(100)]
        (tmp_path / "cifar100" / name).write_bytes(b"".join(records))
    return tmp_path / "cifar100"


@pytest.mark.parametrize("name", SWEPT)
def test_the_command_of_a_swept_protocol_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    protocol, words = load(name), shlex.split(catalogue()[name].read_text(encoding="utf-8").splitlines()[0])
    folder: Path = request.getfixturevalue(protocol.dataset)
    if "--masks" in words:
        (tmp_path / "masks").mkdir()
        square = Image.fromarray(np.pad(np.full((16, 16), 255, dtype=np.uint8), 8))
        for case in datasets.get(protocol.dataset).cases(folder):
            if case.part == "train":
                square.save(tmp_path / "masks" / f"{case.id}.png")
    cheap = [*ONE_STEP[backbones.find(protocol.network.backbone).family], "network.weights=none"]
    options = [part for setting in cheap for part in ("--set", setting)]
    options += ["--samples-per-class", "1", "--seeds", "1", "--test-per-class", "1", "--device", "cpu"]
    command = [*words[2:], *options, "--data-dir", str(folder), "--out", "run"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    rows = sweep_table.read(Path("run")).rows
    tested = words[words.index("--methods") + 1].split(",") if "--methods" in words else [protocol.method]
    assert [row.method for row in rows] == tested


@pytest.mark.parametrize("name", [name for name in catalogue() if name not in SWEPT])
def test_a_protocol_of_the_catalogue_runs(
    name: str, tmp_path: Path, phantom_folder: Path, make_folder: Callable[..., Path]
) -> None:
    protocol = load(name, CHEAP)
    folder = write_digits(tmp_path / "digits") if protocol.dataset == "digits" else phantom_folder
    folder = make_folder() if protocol.dataset == "folder" else folder
    experiment.cross_validate(
        protocol,
        tmp_path / "run",
        data_dir=folder,
        machine=Machine(tmp_path / "cache", "cpu", 1),
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
    if name in SWEPT:
        assert first.split()[:4] == ["#", "cvs-med", "sweep", name]
        return
    assert first.startswith(f"# cvs-med cv --dataset {protocol.dataset}")
    assert name in (protocol.dataset, f"{protocol.dataset}-gpu") or f"--protocol {name}" in first


def test_every_data_set_has_a_protocol_of_its_name() -> None:
    from cvs_med.datasets import DATASETS

    assert set(DATASETS) - OFFICIAL <= set(catalogue())
    assert {load(name).dataset for name in SWEPT} == OFFICIAL
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


@pytest.mark.parametrize("name", [name for name in OF_THE_PAPER if not name.endswith(("-bit", "-transfer"))])
def test_the_paper_s_training_on_mnist_and_cifar_is_what_the_paper_says(name: str) -> None:
    protocol = load(name)
    training = protocol.training
    assert (training.optimiser, training.learning_rate, training.momentum) == ("sgd", 0.1, 0.9)
    assert training.weight_decay == 5e-4
    assert {training.batch_size, *training.smaller_batches.values()} == {8, 16, 32, 128}
    loss = protocol.loss
    assert (loss.foreground_weight, loss.dice_weight) == (1, 0)
    assert (loss.map_weight, loss.class_weight) == (1, protocol.method == "multitask")
    assert (protocol.q, protocol.within, protocol.images.crop) == ("mean", "image", "none")
    original = 28 if protocol.dataset == "mnist" else 32
    assert protocol.images.size == (128 if protocol.network.backbone == "resnet101" else original)


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_the_paper_s_augmentation_on_mnist_and_cifar_is_what_the_paper_says(name: str) -> None:
    protocol = load(name)
    changes = protocol.augmentation
    names = {field for field in ("turn", "zoom", "shift", "colour", "noise") if getattr(changes, field)}
    of_cvs = {
        "mnist": {"turn", "shift", "zoom", "noise"},
        "cifar10": {"turn", "colour"},
        "cifar100": {"colour", "shift", "zoom"},
    }
    assert names == (of_cvs[protocol.dataset] if protocol.method == "cvs" else set())
    assert changes.crops == (protocol.method != "cvs")
    assert changes.flip == (() if (protocol.dataset, protocol.method) == ("mnist", "cvs") else ("horizontal",))
