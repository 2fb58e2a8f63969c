from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvs_med import cache
from cvs_med.cache import Photographs
from cvs_med.datasets import get
from cvs_med.errors import DataError
from cvs_med.images import read_image
from cvs_med.types import Case, Packed


@pytest.fixture
def cases(fundus: Path) -> list[Case]:
    return get("hrf").cases(fundus)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def load(cases: list[Case], folder: Path, *, size: int = 16, workers: int = 2, finer: int = 0) -> Photographs:
    return cache.load(cases, size=size, crop="field_of_view", folder=folder, workers=workers, finer=finer)


def assert_same(one: Photographs, other: Photographs) -> None:
    for name in cache.NAMES:
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=0)
    facts = "has_mask", "geometries", "case_ids", "key"
    assert [getattr(one, name) for name in facts] == [getattr(other, name) for name in facts]


def test_spots_are_kept_where_they_are_asked_for(
    cases: list[Case], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for case in cases:
        noise = np.random.default_rng(0).integers(0, 255, (*read_image(case.image).shape[:2], 3), dtype=np.uint8)
        Image.fromarray(noise).save(case.image)
    plain, first = load(cases, folder, size=32), load(cases, folder, size=32, finer=3)
    assert plain.signs is None
    assert first.signs is not None
    assert first.signs.shape == (len(cases), 1, 32, 32)
    assert first.signs.amax(dim=(1, 2, 3)).min() > 0
    assert plain.key != first.key == cache.key_of(cases, size=32, crop="field_of_view", workers=1, finer=3)
    forbid_decoding(monkeypatch)
    assert_same(first, load(cases, folder, size=32, finer=3))


def test_nerve_fibres_are_kept_where_they_are_asked_for(cases: list[Case], folder: Path) -> None:
    how = {"size": 32, "crop": "field_of_view", "workers": 1}
    plain, both = (
        cache.load(cases, folder=folder, **how, **signs) for signs in ({"fibres": True}, {"fibres": True, "finer": 2})
    )
    assert plain.signs is not None
    assert both.signs is not None
    assert [tuple(found.signs.shape[1:]) for found in (plain, both)] == [(1, 32, 32), (2, 32, 32)]
    assert torch.equal(plain.signs[:, 0], both.signs[:, 1])
    assert plain.key == cache.key_of(cases, **how, fibres=True) != both.key


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(cache, "prepare", fail)


def test_every_case_has_its_own_pixels(cases: list[Case], folder: Path) -> None:
    photographs = load(cases, folder)
    assert photographs.case_ids == tuple(case.id for case in cases)
    for index, case in enumerate(cases):
        alone = cache.prepare(case, size=16, crop="field_of_view")
        torch.testing.assert_close(photographs.images[index], alone.image)
        torch.testing.assert_close(photographs.foreground[index], alone.foreground)
        torch.testing.assert_close(photographs.field_of_view[index], alone.field_of_view)
        assert photographs.geometries[index] == alone.geometry


def test_the_second_start_decodes_nothing(cases: list[Case], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases[1] = replace(cases[1], mask=None)
    first = load(cases, folder)
    assert first.has_mask == (True, False, True, True, True, True)
    forbid_decoding(monkeypatch)
    assert_same(load(cases, folder, workers=1), first)


def test_the_number_of_threads_changes_nothing(cases: list[Case], tmp_path: Path) -> None:
    assert_same(load(cases, tmp_path / "one", workers=1), load(cases, tmp_path / "five", workers=5))


def test_other_contents_another_size_or_order_make_another_key(cases: list[Case], folder: Path) -> None:
    keys = [load(cases, folder).key, load(cases, folder, size=17).key, load(cases[::-1], folder).key]
    keys.append(cache.load(cases, size=16, crop="none", folder=folder, workers=1).key)
    mask = np.asarray(Image.open(cases[0].mask)).copy()
    mask[20, 30] = 255 - mask[20, 30]
    Image.fromarray(mask).save(cases[0].mask)
    keys.append(load(cases, folder).key)
    assert len(set(keys)) == 5


def test_the_same_files_elsewhere_use_the_same_cache(
    cases: list[Case], fundus: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(cases, folder)
    moved = fundus.rename(fundus.with_name("moved"))
    forbid_decoding(monkeypatch)
    assert_same(load(get("hrf").cases(moved), folder), first)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.03, 0.2, 0.5, 0.9, 0.9999])
@pytest.mark.parametrize("damage", ["changed", "cut"])
def test_a_damaged_cache_is_made_anew(cases: list[Case], folder: Path, part: float, damage: str) -> None:
    first = load(cases, folder)
    (path,) = folder.glob("*.safetensors")
    good = path.read_bytes()
    place = int(len(good) * part)
    bad = bytes([good[place] ^ 0x15]) + good[place + 1 :] if damage == "changed" else b""
    path.unlink()  # A new file, since the first one may still be mapped into memory.
    path.write_bytes(good[:place] + bad)
    assert_same(load(cases, folder), first)
    assert path.read_bytes() == good
    assert {file.name for file in folder.iterdir()} == {path.name, path.with_suffix(".lock").name}


def test_a_cache_of_other_photographs_under_the_name_is_made_anew(
    cases: list[Case], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = load(cases, folder)
    (path,) = folder.glob("*.safetensors")
    load(cases[::-1], folder)
    (other,) = set(folder.glob("*.safetensors")) - {path}
    other.replace(path)
    assert_same(load(cases, folder), first)
    assert "it was made of other photographs" in caplog.text


def test_the_key_is_the_same_decoded_and_from_the_cache(cases: list[Case], folder: Path) -> None:
    keys = {load(cases, folder).key, load(cases, folder).key}
    assert keys == {cache.key_of(cases, size=16, crop="field_of_view", workers=1)}


def test_the_faults_of_all_files_are_listed_at_once(cases: list[Case], folder: Path) -> None:
    cases[0].image.write_bytes(cases[0].image.read_bytes()[:700])
    Image.new("L", (60, 40)).save(cases[3].mask)
    with pytest.raises(DataError) as caught:
        load(cases, folder)
    assert {problem.where for problem in caught.value.problems} == {str(cases[0].image), str(cases[3].mask)}
    assert not list(folder.glob("*.safetensors"))


def test_a_missing_file_is_named(cases: list[Case], folder: Path) -> None:
    cases[2].field_of_view.unlink()
    with pytest.raises(DataError, match=cases[2].field_of_view.name):
        load(cases, folder)


def test_a_folder_that_cannot_be_written_is_named(cases: list[Case], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="room for the cache"):
        load(cases, tmp_path / "file" / "cache")


@pytest.mark.parametrize("size", [28, 32, 64, 20])
def test_packed_pictures_are_enlarged_to_the_pixels_that_files_give(mnist: Path, folder: Path, size: int) -> None:
    cases = get("mnist").cases(mnist)[:6]
    cases[1] = replace(cases[1], mask=None)
    as_files = [as_file(case, folder.parent) for case in cases]
    at_once, one_by_one = (load(some, folder, size=size) for some in (cases, as_files))
    assert at_once.has_mask == one_by_one.has_mask == (True, False, True, True, True, True)
    assert at_once.geometries == one_by_one.geometries
    assert at_once.case_ids == one_by_one.case_ids
    for name in cache.NAMES:
        # Another processor may round the last bit another way.
        torch.testing.assert_close(getattr(at_once, name), getattr(one_by_one, name), rtol=0, atol=1)


def as_file(case: Case, folder: Path) -> Case:
    """Write the pictures of a packed case as files."""
    paths = folder / f"{case.id}.png", folder / f"{case.id}-mask.png"
    Image.fromarray(np.ascontiguousarray(case.image.pixels)).save(paths[0])
    if case.mask is not None:
        Image.fromarray(case.mask.pixels).save(paths[1])
    return replace(case, image=paths[0], mask=None if case.mask is None else paths[1])


def test_packed_pictures_are_not_decoded_one_by_one_and_leave_no_file(
    mnist: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_decoding(monkeypatch)
    assert load(get("mnist").cases(mnist), folder, size=32).images.shape == (60, 3, 32, 32)
    assert not folder.exists()


def test_masks_from_files_are_put_on_packed_pictures(cifar10: Path, folder: Path, tmp_path: Path) -> None:
    cases = get("cifar10").cases(cifar10)[:3]
    for number in (0, 2):
        Image.fromarray(np.eye(32, dtype=np.uint8) * 255).save(tmp_path / f"{number}.png")
        cases[number] = replace(cases[number], mask=tmp_path / f"{number}.png")
    photographs = load(cases, folder, size=64)
    assert photographs.has_mask == (True, False, True)
    doubled = np.kron(np.eye(32), np.ones((2, 2))) * 255
    np.testing.assert_array_equal(photographs.foreground[0], doubled)
    np.testing.assert_array_equal(photographs.foreground[1], 0)
    assert load(cases[:2], folder, size=64).key != photographs.key
    for number in (0, 2):
        Image.fromarray(np.eye(31, dtype=np.uint8) * 255).save(tmp_path / f"{number}.png")
    with pytest.raises(DataError) as caught:
        load(cases, folder, size=64)
    assert [Path(problem.where).name for problem in caught.value.problems] == ["0.png", "2.png"]


def test_the_key_of_packed_pictures_follows_their_pixels(
    mnist: Path, make_mnist: Callable[..., Path], folder: Path
) -> None:
    cases = get("mnist").cases(mnist)
    key = load(cases, folder, size=32).key
    assert load(get("mnist").cases(make_mnist("copy", wrapped=False)), folder, size=32).key == key
    assert load(cases[1:], folder, size=32).key != key
    changed = cases[0].image.pictures.copy()
    changed[0, 3, 4] += 1
    assert load([replace(cases[0], image=Packed(changed, 0)), *cases[1:]], folder, size=32).key != key
