from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvs_med.datasets import get, masks
from cvs_med.datasets.masks import Origin
from cvs_med.errors import DataError
from cvs_med.images import Mask, read_mask
from cvs_med.types import Case


@pytest.fixture
def cases(cifar10: Path) -> list[Case]:
    return get("cifar10").cases(cifar10)


@pytest.fixture
def drawn(cases: list[Case]) -> dict[str, Mask]:
    """A mask for each of the first four images."""
    rng = np.random.default_rng(0)
    return {case.id: rng.random((32, 32)) < 0.4 for case in cases[:4]}


def origin(cases: list[Case], fallbacks: tuple[str, ...] = ()) -> Origin:
    return Origin(
        method="GrabCut with a centre prior", software={"OpenCV": "5.0"}, settings={"side": 192}, seed=3,
        dataset="cifar10", part="train", per_class=None, fallbacks=list(fallbacks),
        images={case.id: masks.image_digest(case) for case in cases},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, cases: list[Case], drawn: dict[str, Mask]) -> Path:
    masks.write(tmp_path / "new" / "masks", drawn, origin(cases[:4]))
    return tmp_path / "new" / "masks"


def problems(cases: list[Case], folder: Path, needed: list[str]) -> list[str]:
    with pytest.raises(DataError) as caught:
        masks.attach(cases, folder, needed)
    return [str(problem) for problem in caught.value.problems]


def test_what_was_written_is_read_for_its_images_and_no_others(
    cases: list[Case], folder: Path, drawn: dict[str, Mask]
) -> None:
    masked = masks.attach(cases, folder, list(drawn))
    assert [case.id for case in masked] == [case.id for case in cases]
    assert [case.id for case in masked if case.mask] == list(drawn)
    for case in masked[:4]:
        assert case.mask is not None
        np.testing.assert_array_equal(read_mask(case.mask), drawn[case.id])


def test_missing_and_strange_masks_are_all_named(cases: list[Case], folder: Path) -> None:
    for name in ("data_batch_2-00001", "cat"):
        Image.fromarray(np.full((32, 32), 255, dtype=np.uint8)).save(folder / f"{name}.png")
    missing, strange = problems(cases, folder, [case.id for case in cases[2:7]])
    assert "found none for 3: data_batch_1-00004, data_batch_1-00005, data_batch_1-00006." in missing
    assert "found 2: cat, data_batch_2-00001." in strange


def test_a_mask_that_lies_there_twice_is_named(cases: list[Case], folder: Path) -> None:
    Image.fromarray(np.full((32, 32), 255, dtype=np.uint8)).save(folder / f"{cases[1].id}.PNG")
    (found,) = problems(cases, folder, [])
    assert "expected one mask for each image, found both .png and .PNG for 1: data_batch_1-00001. Keep one" in found


def test_a_long_list_of_names_ends_with_a_number(cases: list[Case], folder: Path) -> None:
    (missing,) = problems(cases, folder, [case.id for case in cases])
    assert "none for 56: " in missing
    assert missing.count("data_batch") + missing.count("test_batch") == masks.MOST_NAMES
    assert " and 6 more." in missing


def test_masks_of_another_size_or_not_binary_or_empty_are_all_listed(cases: list[Case], folder: Path) -> None:
    values = np.full((32, 32), 255, dtype=np.uint8)
    Image.fromarray(values[:, :31]).save(folder / f"{cases[0].id}.png")
    Image.fromarray(values // 2).save(folder / f"{cases[1].id}.png")
    Image.fromarray(values * 0).save(folder / f"{cases[2].id}.png")
    (folder / f"{cases[3].id}.png").write_bytes(b"no image")
    found = problems(cases, folder, [])
    assert [line.split(":")[0] for line in found] == [f"{case.id}.png" for case in cases[:4]]
    for line, says in zip(found, ("31 x 32", "0 and 255 only", "an empty one", "another format"), strict=True):
        assert says in line


def test_masks_made_for_other_pixels_are_refused(cases: list[Case], folder: Path, tmp_path: Path) -> None:
    record = bytearray((tmp_path / "cifar10" / "data_batch_1.bin").read_bytes())
    record[3073 * 2 + 500] ^= 1
    (tmp_path / "cifar10" / "data_batch_1.bin").write_bytes(record)
    (found,) = problems(get("cifar10").cases(tmp_path / "cifar10"), folder, [])
    assert "masks made for these very images, found other pixels for 1: data_batch_1-00002" in found


def test_a_folder_without_an_origin_is_read_as_of_unknown_origin(cases: list[Case], folder: Path) -> None:
    (folder / masks.ORIGIN).unlink()
    assert sum(case.mask is not None for case in masks.attach(cases, folder, [])) == 4
    assert masks.describe(folder) == "Masks of unknown origin: their folder has no masks.json."


def test_an_origin_says_that_the_masks_are_not_by_hand(cases: list[Case], tmp_path: Path) -> None:
    masks.write(tmp_path / "masks", {}, origin(cases[:4], fallbacks=(cases[0].id,)))
    assert masks.describe(tmp_path / "masks") == (
        "Masks by GrabCut with a centre prior (OpenCV 5.0, seed 3), not by hand; 1 of 4 are plain ellipses."
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"method": 3}', "\0"])
def test_an_origin_that_cannot_be_read_is_an_error(cases: list[Case], folder: Path, text: str) -> None:
    (folder / masks.ORIGIN).write_text(text)
    with pytest.raises(DataError, match=r"masks\.json: expected how the masks were made"):
        masks.attach(cases, folder, [])


def test_a_folder_that_is_not_there_is_named(cases: list[Case], tmp_path: Path) -> None:
    (found,) = problems(cases, tmp_path / "none", [])
    assert "expected a folder of masks, found none" in found


def test_corrections_by_hand_are_never_overwritten(
    cases: list[Case], folder: Path, drawn: dict[str, Mask], tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(DataError, match="a new or empty folder for the masks"):
        masks.write(folder, drawn, origin(cases[:4]))
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    (tmp_path / "empty").mkdir()
    masks.write(tmp_path / "empty", drawn, origin(cases[:4]))
    assert len(list((tmp_path / "empty").iterdir())) == 5


def test_nothing_is_left_of_masks_that_could_not_be_written(cases: list[Case], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        masks.write(tmp_path / "masks", {"no/such/folder": np.ones((2, 2), dtype=bool)}, origin(cases[:1]))
    assert not list(tmp_path.glob("*masks*"))
