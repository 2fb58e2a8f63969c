import gzip
import hashlib
from pathlib import Path

import pytest

from cvs_med.datasets import get, manifest
from cvs_med.datasets.manifest import Promise, compare, read_manifest, verify

PROMISED = {name: Promise(hashlib.sha256(name.encode()).hexdigest(), False) for name in ("a", "b", "c", "d", "e")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of five files one as promised, one as promised within gzip, one of other content, one damaged, one missing."""
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"b"))
    (tmp_path / "c.gz").write_bytes(gzip.compress(b"other"))
    (tmp_path / "d.gz").write_bytes(gzip.compress(b"d")[:-3])
    return tmp_path


def test_files_are_compared_with_what_was_published(folder: Path) -> None:
    found = compare(folder, PROMISED, max_bytes=1000)
    assert found == {"a": "same", "b": "same", "c": "other", "d": "other", "e": "missing"}


def test_a_damaged_file_is_told_from_another_one(folder: Path) -> None:
    problems = verify(folder, PROMISED, max_bytes=1000, remedy="Copy it again.")
    found = {problem.where: (problem.expected, problem.found) for problem in problems}
    assert found.keys() == {"c", "d", "e"}
    assert found["c"] == (f"SHA-256 {PROMISED['c'].sha256[:12]}...", f"{hashlib.sha256(b'other').hexdigest()[:12]}...")
    assert found["d"][0] == "a whole file"
    assert "ended before" in found["d"][1]
    assert found["e"] == ("a file", "none")


def test_the_manifest_of_hrf_is_whole() -> None:
    promised = read_manifest(Path(manifest.__file__).parent / "manifests" / "hrf.sha256")
    assert {name for name, promise in promised.items() if promise.rebuilt} == {
        f"manual1/{number}_h.tif" for number in (11, 12, 13)
    }
    cases = {f"{number:02d}_{code}" for number in range(1, 16) for code in ("h", "dr", "g")}
    assert {Path(name).stem.removesuffix("_mask") for name in promised} == cases
    assert len(promised) == 3 * len(cases)
    assert all(len(promise.sha256) == 64 for promise in promised.values())


@pytest.mark.parametrize("name", ["hrf", "mnist", "cifar10", "cifar100"])
def test_what_authors_published_is_whole(name: str) -> None:
    known = get(name).official
    assert known is not None
    checksums = [promise.sha256 for promise in known.promises().values()] + list(known.downloads.values())
    assert all(len(checksum) == 64 and int(checksum, 16) for checksum in checksums)
    assert all(url.startswith("https://") for url in known.downloads)


def test_the_manifests_list_the_files_that_are_read() -> None:
    from cvs_med.datasets import cifar, mnist

    layouts = {"cifar10": cifar.CIFAR10_LAYOUT, "cifar100": cifar.CIFAR100_LAYOUT}
    for name, layout in layouts.items():
        known = get(name).official
        assert known is not None
        assert list(known.promises()) == list(layout.files)
    known = get("mnist").official
    assert known is not None
    assert {f"{name}.gz" for name in known.promises()} == set(mnist.DOWNLOADS)
