"""What a user's own folder may look like, and what is said where it may not."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvs_med import datasets
from cvs_med.errors import DataError
from cvs_med.images import read_foreground
from cvs_med.types import Case, OwnFile


def check(root: Path) -> tuple[list[Case], list[str]]:
    """List the cases, and where and what every problem is."""
    try:
        kind, root = datasets.opened("folder", root)
    except DataError as error:
        return [], [str(problem) for problem in error.problems]
    cases, problems = kind.check(root)
    return cases, [str(problem) for problem in problems]


def test_a_folder_with_a_table_is_read(own_folder: Path) -> None:
    kind, root = datasets.opened("folder", own_folder)
    cases, problems = kind.check(root)
    assert problems == []
    assert kind.class_names == ("benign", "malignant")
    assert [case.id for case in cases][:2] == ["P00_b0", "P00_b1"]
    assert [case.label for case in cases] == [0] * 4 + [1] * 4
    assert {case.group for case in cases} == {"P00", "P01", "P02", "P03"}
    assert all(case.mask is not None for case in cases)


@pytest.mark.parametrize("write", [
    lambda rows: "\ufeff" + "\r\n".join(rows) + "\r\n",
    lambda rows: "\n\n".join(row.replace(",", ";") for row in rows),
    lambda rows: "\n".join(f"{row},,," for row in rows) + "\n,,,,,\n",
    lambda rows: "\r\n".join(row.replace(",", "\t") for row in rows),
    lambda rows: "\n".join([rows[0].upper(), *(row.replace(",", ".png,", 1) for row in reversed(rows[1:]))]),
])  # fmt: skip
def test_a_table_may_come_from_any_spreadsheet(own_folder: Path, write: Callable[[list[str]], str]) -> None:
    expected = check(own_folder)[0]
    rows = (own_folder / "labels.csv").read_text().splitlines()
    (own_folder / "labels.csv").write_bytes(write(rows).encode())
    assert check(own_folder) == (expected, [])


def test_subfolders_name_the_classes(own_folder: Path) -> None:
    (own_folder / "labels.csv").unlink()
    for path in sorted((own_folder / "images").iterdir()):
        label = "größer 3 mm" if "_m" in path.name else "kleiner"
        for folder in ("images", "masks"):
            (own_folder / folder / label).mkdir(exist_ok=True)
            (own_folder / folder / path.name).rename(own_folder / folder / label / path.name)
    cases, problems = check(own_folder)
    assert problems == []
    assert datasets.opened("folder", own_folder)[0].class_names == ("größer 3 mm", "kleiner")
    assert [case.label for case in cases] == [1] * 4 + [0] * 4
    assert all(case.mask is not None for case in cases)


def test_dataset_yaml_names_orders_and_groups(own_folder: Path) -> None:
    (own_folder / "labels.csv").unlink()
    (own_folder / "dataset.yaml").write_text(
        "title: Moles\nclasses: {m: malignant mole, b: benign mole}\nforeground_name: moles\n"
        "labels: names\nlabel_pattern: '_([a-z])'\ngroup: {pattern: '^(P[0-9]+)_'}\nfield_of_view: automatic\n"
    )
    kind, root = datasets.opened("folder", own_folder)
    cases, problems = kind.check(root)
    assert problems == []
    assert (kind.title, kind.foreground, kind.class_codes) == ("Moles", "moles", ("m", "b"))
    assert kind.class_names == ("malignant mole", "benign mole")
    assert {case.id: (case.label, case.group) for case in cases}["P02_m0"] == (0, "P02")
    assert {case.field_of_view for case in cases} == {"automatic"}


def test_every_problem_is_listed_at_once(own_folder: Path, tmp_path: Path) -> None:
    images, masks = own_folder / "images", own_folder / "masks"
    shutil.copy(images / "P00_b0.png", images / "P00_b0.bmp")  # The same name twice.
    Image.fromarray(np.zeros((4, 4, 3), dtype=np.uint8)).save(images / "no label.png")
    (images / "P00_b1.png").unlink()  # A label and a mask without an image.
    (images / "two\nlines.png").write_bytes(b"")
    (images / "50%.png").write_bytes(b"")
    (images / "notes.docx").write_bytes(b"")
    (images / "Thumbs.db").write_bytes(b"")
    (masks / "P01_b2.jpg").write_bytes(b"")
    shutil.copy(images / "P02_m0.png", tmp_path / "elsewhere.png")
    (images / "linked.png").symlink_to(tmp_path / "elsewhere.png")
    (images / "broken.png").symlink_to(tmp_path / "nothing.png")
    Image.fromarray(np.full((9, 9), 255, dtype=np.uint8)).save(masks / "P02_m1.png")
    (images / "P03_m2.png").write_bytes((images / "P03_m2.png").read_bytes()[:200])
    with (own_folder / "labels.csv").open("a") as file:
        file.write("P02_m0,benign,P02\nP03_m2,,\nnobody,benign,\n")
    found = check(own_folder)[1]
    expected = [
        "images/P00_b0.", "images/no label.png: expected a line for it", "masks/P00_b1.png: expected an image",
        "images/two\\nlines.png: expected a name that can name a case", "images/50%.png: expected a name",
        "images/notes.docx: expected an image", "masks/P01_b2.jpg: expected a mask",
        "images/linked.png: expected a file in this folder", "images/broken.png: expected a file in this folder",
        "masks/P02_m1.png: expected the size of its photograph, 60 x 40, found 9 x 9",
        "images/P03_m2.png: expected a whole image", "labels.csv, line 10: expected one line for P02_m0",
        "labels.csv, line 11: expected one line for P03_m2", "labels.csv, line 12: expected an image of the name",
        "labels.csv, line 3: expected an image of the name 'P00_b1'",
    ]  # fmt: skip
    for start in expected:
        assert sum(line.startswith(start) for line in found) == 1, (start, found)
    assert len(found) == len(expected)
    assert all("\n" not in line and line.endswith(".") for line in found)


def test_mixed_sizes_and_unicode_and_spaces_are_allowed(own_folder: Path) -> None:
    for folder in ("images", "masks"):
        (own_folder / folder / "P00_b0.png").rename(own_folder / folder / "Müller links (2).png")
        other = Image.open(own_folder / folder / "P00_b1.png").resize((31, 77), Image.Resampling.NEAREST)
        other.save(own_folder / folder / "P00_b1.png")
    table = (own_folder / "labels.csv").read_text()
    # As another system decomposes it: u and two dots.
    (own_folder / "labels.csv").write_text(table.replace("P00_b0", "Mu\u0308ller links (2)"))
    cases, problems = check(own_folder)
    assert problems == []
    assert "Müller links (2)" in {case.id for case in cases}


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("", "an empty file"),
        ("name,class\nx,y\n", "expected a first line that names case_id, label once each, found name, class"),
        ('case_id,label\n"P00', "unexpected end of data"),
        ("case_id,label\nP00_b0,a\0b\n", "zero bytes"),
    ],
)
def test_a_table_that_is_none_is_one_problem(own_folder: Path, table: str, found: str) -> None:
    (own_folder / "labels.csv").write_text(table)
    (problem,) = check(own_folder)[1]
    assert found in problem


def test_a_table_in_another_encoding_is_refused(own_folder: Path) -> None:
    (own_folder / "labels.csv").write_bytes("case_id,label\nP00_b0,gutartig é\n".encode("cp1252"))
    (problem,) = check(own_folder)[1]
    assert "expected text in UTF-8" in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("titel: x", ["dataset.yaml, titel: expected one of title, classes"]),
        ("classes: {no: healthy}", ["dataset.yaml, classes.0: expected a valid string, found False"]),
        ("group: {pattern: '('}", ["dataset.yaml, group.pattern: expected a regular expression"]),
        ("group: {pattern: '%s'}" % ("a" * 300), ["dataset.yaml, group.pattern: expected at most 200 signs"]),
        ("volumes: {slice: -1, plane: oblique}", ["dataset.yaml, volumes.plane", "dataset.yaml, volumes.slice"]),
        ("window: {centre: 40, width: 0}", ["dataset.yaml, window.width: expected greater than 0"]),
        ("labels: names", ["dataset.yaml: expected label_pattern"]),
        ("a: [", ["dataset.yaml: expected YAML"]),
        ("a: &x [1]\nb: *x", ["dataset.yaml: expected YAML without aliases"]),
        ("!!python/object/apply:os.system ['true']", ["dataset.yaml: expected YAML"]),
        ("- 1", ["dataset.yaml: "]),
        ("title: \"two\\nlines\"", ["dataset.yaml, title: expected words without line breaks"]),
        ("empty_masks: sometimes", ["dataset.yaml, empty_masks"]),
    ],
)  # fmt: skip
def test_faults_of_dataset_yaml_name_the_field(own_folder: Path, text: str, expected: list[str]) -> None:
    (own_folder / "dataset.yaml").write_text(text)
    found = check(own_folder)[1]
    for start in expected:
        assert any(line.startswith(start) for line in found), found


def test_a_regular_expression_that_never_ends_is_stopped(own_folder: Path) -> None:
    for folder in ("images", "masks"):
        (own_folder / folder / "P00_b0.png").rename(own_folder / folder / f"{'a' * 60}!.png")
    (own_folder / "labels.csv").write_text((own_folder / "labels.csv").read_text().replace("P00_b0", "a" * 60 + "!"))
    (own_folder / "dataset.yaml").write_text("group: {pattern: '^(a|aa|a+)+$'}")
    assert any("done in a moment" in line for line in check(own_folder)[1])


def test_an_unknown_class_and_a_single_class_are_told(own_folder: Path) -> None:
    (own_folder / "dataset.yaml").write_text("classes: {benign: benign, malign: malignant}")
    assert any("label 'malignant': expected one of the classes" in line for line in check(own_folder)[1])
    (own_folder / "dataset.yaml").unlink()
    (own_folder / "labels.csv").write_text((own_folder / "labels.csv").read_text().replace("malignant", "benign"))
    assert any("expected at least two classes, found one" in line for line in check(own_folder)[1])


def test_names_that_differ_by_capital_letters_alone_are_refused(own_folder: Path) -> None:
    shutil.copy(own_folder / "images" / "P00_b1.png", own_folder / "images" / "p00_B0.png")
    assert any("expected one file of this name" in line for line in check(own_folder)[1])


def test_a_folder_that_is_a_link_elsewhere_is_refused(own_folder: Path, tmp_path: Path) -> None:
    os.rename(own_folder / "masks", tmp_path / "far")
    (own_folder / "masks").symlink_to(tmp_path / "far")
    found = check(own_folder)[1]
    assert len(found) == 8
    assert all("expected a file in this folder" in line for line in found)
    (own_folder / "masks").unlink()
    os.rename(tmp_path / "far", own_folder / "real")
    (own_folder / "masks").symlink_to("real")
    assert check(own_folder)[1] == []


def test_an_empty_mask_means_what_dataset_yaml_says(own_folder: Path) -> None:
    Image.fromarray(np.zeros((40, 60), dtype=np.uint8)).save(own_folder / "masks" / "P00_b0.png")
    assert any("P00_b0.png: expected a mask, found an empty one" in line for line in check(own_folder)[1])
    for text, share in (("empty_masks: allowed", 0), ("empty_masks: {benign: field}", 1)):
        (own_folder / "dataset.yaml").write_text(text)
        cases, problems = check(own_folder)
        assert problems == []
        mask = read_foreground(cases[0], (40, 60))
        assert mask is not None
        assert mask.mean() == share
        assert 0 < read_foreground(cases[1], (40, 60)).mean() < 1  # type: ignore[union-attr]  # there is one
    (own_folder / "dataset.yaml").write_text("empty_masks: {malignant: allowed}")
    assert any("found an empty one" in line for line in check(own_folder)[1])


def test_the_whole_field_may_be_the_foreground(own_folder: Path) -> None:
    shutil.rmtree(own_folder / "masks")
    assert {case.mask for case in check(own_folder)[0]} == {None}
    (own_folder / "dataset.yaml").write_text("foreground: field")
    cases, problems = check(own_folder)
    assert problems == []
    assert {case.mask for case in cases} == {"field"}
    assert read_foreground(cases[0], (4, 4)).all()  # type: ignore[union-attr]  # there is one


def test_images_of_more_than_eight_bits_are_said_to_be_scaled(own_folder: Path) -> None:
    deep = (np.arange(2400, dtype=np.uint16) * 10).reshape(40, 60)
    Image.fromarray(deep).save(own_folder / "images" / "P00_b0.png")
    notes = datasets.opened("folder", own_folder)[0].notes
    assert any(note.startswith("1 of 8 images have more than 8 bits") and "99.5th percentile" in note for note in notes)


def test_a_case_is_a_file_of_the_user_s_own(own_folder: Path) -> None:
    (case, *_), _ = check(own_folder)
    assert case.image == OwnFile(own_folder / "images" / "P00_b0.png")
