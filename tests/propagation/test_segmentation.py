"""Seg-M: masks for a training part from a few of them, which any loader takes and no report calls manual."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvs_med import datasets
from cvs_med.datasets import masks
from cvs_med.errors import CvsMedError, DataError, ProtocolError, RunError
from cvs_med.images import read_image, read_mask
from cvs_med.propagation import mask_folder
from cvs_med.propagation.mask_folder import most_probable
from cvs_med.propagation.segmentation import Propagated, propagate
from cvs_med.protocol import load
from cvs_med.setup import Machine
from cvs_med.splits import samples_per_class
from cvs_med.statistics.metrics import dice
from cvs_med.tables import read_masks

CHEAP = (
    "network.backbone=wideresnet-10-1", "training.batch_size=20", "training.smaller_batches={}",
    "training.precision=fp32", "training.learning_rate=0.05",
)  # fmt: skip


class Heard:
    """An observer that keeps what it was told, and may stop the work after so many images."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.epochs: list[int] = []
        self.counts: list[int] = []
        self.stop_at = stop_at

    def stage(self, text: str) -> None: ...

    def counted(self, done: int, total: int) -> None:
        self.counts.append(done)
        if done == self.stop_at:
            raise KeyboardInterrupt

    def epoch(self, fold: int, epoch: object) -> None:
        self.epochs.append(epoch.number)  # type: ignore[attr-defined]  # an Epoch


@pytest.fixture
def drawn(cifar10: Path, tmp_path: Path) -> Path:
    """Masks for all tiny images of CIFAR-10 to train on: the squares that they show."""
    (tmp_path / "drawn").mkdir()
    for case in datasets.get("cifar10").cases(cifar10):
        if case.part == "train":
            square = (read_image(case.image).max(axis=-1) > 130) * np.uint8(255)  # As `draw_record` colours it.
            Image.fromarray(square).save(tmp_path / "drawn" / f"{case.id}.png")
    return tmp_path / "drawn"


@pytest.fixture
def seg(cifar10: Path, drawn: Path, tmp_path: Path) -> Callable[..., Propagated]:
    """Propagate from tiny images of CIFAR-10: `seg(name, *settings, manual=..., ...)`."""

    def start(name: str = "seg", *settings: str, observer: Heard | None = None, **options: object) -> Propagated:
        chosen = {"manual": 1, "data_dir": cifar10, "masks_dir": drawn, "onto": None, "per_class": None} | options
        return propagate(
            load("paper/cifar10-wideresnet", [*CHEAP, "training.epochs=2", *settings]),
            tmp_path / name,
            machine=Machine(tmp_path / "cache", "cpu", 1),
            observer=observer or Heard(),
            **chosen,  # type: ignore[arg-type]  # as the function takes them
        )

    return start


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_rest_of_the_training_part_gets_masks_and_those_learnt_from_stay(
    seg: Callable[..., Propagated], cifar10: Path, drawn: Path
) -> None:
    made = seg("seg", "training.epochs=25", manual=2)
    kind = datasets.get("cifar10")
    cases = kind.cases(cifar10)
    train = [case for case in cases if case.part == "train"]
    learnt = samples_per_class(train, 2, kind.class_names, 0)
    masked = masks.attach(cases, made.folder, {case.id for case in train})
    assert [case.id for case in masked if case.mask] == [case.id for case in train]
    assert [row.case_id for row in made.rows] == [case.id for case in train]
    assert [row.case_id for row in made.rows if row.source == "given"] == learnt
    assert read_masks(made.folder / mask_folder.TABLE) == made.rows
    for row in made.rows:
        mask, square = (read_mask(folder / f"{row.case_id}.png") for folder in (made.folder, drawn))
        assert row.fraction == mask.mean()
        if row.source == "given":
            assert (row.confidence, row.dice) == (None, None)
            np.testing.assert_array_equal(mask, square)
        else:
            assert row.confidence is not None
            assert 0.5 <= row.confidence <= 1
            assert row.dice == dice(mask, square)
    predicted = [row.dice for row in made.rows if row.dice is not None]
    assert np.mean(predicted) > 0.8  # Squares of one colour on plain ground.


def test_masks_are_described_as_propagated_and_never_as_made_by_hand(seg: Callable[..., Propagated]) -> None:
    made = seg()
    origin = masks.read_origin(made.folder)
    assert origin == made.origin
    assert origin is not None
    assert origin.learnt is not None
    assert (origin.name, origin.learnt.masks, origin.learnt.dataset) == ("seg-1", 10, "cifar10")
    said = masks.describe(made.folder)
    assert said.startswith("Masks by Seg-1 (torch ")
    assert "not by hand" in said
    assert "A wideresnet-10-1 learnt from 10 masks of cifar10, 10 of which are in this folder: " in said
    assert said.endswith("Masks of unknown origin: their folder has no masks.json.")


def test_no_test_image_is_read_for_anything(seg: Callable[..., Propagated], make_cifar10: Callable[..., Path]) -> None:
    whole = seg("whole")
    alone = seg("alone", data_dir=make_cifar10("train-only", counts={"data_batch_1.bin": 40}))
    assert files(whole.folder) == files(alone.folder)


def test_the_network_makes_masks_for_another_data_set_without_learning_again(
    seg: Callable[..., Propagated], mnist: Path
) -> None:
    own, watching = seg(), Heard()
    other = seg(onto=("mnist", mnist), observer=watching)
    assert watching.epochs == []
    assert other.folder.parent == own.folder.parent
    assert {row.source for row in other.rows} <= {"propagated", "guessed"}
    assert [row.case_id for row in other.rows] == [f"train-{number:05d}" for number in range(40)]
    assert masks.read_origin(other.folder) == other.origin
    assert (other.origin.dataset, other.origin.name) == ("mnist", "seg-1")
    assert other.origin.learnt is not None
    assert (other.origin.learnt.dataset, other.origin.learnt.given) == ("cifar10", [])
    # MNIST has masks of its own, of which the network has seen none.
    assert all(row.dice is not None for row in other.rows)
    bare = [replace(case, mask=None) for case in datasets.get("mnist").cases(mnist)]
    assert sum(case.mask is not None for case in masks.attach(bare, other.folder, [])) == 40


def test_the_same_again_computes_nothing_and_a_new_folder_gives_the_same(
    seg: Callable[..., Propagated], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, watching = seg("first"), Heard()
    again = seg("first", observer=watching)
    assert (watching.epochs, watching.counts, again.rows) == ([], [], first.rows)
    monkeypatch.setattr(mask_folder, "_MOST_IN_MEMORY", 7)
    assert [row.case_id for row in seg("second").rows] == [row.case_id for row in first.rows]
    same = [files(first.folder)[name] == content for name, content in files(again.folder).items()]
    assert all(same)


def test_a_stopped_propagation_goes_on_where_it_was(
    seg: Callable[..., Propagated], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mask_folder, "_MOST_IN_MEMORY", 15)
    with pytest.raises(KeyboardInterrupt):
        seg("stopped", observer=Heard(stop_at=30))
    assert not (tmp_path / "stopped" / "cifar10").exists()
    begun = tmp_path / "stopped" / ".cifar10.begun"
    (early,) = begun.glob("data_batch_1-00000.png")
    stamp = early.stat().st_mtime_ns
    watching = Heard()
    stopped = seg("stopped", observer=watching)
    assert (watching.epochs, watching.counts) == ([], [15, 30, 40])
    assert (stopped.folder / early.name).stat().st_mtime_ns == stamp
    assert not begun.exists()
    assert files(stopped.folder) == files(seg("undisturbed").folder)


def test_a_draw_of_some_images_holds_those_learnt_from(seg: Callable[..., Propagated]) -> None:
    made = seg(manual=1, per_class=2)
    assert len(made.rows) == 20
    assert sum(row.source == "given" for row in made.rows) == 10
    assert made.origin.per_class == 2


def test_an_image_without_any_foreground_gets_the_best_guess_and_is_listed(
    seg: Callable[..., Propagated], monkeypatch: pytest.MonkeyPatch
) -> None:
    low = mask_folder.predict_foreground
    monkeypatch.setattr(mask_folder, "predict_foreground", lambda *given, **options: 0.4 * low(*given, **options))
    made = seg()
    guessed = [row for row in made.rows if row.source == "guessed"]
    assert len(guessed) == 30
    assert made.origin.fallbacks == [row.case_id for row in guessed]
    share = made.origin.settings[mask_folder.SHARE]
    assert all(row.fraction == round(share * 1024) / 1024 for row in guessed)
    assert "30 of 40 are guesses where no foreground was found" in made.origin.sentence()


@pytest.mark.parametrize(("share", "count"), [(0.0, 1), (0.25, 3), (0.5, 6), (1.0, 12)])
def test_a_guess_takes_the_most_probable_pixels(share: float, count: int) -> None:
    foreground = np.random.default_rng(0).random((3, 4)).astype(np.float32)
    mask = most_probable(foreground, share)
    assert mask.sum() == count
    assert count == 12 or foreground[mask].min() > foreground[~mask].max()
    assert most_probable(np.zeros((3, 4), dtype=np.float32), share).sum() == count


def test_a_frozen_encoder_propagates_too(phantom_folder: Path, small: tuple[str, ...], tmp_path: Path) -> None:
    settings = [*small, "network.trainable=head", "network.levels=[0,1]", "augmentation.colour=0"]
    made = propagate(
        load("phantom", settings),
        tmp_path / "seg",
        manual=1,
        data_dir=phantom_folder,
        masks_dir=None,
        onto=None,
        per_class=None,
        machine=Machine(tmp_path / "cache", "cpu", 1),
        observer=Heard(),
    )
    assert [row.source for row in made.rows].count("given") == 3
    for row in made.rows:
        assert read_mask(made.folder / f"{row.case_id}.png").shape == (64, 96)
    assert made.origin.sentence().endswith("Masks that come with the data set.")


def test_what_cannot_be_done_is_refused(seg: Callable[..., Propagated], tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="a method with a map, such as cvs, found classification"):
        seg("a", "method=classification")
    with pytest.raises(DataError, match="class 'airplane': expected at least 5 cases to draw 5 from, found 4"):
        seg("b", manual=5)
    with pytest.raises(DataError, match="expected a mask for every case, for a method with a map, found none for 10"):
        seg("c", masks_dir=None)
    with pytest.raises(CvsMedError, match="Expected another data set than cifar10 to go onto"):
        seg("d", onto=("cifar10", None))


def test_another_propagation_in_the_same_folder_is_refused(
    seg: Callable[..., Propagated], make_cifar10: Callable[..., Path]
) -> None:
    before = files(seg(manual=1).folder)
    with pytest.raises(RunError, match=r"inputs\.json is of other photographs, masks, labels or weights"):
        seg(manual=2)
    with pytest.raises(RunError, match="holds a run of another protocol"):
        seg("seg", "training.epochs=3")
    with pytest.raises(RunError, match="expected masks of this propagation, found others"):
        seg(per_class=2)
    assert files(seg(manual=1).folder) == before
    assert json.loads(before["masks.json"])["method"] == "Seg-1"
