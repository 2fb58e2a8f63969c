"""Which class and which patient an image is of: from labels.csv, from the subfolders, or from the file names."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cvs_med.datasets.folder import patterns
from cvs_med.datasets.folder.files import Found
from cvs_med.datasets.folder.names import inside, natural, normal
from cvs_med.datasets.folder.settings import Group, Settings
from cvs_med.errors import DataError, Problem, fault, printable, reason

FILE = "labels.csv"

_LARGEST = 50_000_000
_LONGEST = 100
"""Signs of a label or a group at most."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of one image: its class as written there, and its group if there is one."""

    code: str
    group: str | None = None


def source(root: Path, settings: Settings) -> Literal["csv", "folders", "names"]:
    """Say where the labels come from."""
    return settings.labels or ("csv" if (root / FILE).is_file() else "folders")


def read(root: Path, settings: Settings, images: Mapping[str, Found]) -> tuple[dict[str, Label], list[Problem]]:
    """Label the images.

    Returns:
        The labels by the name of the case, and what is missing, doubled, or of no image.
    """
    try:
        kind = source(root, settings)
        if kind == "csv":
            found, problems = _from_table(root, settings.group, images)
        elif kind == "folders":
            found, problems = {name: Label(file.folder) for name, file in images.items() if file.folder}, []
        else:
            found, problems = _from_names(settings.label_pattern or "", images), []
        found = _grouped(found, settings.group.pattern)
    except DataError as error:
        return {}, list(error.problems)
    problems += [_unlabelled(name, images[name], kind) for name in images if name not in found]
    problems += [
        Problem(f"images/{name}", "a patient in its name, by group.pattern of dataset.yaml", "none", "Correct either.")
        for name, label in found.items()
        if settings.group.pattern and label.group is None
    ]
    return found, problems + _unknown(found, settings)


def codes(found: Mapping[str, Label], settings: Settings) -> list[str]:
    """List the classes as the labels write them: in the order of dataset.yaml, or else in natural order."""
    return list(settings.classes) or sorted({label.code for label in found.values()}, key=natural)


def columns(root: Path) -> list[str]:
    """Name the columns of labels.csv in small letters.

    Raises:
        DataError: it cannot be read.
    """
    return _rows(root)[0]


def _from_table(root: Path, group: Group, images: Mapping[str, Found]) -> tuple[dict[str, Label], list[Problem]]:
    header, rows = _rows(root)
    column = group.column.lower()
    wanted = ["case_id", "label", *([column] if column != "group" else [])]
    missing = [name for name in wanted if header.count(name) != 1]
    if missing:
        found = printable(", ".join(header)) or "none"
        raise fault(FILE, f"a first line that names {', '.join(wanted)} once each", found, "Correct its first line.")
    files = {normal(file.path.name): name for name, file in images.items()}
    labels: dict[str, Label] = {}
    problems: list[Problem] = []
    for number, row in rows:
        fields = dict(zip(header, row, strict=False))
        case = normal(fields["case_id"])
        case = case if case in images else files.get(case, case)
        problem = _row_problem(f"{FILE}, line {number}", case, fields, len(row) > len(header), images, labels)
        if problem:
            problems.append(problem)
        else:
            labels[case] = Label(fields["label"], fields.get(column) or None)
    return labels, problems


def _row_problem(
    where: str,
    case: str,
    fields: Mapping[str, str],
    long: bool,
    images: Mapping[str, Found],
    labels: Mapping[str, Label],
) -> Problem | None:
    """Say what is wrong with a line, if anything; the first thing only."""
    if long:
        remedy = "Put quotes around what holds a comma or semicolon."
        return Problem(where, "as many fields as the first line names", "more", remedy)
    if case not in images:
        remedy = "Put the image into images, or take the line out."
        return Problem(where, f"an image of the name {printable(case)!r}", "none", remedy)
    if case in labels:
        return Problem(where, f"one line for {printable(case)}", "another one above", "Take one of the lines out.")
    for name, text in fields.items():
        if name != "case_id" and (not text.isprintable() or len(text) > _LONGEST):
            return Problem(where, f"a short {printable(name)} on one line", printable(text, 40), "Shorten it.")
    if not fields.get("label"):
        return Problem(where, f"a label for {printable(case)}", "none", "Write its class, or take image and line out.")
    return None


def _rows(root: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read labels.csv as Excel and others write it: with a BOM, semicolons, blank lines, either kind of line break."""
    text = _text(root)
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",;\t", key=first.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows = [(reader.line_num, [field.strip() for field in row]) for row in reader]
    except csv.Error as error:
        raise fault(FILE, "a table", str(error), "Save it again as CSV (UTF-8).") from error
    rows = [(number, row) for number, row in rows if any(row)]
    if not rows:
        raise fault(FILE, "a first line such as case_id,label", "an empty file", "Write the labels.")
    header = [name.lower() for name in rows[0][1]]
    while header and not header[-1]:  # Spreadsheets leave separators behind empty columns.
        header.pop()
    return header, [(number, _trimmed(row, len(header))) for number, row in rows[1:]]


def _trimmed(row: list[str], length: int) -> list[str]:
    """Fill a short row with empty fields, and cut empty ones off a long row."""
    while len(row) > length and not row[-1]:
        row = row[:-1]
    return row + [""] * (length - len(row))


def _text(root: Path) -> str:
    path = root / FILE
    if not path.is_file():
        remedy = "Write it, or make a subfolder of images for each class and take `labels: csv` out of dataset.yaml."
        raise fault(FILE, "a line `case_id,label` and one for each image", "no file", remedy)
    if not inside(path, root):
        raise fault(FILE, "a file in this folder", "a link that leaves it", "Copy the file here.")
    try:
        if path.stat().st_size > _LARGEST:
            raise fault(FILE, f"at most {_LARGEST // 1_000_000} MB", "more", "Keep the columns that are needed.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        remedy = "Save it as `CSV UTF-8`; a spreadsheet offers that beside plain CSV."
        raise fault(FILE, "text in UTF-8", f"another encoding, at byte {error.start}", remedy) from None
    except OSError as error:
        raise fault(FILE, "a readable file", reason(error), "Allow reading, or remove it.") from error
    if "\0" in text:
        raise fault(FILE, "text in UTF-8", "zero bytes", "Save it as `CSV UTF-8`.")
    return text


def _from_names(pattern: str, images: Mapping[str, Found]) -> dict[str, Label]:
    found = {name: patterns.find(pattern, name) for name in images}
    return {name: Label(code) for name, code in found.items() if code}


def _grouped(labels: Mapping[str, Label], pattern: str | None) -> dict[str, Label]:
    if pattern is None:
        return dict(labels)
    return {name: Label(label.code, patterns.find(pattern, name)) for name, label in labels.items()}


def _unlabelled(name: str, file: Found, kind: str) -> Problem:
    remedies = {
        "csv": ("a line for it in labels.csv", f"Add `{name},CLASS`, or take the image out."),
        "folders": ("a subfolder that names its class, or labels.csv", "Move it to images/CLASS, or write labels.csv."),
        "names": ("a class in its name, by label_pattern of dataset.yaml", "Rename it, or correct the pattern."),
    }
    expected, remedy = remedies[kind]
    place = f"images/{file.folder}/{file.path.name}" if file.folder else f"images/{file.path.name}"
    return Problem(place, expected, "none", remedy)


def _unknown(found: Mapping[str, Label], settings: Settings) -> list[Problem]:
    """List labels that dataset.yaml does not name, and too few classes."""
    counts = Counter(label.code for label in found.values())
    if settings.classes:
        known = ", ".join(map(printable, settings.classes))
        return [
            Problem(f"label '{printable(code)}'", f"one of the classes of dataset.yaml ({known})",
                    f"another, of {count} images", "Add it to classes in dataset.yaml, or correct the labels.")
            for code, count in counts.items() if code not in settings.classes
        ]  # fmt: skip
    if len(counts) > 1 or not found:
        return []
    return [Problem("the labels", "at least two classes", "one", "Add images of another class.")]
