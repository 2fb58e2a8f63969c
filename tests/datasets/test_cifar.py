import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cvs_med.datasets import check_folds, cifar, get, read
from cvs_med.datasets.cifar import CIFAR100_LAYOUT
from cvs_med.errors import DataError
from cvs_med.images import read_image

REAL = Path(os.environ.get("CVS_MED_TEST_DATA", "../shared/data"))


def refusal(root: Path, name: str = "cifar10") -> str:
    with pytest.raises(DataError) as caught:
        get(name).cases(root)
    (problem,) = caught.value.problems
    return str(problem)


def test_pixels_are_planes_of_red_green_and_blue_row_by_row(cifar10: Path) -> None:
    record = (cifar10 / "data_batch_1.bin").read_bytes()[3 * 3073 : 4 * 3073]
    case = get("cifar10").cases(cifar10)[3]
    assert case.label == record[0] == 3
    pixels = read_image(case.image)
    for row, column, channel in ((0, 0, 0), (0, 31, 1), (31, 0, 2), (16, 17, 0), (5, 29, 2)):
        assert pixels[row, column, channel] == record[1 + 1024 * channel + 32 * row + column]


def test_any_subset_of_the_files_and_any_number_of_records_is_read(make_cifar10: Callable[..., Path]) -> None:
    alone = get("cifar10").cases(make_cifar10("alone", counts={"data_batch_3.bin": 7}))
    assert [case.id for case in alone] == [f"data_batch_3-{number:05d}" for number in range(7)]
    assert {case.part for case in alone} == {"train"}
    counts = {"data_batch_1.bin": 1, "data_batch_3.bin": 7, "test_batch.bin": 3}
    several = get("cifar10").cases(make_cifar10("several", counts=counts))
    assert Counter(case.id.split("-")[0] for case in several) == {
        "data_batch_1": 1, "data_batch_3": 7, "test_batch": 3
    }  # fmt: skip
    assert Counter(case.part for case in several) == {"train": 8, "test": 3}
    assert {case.id for case in alone} <= {case.id for case in several}


def test_the_fine_label_of_cifar_100_counts(tmp_path: Path, make_record: Callable[[int, bytes], bytes]) -> None:
    (tmp_path / "train.bin").write_bytes(make_record(0, bytes([19, 99])) + make_record(1, bytes([4, 0])))
    (tmp_path / "test.bin").write_bytes(make_record(2, bytes([1, 30])))
    cases = get("cifar100").cases(tmp_path)
    assert [(case.id, case.label, case.part) for case in cases] == [
        ("train-00000", 99, "train"), ("train-00001", 0, "train"), ("test-00000", 30, "test")
    ]  # fmt: skip
    assert [get("cifar100").class_names[label] for label in (0, 1, 30, 99)] == [
        "apple", "aquarium fish", "dolphin", "worm"
    ]  # fmt: skip
    expected = np.frombuffer(make_record(0, b""), dtype=np.uint8).reshape(3, 32, 32).transpose(1, 2, 0)
    np.testing.assert_array_equal(read_image(cases[0].image), expected)


@pytest.mark.parametrize(
    ("size", "found"),
    [
        (3073 * 5 + 1234, "16599 bytes, which are 5 records and 1234 bytes of another"),
        (3072, "3072 bytes, which are 0 records and 3072 bytes"),
        (0, "0 bytes, which are 0 records."),
    ],
)
def test_a_file_cut_within_a_record_is_refused_in_numbers(cifar10: Path, size: int, found: str) -> None:
    (cifar10 / "data_batch_1.bin").write_bytes(bytes(size))
    said = refusal(cifar10)
    assert said.startswith("data_batch_1.bin: expected 1 to 100,000 whole records of 3073 bytes each")
    assert found in said


def test_a_label_out_of_range_is_refused_in_numbers(cifar10: Path) -> None:
    content = bytearray((cifar10 / "test_batch.bin").read_bytes())
    content[3073 * 4], content[3073 * 6] = 10, 255
    (cifar10 / "test_batch.bin").write_bytes(content)
    expected = "every label from 0 to 9, found 10 in record 4 of 20, the first of 2 such records"
    assert refusal(cifar10).startswith(f"test_batch.bin: expected {expected}")


def test_both_labels_of_cifar_100_are_checked(tmp_path: Path, make_record: Callable[[int, bytes], bytes]) -> None:
    (tmp_path / "train.bin").write_bytes(make_record(0, bytes([20, 5])) + make_record(1, bytes([0, 100])))
    with pytest.raises(DataError) as caught:
        get("cifar100").cases(tmp_path)
    coarse, fine = map(str, caught.value.problems)
    assert "every coarse label from 0 to 19, found 20 in record 0 of 2" in coarse
    assert "every fine label from 0 to 99, found 100 in record 1 of 2" in fine


def test_a_file_that_is_too_large_is_not_read(cifar10: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar, "MAX_RECORDS", 30)
    monkeypatch.setattr(np, "fromfile", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(DataError, match=r"expected 1 to 30 whole records.*40 records"):
        cifar.read_records(cifar10 / "data_batch_1.bin", cifar.CIFAR10_LAYOUT)


def test_a_folder_in_a_file_s_place_is_named(cifar10: Path) -> None:
    (cifar10 / "data_batch_2.bin").mkdir()
    assert refusal(cifar10).startswith("data_batch_2.bin: expected ")


def test_a_folder_without_any_of_the_files_says_which(tmp_path: Path) -> None:
    said = refusal(tmp_path, "cifar100")
    assert said.startswith(f"{tmp_path}: expected at least one of train.bin, test.bin, found none.")


def test_cross_validation_leaves_the_test_part_alone(cifar10: Path) -> None:
    kind = get("cifar10")
    cases = read(kind, cifar10, folds=4)
    assert len(cases) == 40
    assert {case.part for case in cases} == {"train"}
    with pytest.raises(DataError, match="at least 5 cases for 5 folds, found 4"):
        read(kind, cifar10, folds=5)
    assert check_folds(kind.cases(cifar10), 6, kind.class_names) == []


def test_a_record_has_the_published_length() -> None:
    assert (cifar.CIFAR10_LAYOUT.record, CIFAR100_LAYOUT.record) == (3073, 3074)


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "cifar-100-binary").is_dir(), reason="needs the real CIFAR-10 and CIFAR-100")
@pytest.mark.parametrize(("name", "folder"), [("cifar10", "cifar-10-batches-bin"), ("cifar100", "cifar-100-binary")])
def test_the_real_images_are_as_many_of_each_class(name: str, folder: str) -> None:
    kind = get(name)
    cases = kind.cases(REAL / folder)
    for part in ("train", "test"):
        counts = Counter(case.label for case in cases if case.part == part)
        assert sorted(counts) == list(range(len(kind.class_names)))
        assert len(set(counts.values())) == 1


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "cifar-100-binary").is_dir(), reason="needs the real CIFAR-100")
def test_the_class_names_are_the_authors() -> None:
    lines = (REAL / "cifar-100-binary" / "fine_label_names.txt").read_text().split()
    assert list(get("cifar100").class_codes) == lines
    lines = (REAL / "cifar-10-batches-bin" / "batches.meta.txt").read_text().split()
    assert list(get("cifar10").class_codes) == lines
