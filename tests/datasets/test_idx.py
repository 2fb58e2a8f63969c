import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvs_med.datasets import idx
from cvs_med.datasets.idx import read_idx
from cvs_med.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
SHAPE = (28, 28)


@pytest.fixture
def good(pack_idx: Callable[[np.ndarray], bytes]) -> bytes:
    return pack_idx(IMAGES)


def refusal(path: Path, content: bytes, shape: tuple[int, ...] = SHAPE) -> str:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    with pytest.raises(DataError) as caught:
        read_idx(path, shape)
    (problem,) = caught.value.problems
    assert problem.where == str(path)
    assert problem.remedy.endswith(".")
    return str(problem)


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_a_file_is_read_as_it_is_or_wrapped(tmp_path: Path, good: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(good) if name.endswith("gz") else good)
    np.testing.assert_array_equal(read_idx(tmp_path / name, SHAPE), IMAGES)


@given(labels=st.binary(min_size=1, max_size=300))
def test_labels_come_back_in_order(tmp_path_factory: pytest.TempPathFactory, labels: bytes) -> None:
    path = tmp_path_factory.mktemp("idx") / "labels"
    path.write_bytes(struct.pack(">2xBBI", 8, 1, len(labels)) + labels)
    assert read_idx(path, ()).tobytes() == labels


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda good: b"", "expected the magic number 00000803 (2051), found an empty file"),
        (lambda good: b"\0\0\x08\x01" + good[4:], "magic number 00000803 (2051), found 00000801 (2049)"),
        (lambda good: b"\0\0\x0d" + good[3:], "found 00000d03 (3331)"),
        (lambda good: good[:9], "a whole header, found 9 bytes"),
        (lambda good: good[:11] + b"\x1d" + good[12:], "1 to 127,551 x 28 x 28, found 5 x 29 x 28"),
        (lambda good: good[:4] + bytes(4) + good[8:], "found 0 x 28 x 28"),
        (lambda good: good[:4] + b"\xff" * 4 + good[8:], "found 4294967295 x 28 x 28"),
        (lambda good: good[:-1], "3920 bytes after the header, for 5 x 28 x 28 values, found only 3919"),
        (lambda good: good[:16], "found only 0. Copy the file again from its source; it is cut short."),
        (lambda good: good + b"\0", "3920 bytes after the header, for 5 x 28 x 28 values, found more"),
    ],
)
def test_what_is_wrong_is_said_in_numbers(
    tmp_path: Path, good: bytes, name: str, change: Callable[[bytes], bytes], says: str
) -> None:
    assert says in refusal(tmp_path / name, change(good))


def test_images_under_the_name_of_labels_are_refused(tmp_path: Path, good: bytes) -> None:
    assert "magic number 00000801 (2049), found 00000803 (2051)" in refusal(tmp_path / "labels", good, ())


@pytest.mark.parametrize("cut", [1, 5, 200, -9, -3])
def test_a_cut_gzip_file_is_named(tmp_path: Path, good: bytes, cut: int) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(good)[:cut])
    with pytest.raises(DataError, match=r"images\.gz: expected a whole file|empty file"):
        read_idx(path, SHAPE)


def test_a_file_that_is_no_gzip_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(b"no gzip")
    for name, says in (("a.gz", "Not a gzipped file"), ("none", "No such file")):
        with pytest.raises(DataError, match=says):
            read_idx(tmp_path / name, SHAPE)


def test_a_bomb_is_not_unwrapped(tmp_path: Path, good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Counting(gzip.GzipFile):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(size or -1)
            return super().read(size)

    (tmp_path / "images.gz").write_bytes(gzip.compress(good + bytes(30_000_000)))
    monkeypatch.setattr(idx, "open_content", Counting)
    with pytest.raises(DataError, match="found more"):
        read_idx(tmp_path / "images.gz", SHAPE)
    assert sum(asked) <= len(good) + 1
    assert all(size > 0 for size in asked)
