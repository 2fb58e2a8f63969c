from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cvs_med.datasets import get, masks
from cvs_med.errors import CvsMedError, DataError
from cvs_med.images import read_image, read_mask
from cvs_med.propagation import stand_ins
from cvs_med.splits import samples_per_class

pytest.importorskip("cv2")


def make(root: Path, out: Path, name: str = "cifar10", **options: object) -> masks.Origin:
    chosen = {"part": "train", "per_class": 1, "seed": 4, "workers": 2, "step": lambda done, total: None} | options
    return stand_ins.make(get(name), root, out, **chosen)  # type: ignore[arg-type]  # as the function takes them


def test_the_masks_are_those_of_the_images_drawn_for_training(cifar10: Path, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    origin = make(cifar10, tmp_path / "masks", step=lambda done, total: heard.append((done, total)))
    kind = get("cifar10")
    cases = kind.cases(cifar10)
    drawn = samples_per_class([case for case in cases if case.part == "train"], 1, kind.class_names, seed=4)
    masked = [case for case in masks.attach(cases, tmp_path / "masks", drawn) if case.mask]
    assert [case.id for case in masked] == list(origin.images) == drawn
    assert (origin.dataset, origin.part, origin.per_class, origin.seed) == ("cifar10", "train", 1, 4)
    assert masks.read_origin(tmp_path / "masks") == origin
    assert heard == [(number, 10) for number in range(1, 11)]
    for case in masked:
        assert case.mask is not None
        found = read_mask(case.mask)
        square = read_image(case.image).max(axis=-1) > 130  # As `draw_record` colours it.
        assert 2 * (found & square).sum() / (found.sum() + square.sum()) > 0.75


def test_the_same_seed_makes_the_same_files(make_cifar10: Callable[..., Path], tmp_path: Path) -> None:
    root = make_cifar10(counts={"test_batch.bin": 4})
    for name, workers in (("one", 1), ("two", 2)):
        make(root, tmp_path / name, part="test", per_class=None, workers=workers)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert len(one) == 5


def test_images_without_anything_are_counted(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    blank = b"".join(bytes([label]) + bytes([100]) * 3072 for label in range(3))
    (tmp_path / "cifar10" / "data_batch_1.bin").write_bytes(blank)
    origin = make(tmp_path / "cifar10", tmp_path / "masks", per_class=None)
    assert origin.fallbacks == list(origin.images)
    shapes = [read_mask(tmp_path / "masks" / f"{name}.png") for name in origin.images]
    assert all(np.array_equal(shape, shapes[0]) for shape in shapes)


def test_a_data_set_with_masks_is_refused(mnist: Path, tmp_path: Path) -> None:
    with pytest.raises(CvsMedError, match="found mnist, which has its own"):
        make(mnist, tmp_path / "masks", "mnist")


def test_a_part_that_is_not_there_is_named(cifar10: Path, tmp_path: Path) -> None:
    (cifar10 / "test_batch.bin").unlink()
    with pytest.raises(DataError, match="expected images of the test part, found none"):
        make(cifar10, tmp_path / "masks", part="test")


def test_a_folder_in_use_is_refused_before_anything_is_cut(cifar10: Path) -> None:
    with pytest.raises(DataError, match="a new or empty folder"):
        make(cifar10, cifar10, step=lambda done, total: pytest.fail("cut"))
