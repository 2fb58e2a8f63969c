import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvs_med import tables
from cvs_med.errors import RunError
from cvs_med.tables import MaskRow
from cvs_med.types import Prediction

NAMES = ["healthy", "diabetic retinopathy"]
ROWS = [
    Prediction("01_h", "s1", 0, 0, (1 - 1 / 3, 1 / 3)),
    Prediction('a "b", c', "", 1, 1, (0.1, 0.9)),
]


def test_predictions_come_back_bit_by_bit(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    tables.write_predictions(path, ROWS, NAMES)
    first = path.read_bytes()
    assert first.splitlines()[0] == b"case_id,group,fold,label,predicted,p_healthy,p_diabetic_retinopathy"
    assert tables.read_predictions(path, NAMES) == ROWS
    tables.write_predictions(path, tables.read_predictions(path, NAMES), NAMES)
    assert path.read_bytes() == first


@settings(max_examples=40)
@given(st.floats(0, 1))
def test_every_probability_survives(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    path = tmp_path_factory.getbasetemp() / "predictions.csv"
    rows = [Prediction("a", "", 0, 0, (share, 1 - share))]
    tables.write_predictions(path, rows, NAMES)
    assert tables.read_predictions(path, NAMES) == rows


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("case_id,group", "group,case_id", "line 1: expected the header"),
        ("01_h,s1,0,healthy", "01_h,s1,0,Healthy", "line 2: expected one of the classes"),
        ("0.1,0.9", "0.1,1.9", "line 3: expected a number from 0 to 1, found '1.9'"),
        ("0.1,0.9", "0.1,nan", "line 3: expected a number from 0 to 1, found 'nan'"),
        ("0.1,0.9", "0.1,0.8999", "line 3: expected probabilities that sum to 1"),
        ("0.1,0.9", "0.9,0.1", "line 3: expected the most probable class"),
        ("0.1,0.9", "0.1", "line 3: expected 7 cells, found 6"),
        ("01_h,s1,0", "01_h,s1,-1", "line 2: expected a fold number"),
        ("01_h,", "../01_h,", "line 2: expected a case_id that can name a file"),
        ('"a ""b"', '"a "b"', "line 3"),
    ],
)
def test_a_damaged_row_is_named_by_its_line(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "predictions.csv"
    tables.write_predictions(path, ROWS, NAMES)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(RunError, match=r"predictions\.csv") as caught:
        tables.read_predictions(path, NAMES)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"\xff\xfe"), Path.touch])
def test_a_file_that_is_missing_or_no_text_or_empty_is_refused(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text("")
    spoil(path)
    with pytest.raises(RunError, match=r"predictions\.csv"):
        tables.read_predictions(path, NAMES)


def test_segmentation_keeps_what_is_not_known_empty(tmp_path: Path) -> None:
    path = tmp_path / "segmentation.csv"
    rows = [tables.Segmentation("a", 0, 1 / 3, None, 0.1, None)]
    tables.write_segmentation(path, rows)
    assert path.read_text().splitlines()[1] == "a,0,0.3333333333333333,,0.1,"
    assert tables.read_segmentation(path) == rows


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        tables.write_bytes(path, b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"old")]


def test_masks_come_back_and_an_unknown_source_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "masks.csv"
    rows = [MaskRow("a", "given", None, 0.25, None), MaskRow("b", "propagated", 1 / 3, 0.5, 0.1)]
    tables.write_masks(path, rows)
    assert tables.read_masks(path) == rows
    path.write_text(path.read_text().replace("given", "manual"))
    with pytest.raises(RunError, match="line 2: expected one of the sources given, propagated, guessed"):
        tables.read_masks(path)
