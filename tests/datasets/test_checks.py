from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvs_med.datasets import get
from cvs_med.datasets.checks import check_folds, check_writable
from cvs_med.types import Case


def test_all_faults_of_all_files_are_listed_with_names_and_remedies(fundus: Path) -> None:
    grey = np.full((40, 60), 90, dtype=np.uint8)
    images, vessels, views = fundus / "images", fundus / "manual1", fundus / "mask"
    (images / "01_h.jpg").write_bytes((images / "01_h.jpg").read_bytes()[:1500])
    Image.fromarray(grey).save(images / "01_dr.JPG", "JPEG")
    Image.fromarray(grey).save(vessels / "01_g.tif")
    Image.fromarray(grey[:30] * 0 + 255).save(views / "01_g_mask.tif")
    Image.fromarray(grey * 0).save(vessels / "02_dr.tif")
    (views / "02_h_mask.tif").unlink()
    problems = get("hrf").check(fundus)[1]
    found = {problem.where: problem.found for problem in problems}
    assert found.keys() == {
        "images/01_h.jpg",
        "images/01_dr.JPG",
        "manual1/01_g.tif",
        "mask/01_g_mask.tif",
        "manual1/02_dr.tif",
        "mask/02_h_mask",
    }
    assert len(problems) == len(found)
    assert found["images/01_dr.JPG"] == "8-bit grey"
    assert found["mask/01_g_mask.tif"] == "60 x 30"
    assert found["manual1/02_dr.tif"] == "an empty one"
    assert all(problem.remedy.endswith(".") for problem in problems)


def test_a_class_needs_as_many_cases_as_folds() -> None:
    cases = [Case(f"{index}", Path(f"{index}.jpg"), label) for index, label in enumerate([0, 0, 0, 1, 1])]
    names = ("zero", "one", "two")
    assert check_folds(cases, 2, ("zero", "one")) == []
    problems = check_folds(cases, 3, names)
    assert [(problem.where, problem.found) for problem in problems] == [("class 'one'", "2"), ("class 'two'", "0")]


def test_a_folder_may_be_written_if_there_is_room(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    assert check_writable(folder, 1000) == []
    assert not (tmp_path / "not").exists()
    (problem,) = check_writable(folder, 10**18)
    assert problem.expected == "1,000,000,000,000 MB of free space"


def test_a_file_in_the_way_and_a_forbidden_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (problem,) = check_writable(tmp_path / "file" / "run", 1)
    assert problem.expected == "a folder that can be written"

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    (problem,) = check_writable(tmp_path, 1)
    assert problem.found == "Permission denied"
