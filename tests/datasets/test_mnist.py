import gzip
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cvs_med.datasets import get
from cvs_med.errors import DataError
from cvs_med.images import read_image, read_mask
from cvs_med.types import Packed

REAL = Path(os.environ.get("CVS_MED_TEST_DATA", "../shared/data")) / "mnist"


def test_every_digit_is_a_case_with_its_part_and_label(mnist: Path) -> None:
    cases = get("mnist").cases(mnist)
    assert Counter(case.part for case in cases) == {"train": 40, "test": 20}
    assert [case.id for case in cases[:2]] == ["train-00000", "train-00001"]
    assert cases[40].id == "t10k-00000"
    assert len({case.id for case in cases}) == 60
    assert [case.label for case in cases] == [number % 10 for number in (*range(40), *range(20))]


def test_pixels_are_the_file_s_in_three_equal_channels_and_the_foreground_is_what_is_above_zero(
    make_mnist: Callable[..., Path],
) -> None:
    root = make_mnist(wrapped=False)
    stored = (root / "train-images-idx3-ubyte").read_bytes()[16:]
    pixels = np.frombuffer(stored, dtype=np.uint8).reshape(40, 28, 28)
    for case, expected in zip(get("mnist").cases(root), pixels, strict=False):
        assert case.mask is not None
        np.testing.assert_array_equal(read_image(case.image), np.stack([expected] * 3, axis=-1))
        np.testing.assert_array_equal(read_mask(case.mask), expected > 0)


def test_all_digits_of_a_part_share_one_array(mnist: Path) -> None:
    images = [case.image for case in get("mnist").cases(mnist)]
    assert all(isinstance(image, Packed) for image in images)
    assert len({id(image.pictures) for image in images}) == 2


def test_one_part_alone_is_enough(mnist: Path) -> None:
    for path in mnist.glob("t10k*"):
        path.unlink()
    assert {case.part for case in get("mnist").cases(mnist)} == {"train"}


def break_counts(root: Path, pack: Callable[[np.ndarray], bytes]) -> None:
    write(root / "t10k-labels-idx1-ubyte.gz", pack(np.zeros(19, dtype=np.uint8)))


def break_label(root: Path, pack: Callable[[np.ndarray], bytes]) -> None:
    labels = np.zeros(20, dtype=np.uint8)
    labels[[7, 9]] = 10
    write(root / "t10k-labels-idx1-ubyte.gz", pack(labels))


def break_pair(root: Path, pack: Callable[[np.ndarray], bytes]) -> None:
    (root / "t10k-labels-idx1-ubyte.gz").unlink()


def break_single(root: Path, pack: Callable[[np.ndarray], bytes]) -> None:
    write(root / "t10k-labels-idx1-ubyte", pack(np.zeros(20, dtype=np.uint8)))


def break_blank(root: Path, pack: Callable[[np.ndarray], bytes]) -> None:
    images = np.ones((20, 28, 28), dtype=np.uint8)
    images[4] = 0
    write(root / "t10k-images-idx3-ubyte.gz", pack(images))


def write(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize(
    ("change", "where", "says"),
    [
        (break_counts, "t10k-labels-idx1-ubyte.gz", "one for each image of t10k-images-idx3-ubyte.gz, found 19"),
        (break_label, "t10k-labels-idx1-ubyte.gz", "0 to 9, found 10 in record 7 of 20, the first of 2 such records"),
        (break_pair, "t10k-labels-idx1-ubyte", "one file, as it is or with .gz, found none"),
        (break_single, "t10k-labels-idx1-ubyte", "found t10k-labels-idx1-ubyte and t10k-labels-idx1-ubyte.gz"),
        (break_blank, "t10k-images-idx3-ubyte.gz", "found none in image 4 of 20, the first of 1 such images"),
    ],
)
def test_a_fault_is_one_problem_with_numbers(
    mnist: Path,
    pack_idx: Callable[[np.ndarray], bytes],
    change: Callable[[Path, Callable[[np.ndarray], bytes]], None],
    where: str,
    says: str,
) -> None:
    change(mnist, pack_idx)
    with pytest.raises(DataError) as caught:
        get("mnist").cases(mnist)
    (problem,) = caught.value.problems
    assert problem.where == where
    assert says in str(problem)


def test_the_faults_of_all_files_are_listed_at_once(mnist: Path) -> None:
    for path in mnist.iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(DataError) as caught:
        get("mnist").cases(mnist)
    assert {problem.where for problem in caught.value.problems} == {path.name for path in mnist.iterdir()}


def test_an_empty_folder_says_what_should_be_in_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"at least one of train-images-idx3-ubyte\.gz.*found none\. Name the folder"):
        get("mnist").cases(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real MNIST")
def test_the_real_digits_are_counted_as_published(tmp_path: Path) -> None:
    cases = get("mnist").cases(REAL)
    assert Counter(case.part for case in cases) == {"train": 60_000, "test": 10_000}
    counts = Counter(case.label for case in cases if case.part == "train")
    # LeCun's counts for the train part.
    assert [counts[digit] for digit in range(10)] == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    shutil.copytree(REAL, tmp_path / "copy")
    assert len(get("mnist").check(tmp_path / "copy")[1]) == 0
