"""Packed data sets go the way of any other data set."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cvs_med.errors import DataError
from cvs_med.tables import read_predictions, read_segmentation

DIGITS = tuple("0123456789")
CHEAP = ("images.size=32", "images.crop=none", "network.width=4", "training.epochs=1", "splits.folds=2")


def test_packed_digits_are_cross_validated_on_their_train_part(
    make_mnist: Callable[..., Path], tmp_path: Path, cross_validate: Callable[..., object]
) -> None:
    cross_validate(tmp_path / "run", *CHEAP, "dataset=mnist", data_dir=make_mnist(train=20))
    rows = read_predictions(tmp_path / "run" / "predictions.csv", DIGITS)
    assert sorted(row.case_id for row in rows) == [f"train-{number:05d}" for number in range(20)]
    segmented = read_segmentation(tmp_path / "run" / "segmentation.csv")
    assert len(segmented) == 20
    assert all(row.dice_native is not None for row in segmented)


def test_cvs_is_not_trained_without_masks(
    cifar10: Path, tmp_path: Path, cross_validate: Callable[..., object]
) -> None:
    with pytest.raises(DataError, match=r"for every case, for a method with a map, found none for 40 of 40"):
        cross_validate(tmp_path / "run", *CHEAP, "dataset=cifar10", data_dir=cifar10)


def test_the_linear_head_needs_no_masks(
    make_cifar10: Callable[..., Path], tmp_path: Path, cross_validate: Callable[..., object]
) -> None:
    folder = make_cifar10(counts={"data_batch_4.bin": 20})
    cross_validate(tmp_path / "run", *CHEAP, "dataset=cifar10", "method=classification", data_dir=folder)
    assert (tmp_path / "run" / "predictions.csv").exists()
    assert not (tmp_path / "run" / "baselines" / "mask-area.csv").exists()


def test_a_job_of_slurm_with_many_tasks_is_none_of_ours(
    make_mnist: Callable[..., Path],
    tmp_path: Path,
    cross_validate: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a worker of Ray is started by `srun --ntasks=3`; Fabric would see a process of three in it, and refuse."""
    for name, value in {"NTASKS": "3", "NNODES": "3", "PROCID": "1", "JOB_NAME": "any"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    cross_validate(tmp_path / "run", *CHEAP, "dataset=mnist", data_dir=make_mnist(train=20))
    assert (tmp_path / "run" / "predictions.csv").exists()
