import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cvs_med.datasets import archive
from cvs_med.datasets.archive import Promise, install, read_manifest
from cvs_med.errors import DataError

LIMIT = 10_000_000
REBUILT = "manual1/02_h.tif"
Source = Callable[[Path, dict[str, str]], Path]


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.*") if path.is_file()}


def packed(path: Path, contents: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in contents.items():
            file.writestr(name, data)
    return path


@pytest.fixture
def manifest(fundus: Path) -> dict[str, Promise]:
    promises = {
        name: Promise(hashlib.sha256(data).hexdigest(), name == REBUILT) for name, data in files(fundus).items()
    }
    assert len(promises) == 18
    return promises


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "place"


@pytest.mark.parametrize("prefix", ["", "all/"])
def test_an_archive_is_unpacked_whole(
    fundus: Path, manifest: dict[str, Promise], target: Path, tmp_path: Path, prefix: str
) -> None:
    contents = {prefix + name: data for name, data in files(fundus).items()}
    install(packed(tmp_path / "a.zip", contents), target, manifest, max_bytes=LIMIT)
    assert files(target) == files(fundus)
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_is_copied_under_the_manifest_s_names(
    fundus: Path, manifest: dict[str, Promise], target: Path
) -> None:
    expected = files(fundus)
    (fundus / "images" / "01_dr.JPG").rename(fundus / "images" / "01_DR.jpg")
    (fundus / "images" / "extra.jpg").touch()
    install(fundus.parent, target, manifest, max_bytes=LIMIT)
    assert files(target) == expected


def test_no_entry_leaves_the_folder_or_adds_to_it(
    fundus: Path, manifest: dict[str, Promise], target: Path, tmp_path: Path
) -> None:
    evil = {"../../evil.txt": b"x", "/evil.txt": b"x", "images/../../../evil.txt": b"x", "images/setup.py": b"x"}
    install(packed(tmp_path / "a.zip", evil | files(fundus)), target, manifest, max_bytes=LIMIT)
    assert files(target) == files(fundus)
    assert not list(tmp_path.rglob("evil.txt"))


def test_all_wrong_files_are_listed_and_nothing_is_kept(
    fundus: Path, manifest: dict[str, Promise], target: Path, tmp_path: Path
) -> None:
    contents = files(fundus)
    contents["images/01_h.jpg"] += b"\0"
    contents["mask/01_g_mask.tif"] = b""
    del contents["manual1/01_dr.tif"]
    with pytest.raises(DataError) as caught:
        install(packed(tmp_path / "a.zip", contents), target, manifest, max_bytes=LIMIT)
    wheres = {problem.where for problem in caught.value.problems}
    assert wheres == {"images/01_h.jpg", "mask/01_g_mask.tif", "manual1/01_dr.tif"}
    assert not list(target.parent.iterdir())


def test_another_mask_is_accepted_only_for_a_rebuilt_one(
    fundus: Path, manifest: dict[str, Promise], target: Path
) -> None:
    Image.open(fundus / "manual1" / "01_h.tif").save(fundus / REBUILT)
    install(fundus, target, manifest, max_bytes=LIMIT)
    (fundus / REBUILT).write_bytes(b"no mask")
    with pytest.raises(DataError, match=REBUILT):
        install(fundus, target.with_name("other"), manifest, max_bytes=LIMIT)


@pytest.mark.parametrize("content", [b"", b"not a zip archive", None])
def test_a_damaged_archive_is_named(
    fundus: Path, manifest: dict[str, Promise], target: Path, tmp_path: Path, content: bytes | None
) -> None:
    path = packed(tmp_path / "a.zip", files(fundus))
    data = bytearray(path.read_bytes())
    data[2000] ^= 255
    path.write_bytes(bytes(data) if content is None else content)
    with pytest.raises(DataError, match=r"a\.zip"):
        install(path, target, manifest, max_bytes=LIMIT)


def test_more_than_the_allowed_bytes_are_not_unpacked(
    fundus: Path, manifest: dict[str, Promise], target: Path, tmp_path: Path
) -> None:
    contents = files(fundus) | {"images/01_h.jpg": bytes(LIMIT)}
    with pytest.raises(DataError, match="at most 10000000 bytes"):
        install(packed(tmp_path / "a.zip", contents), target, manifest, max_bytes=LIMIT)
    assert not list(target.parent.iterdir())


def test_a_folder_that_holds_something_else_is_verified_and_left_alone(fundus: Path) -> None:
    before = files(fundus)
    with pytest.raises(DataError, match="135 problems"):
        archive.fetch_hrf(fundus)
    assert files(fundus) == before


def test_the_manifest_of_hrf_is_whole() -> None:
    manifest = read_manifest(Path(archive.__file__).parent / "manifests" / "hrf.sha256")
    assert {name for name, promise in manifest.items() if promise.rebuilt} == {
        f"manual1/{number}_h.tif" for number in (11, 12, 13)
    }
    cases = {f"{number:02d}_{code}" for number in range(1, 16) for code in ("h", "dr", "g")}
    assert {Path(name).stem.removesuffix("_mask") for name in manifest} == cases
    assert len(manifest) == 3 * len(cases)
    assert all(len(promise.sha256) == 64 for promise in manifest.values())
