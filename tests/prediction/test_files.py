from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cvs_med.errors import RunError
from cvs_med.prediction import files


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_a_folder_is_searched_in_order_and_hidden_and_other_files_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "b.JPG", "a.png", "notes.txt", ".hidden.png", ".thumbnails/c.png", "more/d\n.tif")
    assert [found.name for found in files.find([tmp_path], tmp_path / "out")] == ["a.png", "b.JPG", "more/d\n.tif"]


def test_dicom_without_an_ending_is_taken_and_the_answers_are_not(
    tmp_path: Path, dicom: Callable[..., Path]
) -> None:
    dicom(tmp_path / "IM0001", np.zeros((4, 4), np.uint8))
    make(tmp_path, "a.png", "answers/photographs/a.png/overlay.png")
    assert [found.name for found in files.find([tmp_path], tmp_path / "answers")] == ["IM0001", "a.png"]


def test_several_folders_are_told_apart_and_two_files_of_one_name_refused(tmp_path: Path) -> None:
    left, right = make(tmp_path / "left", "a.png"), make(tmp_path / "right", "a.png")
    assert [found.name for found in files.find([left, right], tmp_path / "out")] == ["left/a.png", "right/a.png"]
    with pytest.raises(RunError, match=r"twice: a\.png"):
        files.find([left / "a.png", right / "a.png"], tmp_path / "out")


def test_a_link_that_leaves_the_folder_is_not_read(tmp_path: Path) -> None:
    make(tmp_path, "outside.png", "folder/inside.png")
    (tmp_path / "folder" / "link.png").symlink_to(tmp_path / "outside.png")
    (tmp_path / "folder" / "within.png").symlink_to(tmp_path / "folder" / "inside.png")
    faults = {found.name: found.fault is not None for found in files.find([tmp_path / "folder"], tmp_path / "out")}
    assert faults == {"inside.png": False, "link.png": True, "within.png": False}


@pytest.mark.parametrize("names", [(), ("notes.txt",)])
def test_nothing_to_look_at_is_said(names: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="found none"):
        files.find([make(tmp_path, *names)], tmp_path / "out")
    with pytest.raises(RunError, match="found nothing at"):
        files.find([tmp_path / "absent.png"], tmp_path / "out")
