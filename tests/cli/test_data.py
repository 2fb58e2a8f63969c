"""`cvs-med data`: check, make, fetch."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cvs_med.cli import main


def data(*options: object) -> Result:
    return CliRunner().invoke(main, ["data", *map(str, options)])


def refusal(result: Result) -> str:
    assert result.exit_code == 2, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    return result.stderr


def test_a_good_folder_is_counted(phantom_folder: Path) -> None:
    result = data("check", "--dataset", "phantom", "--data-dir", phantom_folder, "--folds", 3)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert f"{phantom_folder}: 9 cases, no problem found." in result.stdout
    for line in ("healthy: 3", "diabetic retinopathy: 3", "glaucoma: 3", "groups: "):
        assert line in result.stdout


def test_groups_that_are_not_known_are_said_to_be_so(make_fundus: Callable[..., Path]) -> None:
    folder = make_fundus(minutes=None)
    result = data("check", "--dataset", "hrf", "--data-dir", folder, "--folds", 2)
    assert result.exit_code == 0, result.output
    assert "groups: not known" in result.stdout


def test_all_faults_are_listed_at_once_each_with_its_remedy(make_fundus: Callable[..., Path]) -> None:
    folder = make_fundus(cases=3)
    (folder / "manual1" / "02_dr.tif").unlink()
    (folder / "images" / "03_g.jpg").write_bytes(b"no image")
    (folder / "mask" / "01_h_mask.tif").write_bytes((folder / "mask" / "01_h_mask.tif").read_bytes()[:50])
    said = refusal(data("check", "--dataset", "hrf", "--data-dir", folder, "--folds", 4))
    lines = said.splitlines()
    assert lines[0] == "Error: The data set has 6 problems:"
    for place in ("manual1/02_dr", "images/03_g.jpg", "mask/01_h_mask.tif", "class 'healthy'", "class 'glaucoma'"):
        assert sum(line.startswith(f"  {place}: expected ") for line in lines) == 1, said
    assert len(lines) == 7
    assert all(line.endswith(".") for line in lines[1:])


def test_checking_changes_nothing(make_fundus: Callable[..., Path]) -> None:
    folder = make_fundus()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert data("check", "--dataset", "hrf", "--data-dir", folder, "--folds", 2).exit_code == 0
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--dataset", "nonsense"), "phantom, digits, mnist, cifar10, cifar100, folder, found 'nonsense'"),
        (("--dataset", "folder"), "Name it with `--data-dir DIR`"),
        (("--dataset", "hrf"), "cvs-med data fetch hrf"),
        (("--dataset", "hrf", "--data-dir", "/nonexistent"), "found none at /nonexistent"),
    ],
)
def test_data_that_is_not_there_is_one_sentence(options: tuple[str, ...], said: str) -> None:
    assert said in refusal(data("check", *options))


def test_an_empty_folder_is_one_problem(tmp_path: Path) -> None:
    said = refusal(data("check", "--dataset", "hrf", "--data-dir", tmp_path))
    assert "has 1 problem:" in said
    assert "Name the folder that holds images, manual1 and mask" in said


def test_embedded_digits_are_written_on_first_use(own_folders: Path) -> None:
    result = data("check", "--dataset", "digits")
    assert result.exit_code == 0, result.output
    assert "1797 cases, no problem found" in result.stdout
    assert (own_folders / "data" / "cvs-med" / "digits" / "labels.csv").exists()


def test_phantoms_are_made_where_asked(tmp_path: Path) -> None:
    options = ("--out", tmp_path / "new", "--cases", 6, "--size", 64, "--seed", 3)
    result = data("make", "phantom", *options)
    assert result.exit_code == 0, result.output
    assert "6 photographs" in result.stdout
    assert data("check", "--dataset", "phantom", "--data-dir", tmp_path / "new", "--folds", 2).exit_code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--cases", 2), "expected 3 cases or more"),
        (("--size", 8), "a size of 64 to 4096 pixels, found 8"),
        (("--seed", -1), "a seed of 0 or more"),
    ],
)
def test_phantoms_that_cannot_be_made_are_refused(tmp_path: Path, options: tuple[object, ...], said: str) -> None:
    assert said in refusal(data("make", "phantom", "--out", tmp_path / "new", *options))
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_not_hrf_is_not_taken_for_it(tmp_path: Path, fundus: Path) -> None:
    said = refusal(data("fetch", "hrf", "--from", fundus, "--out", tmp_path / "target"))
    assert "15_dr" in said
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    "options",
    [("fetch", "phantom"), ("make", "hrf", "--out", "x"), ("make", "phantom"), ("fetch", "hrf", "--from", "/nowhere")],
)
def test_what_click_refuses_ends_with_the_same_code(options: tuple[str, ...]) -> None:
    result = data(*options)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


def test_a_packed_data_set_is_counted_by_file_class_and_part(make_cifar10: Callable[..., Path]) -> None:
    folder = make_cifar10(counts={"data_batch_2.bin": 30, "test_batch.bin": 20})
    result = data("check", "--dataset", "cifar10", "--data-dir", folder, "--folds", 3)
    assert result.exit_code == 0, result.output
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0] == f"{folder}: 50 cases, no problem found."
    assert lines[1:6] == [
        "data_batch_2: 30 images",
        "test_batch: 20 images",
        "0 of 6 files as published",
        "of other content than published: data_batch_2.bin, test_batch.bin",
        "not there: data_batch_1.bin, data_batch_3.bin, data_batch_4.bin, data_batch_5.bin",
    ]
    assert "airplane: 3 train, 2 test" in lines


def test_folds_are_planned_for_the_train_part(mnist: Path) -> None:
    assert data("check", "--dataset", "mnist", "--data-dir", mnist, "--folds", 4).exit_code == 0
    said = refusal(data("check", "--dataset", "mnist", "--data-dir", mnist, "--folds", 5))
    assert said.count("at least 5 cases for 5 folds, found 4") == 10


def test_a_packed_file_at_fault_is_refused_with_numbers(cifar10: Path) -> None:
    path = cifar10 / "test_batch.bin"
    path.write_bytes(path.read_bytes()[:-100])
    said = refusal(data("check", "--dataset", "cifar10", "--data-dir", cifar10, "--folds", 2))
    assert "test_batch.bin: expected 1 to 100,000 whole records of 3073 bytes each, found 61360 bytes" in said
    assert said.startswith("Error: The data set has 1 problem:")


def test_a_damaged_train_part_is_one_problem_whatever_the_test_part_holds(mnist: Path) -> None:
    (mnist / "train-images-idx3-ubyte.gz").write_bytes(b"no gzip")
    said = refusal(data("check", "--dataset", "mnist", "--data-dir", mnist, "--folds", 2))
    assert said.startswith("Error: The data set has 1 problem:")


def test_a_test_part_alone_is_one_problem(make_cifar10: Callable[..., Path]) -> None:
    folder = make_cifar10(counts={"test_batch.bin": 20})
    said = refusal(data("check", "--dataset", "cifar10", "--data-dir", folder))
    assert "has 1 problem:" in said
    assert "every class: expected at least 5 cases for 5 folds, found none to learn from" in said
    assert "the files of the train part" in said


def test_stand_in_masks_are_made_and_never_called_manual(cifar10: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    options = ("--data-dir", cifar10, "--out", tmp_path / "masks", "--per-class", 1, "--seed", 2)
    result = data("masks", "--dataset", "cifar10", "--method", "grabcut", *options)
    assert result.exit_code == 0, result.output
    assert "10 masks by GrabCut" in result.stdout
    assert "not by hand" in result.stdout
    assert "plain ellipses, where the cut found next to nothing or nearly all: 0" in result.stdout
    assert len(list((tmp_path / "masks").glob("data_batch_1-*.png"))) == 10
    assert "GrabCut" in (tmp_path / "masks" / "masks.json").read_text()
    assert "found something in it" in refusal(data("masks", "--dataset", "cifar10", *options))


def test_more_masks_than_a_class_has_images_are_refused(cifar10: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    options = ("--data-dir", cifar10, "--out", tmp_path / "masks", "--per-class", 5)
    assert "class 'truck': expected at least 5 cases to draw 5 from, found 4" in refusal(
        data("masks", "--dataset", "cifar10", *options)
    )
    assert not (tmp_path / "masks").exists()


def test_every_data_set_that_can_be_fetched_can_be_asked_for() -> None:
    from cvs_med.cli.data import fetch
    from cvs_med.datasets import DATASETS

    (names,) = [parameter.type.choices for parameter in fetch.params if parameter.name == "name"]
    assert list(names) == [name for name, kind in DATASETS.items() if kind.official]
