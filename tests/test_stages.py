"""A run with a stage at a finer scale: stopped and resumed, with few masks, and answered with afterwards."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from cvs_med import checkpoints, report, smaller_batch, stages
from cvs_med.batches import Batch, FeatureBatches
from cvs_med.errors import RunError
from cvs_med.images import read_mask
from cvs_med.inference import enlarged
from cvs_med.prediction import ensemble, pictures, stream
from cvs_med.propagation import few_masks
from cvs_med.protocol import Protocol, load
from cvs_med.setup import Machine, Setup, prepare
from cvs_med.tiles import TileBatches
from cvs_med.types import OwnFile

FINE = (
    "network.trainable=head", "network.decoder=fine", "network.context=[3]", "q=foreground", "images.finer=2",
    "augmentation.colour=0", "fine.widths=[8,8]", "fine.tile=32", "fine.steps=12", "fine.batch_size=2",
)  # fmt: skip

Run = Callable[..., object]


class Stopping:
    """An observer that ends the run once it has been told so often how far the stage is."""

    def __init__(self, after: int) -> None:
        self.left = after

    def stage(self, text: str) -> None:
        """Hear that a part of the work begins."""

    def epoch(self, fold: int, epoch: object) -> None:
        """Hear that an epoch of the head has ended."""
        self.counted(0, 0)

    def counted(self, done: int, total: int) -> None:
        """Count, and end the run."""
        if total <= 12:  # Not the photographs.
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt


def answers(run: Path) -> bytes:
    return b"".join((run / f"fold-{number}" / "predictions.csv").read_bytes() for number in range(3))


@pytest.fixture(scope="module")
def finished(cross_validate: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fine") / "run"
    cross_validate(out, *FINE)
    return out


@pytest.mark.parametrize("after", [1, 4, 8])
def test_a_run_that_was_stopped_in_its_stage_or_after_goes_on_to_the_same_predictions(
    after: int, cross_validate: Run, finished: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        cross_validate(tmp_path / "run", *FINE, observer=Stopping(after))
    assert list((tmp_path / "run").glob("fold-*/checkpoint*"))
    cross_validate(tmp_path / "run", *FINE)
    assert answers(tmp_path / "run") == answers(finished)
    assert not list((tmp_path / "run").glob("fold-*/checkpoint*"))


def test_the_stage_learns_and_is_kept_with_the_head(finished: Path) -> None:
    first, second = (
        network.head.decoder.stage.out.weight  # type: ignore[union-attr]
        for network in ensemble.read(finished, device=torch.device("cpu")).networks[:2]
    )
    assert (first - second).abs().max() > 1e-3


def test_the_label_map_is_cut_at_the_finer_scale(finished: Path, phantom_folder: Path) -> None:
    engine = ensemble.read(finished, device=torch.device("cpu"))
    prepared = stream.prepare(phantom_folder / "images" / "01_h.jpg", engine.recipe)
    opinion = engine.consider(prepared)
    assert opinion.finest is not None
    assert opinion.map is not None
    assert opinion.finest.shape == (128, 128)
    blocks = opinion.finest.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(1 - opinion.map[0], blocks, atol=2e-3)
    sharp = np.zeros_like(opinion.finest)
    sharp[::2] = 1  # Every second fine row: half of each working pixel.
    labels = pictures.label_map(opinion.map, prepared, sharp)
    rows = labels[labels.shape[0] // 2 :, labels.shape[1] // 2] > 0
    assert rows.any()
    assert not rows.all()


def small(*settings: str) -> Protocol:
    tiny = "images.size=64", "network.backbone=resnet18", "network.weights=none", "splits.folds=3"
    return load("phantom", [*tiny, *FINE, *settings])


@pytest.fixture(scope="module")
def phantoms(phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Setup:
    machine = Machine(tmp_path_factory.mktemp("cache"), "cpu", 1)
    return prepare(small("masks.per_class=1"), data_dir=phantom_folder, machine=machine, observer=Mock())


def test_masks_that_are_taken_away_are_taken_away_at_the_finer_scale_too(phantoms: Setup) -> None:
    shown = few_masks.showing(phantoms, [0, 4]).photographs
    fine = shown.fine_foreground
    assert fine is not None
    assert [bool(fine[case].any()) for case in range(9)] == [case in (0, 4) for case in range(9)]
    assert torch.equal(shown.reference([4]), phantoms.photographs.reference([4]))
    alike = (shown.foreground[4] >= 128) == (phantoms.photographs.foreground[4] >= 128)
    assert alike.double().mean() > 0.97  # Means of another resizing.


def test_what_a_fold_learns_from_does_not_know_the_masks_that_it_may_not_see(phantoms: Setup, tmp_path: Path) -> None:
    """Other masks in place of those that were not drawn change nothing."""
    train = [0, 1, 2, 3, 4, 5]
    drawn = few_masks.draw(phantoms, 0, train)
    hidden = {case: 255 - mask for case, mask in enumerate(phantoms.photographs.reference(range(9)))}
    hidden |= {case: phantoms.photographs.reference([case])[0] for case in drawn}
    photographs = phantoms.photographs.with_references(hidden)
    other = replace(phantoms, photographs=replace(photographs, has_mask=phantoms.photographs.has_mask))
    first, second = (
        few_masks.taught(setup, tmp_path / name, 0, train).photographs.reference(range(9))
        for name, setup in (("a", phantoms), ("b", other))
    )
    assert first.shape == (9, 128, 128)
    assert torch.equal(first[train], second[train])
    assert not first[6:].any()


def test_masks_that_were_made_at_the_finer_scale_stand_in_the_report(cross_validate: Run, tmp_path: Path) -> None:
    cross_validate(tmp_path / "run", *FINE, "masks.per_class=1")
    report.write(tmp_path / "run", "md")
    made = sorted((tmp_path / "run" / "fold-0" / "masks").glob("*.png"))
    assert len(made) == 3
    assert read_mask(OwnFile(made[0], empty="allowed")).shape == (128, 128)
    with Image.open(tmp_path / "run" / "figures" / "made-masks.png") as grid:
        assert grid.height > 3 * 128


def test_the_foreground_that_training_reads_is_that_of_the_stage(phantoms: Setup) -> None:
    decoder = phantoms.network.head.decoder
    assert isinstance(decoder, stages.FineDecoder)
    known = stages.foreground(
        decoder, phantoms.photographs, [1, 3], fabric=phantoms.fabric, precision=phantoms.precision
    )
    assert known.shape == phantoms.photographs.foreground.shape
    assert [bool(plane.any()) for plane in known] == [case in (1, 3) for case in range(9)]
    assert known.max() <= 1


def test_the_field_of_view_is_repeated_for_finer_pixels() -> None:
    seen = torch.tensor([[1, 0], [0, 1]])
    assert enlarged(seen, torch.zeros(6, 6)).tolist() == np.kron(seen.numpy(), np.ones((3, 3), int)).tolist()


def test_the_state_of_a_stage_goes_with_that_of_the_head(tmp_path: Path) -> None:
    state = tmp_path / checkpoints.FILE
    for path in (state, checkpoints.of_stage(state)):
        checkpoints.write(path, {"epochs": 1})
        checkpoints.write(path, {"epochs": 2})
    checkpoints.remove(state)
    assert not list(tmp_path.iterdir())


def test_too_little_memory_for_tiles_names_their_own_settings(
    cross_validate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def training(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(TileBatches, "training", training)
    with pytest.raises(RunError, match=r"2 tiles of 32 pixels .* smaller fine\.tile or fine\.batch_size"):
        cross_validate(tmp_path / "run", *FINE, "training.halve_batch=true")
    assert not any(tmp_path.rglob(smaller_batch.FILE))


def test_a_batch_of_the_head_that_was_too_large_costs_no_finished_stage(
    cross_validate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, real_stage = FeatureBatches.training, TileBatches.training
    left, trained = [1], list[int]()

    def training(self: FeatureBatches, cases: Sequence[int], generator: torch.Generator) -> Batch:
        if left:
            left.pop()
            raise MemoryError
        return real(self, cases, generator)

    def tiles(self: TileBatches, cases: Sequence[int], generator: torch.Generator) -> Batch:
        trained.append(len(cases))
        return real_stage(self, cases, generator)

    monkeypatch.setattr(FeatureBatches, "training", training)
    monkeypatch.setattr(TileBatches, "training", tiles)
    cross_validate(tmp_path / "run", *FINE, "training.halve_batch=true")
    assert len(trained) == 3 * 12  # Each of three folds has trained its stage once.
