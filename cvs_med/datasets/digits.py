"""Digits: the 1,797 real handwritten digits that come with scikit-learn, 8 x 8 pixels, 17 levels of grey.

The foreground is the paper's binarization: every pixel above threshold 0.
"""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from cvs_med.datasets.dataset import DataSet
from cvs_med.errors import Problem
from cvs_med.types import Array, Case

LABELS = "labels.csv"
CLASSES = tuple("0123456789")


def prepare(target: Path) -> None:
    """Write scikit-learn's digits as `images/NNNN.png`, `masks/NNNN.png` and `labels.csv`."""
    from sklearn.datasets import load_digits  # Slow to import, and needed once.

    data = load_digits()
    for folder in ("images", "masks"):
        (target / folder).mkdir(parents=True)
    for index, digit in enumerate(data.images.astype(np.uint8)):
        _write_digit(target, f"{index:04d}.png", digit)
    with (target / LABELS).open("w", newline="", encoding="utf-8") as file:
        rows = [(f"{index:04d}", int(label)) for index, label in enumerate(data.target)]
        csv.writer(file, lineterminator="\n").writerows([("case_id", "label"), *rows])


def binarize(pixels: Array) -> Array:
    """Foreground mask of the paper: 255 for every pixel above threshold 0, else 0."""
    return (pixels > 0).astype(np.uint8) * np.uint8(255)


def survey(root: Path) -> tuple[list[Case], list[Problem]]:
    """List the digits of a folder in the order of its labels, or say why the labels cannot be read."""
    try:
        with (root / LABELS).open(newline="", encoding="utf-8") as file:
            return [_case(root, row) for row in csv.DictReader(file)], []
    except (OSError, KeyError, ValueError) as error:
        remedy = "Remove the folder; it is written anew on the next start."
        return [], [Problem(LABELS, "a line 'case_id,label' for each digit", str(error), remedy)]


def _write_digit(target: Path, name: str, digit: Array) -> None:
    grey = np.round(digit * (255 / 16)).astype(np.uint8)
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(target / "images" / name)
    Image.fromarray(binarize(digit)).save(target / "masks" / name)


def _case(root: Path, row: dict[str, str]) -> Case:
    name = f"{int(row['case_id']):04d}"
    label = CLASSES.index(row["label"])
    return Case(name, root / "images" / f"{name}.png", label, root / "masks" / f"{name}.png")


DIGITS = DataSet(
    name="digits",
    title="Optical Recognition of Handwritten Digits, as in scikit-learn",
    class_names=CLASSES,
    class_codes=CLASSES,
    foreground="strokes",
    licence="CC BY 4.0",
    citation="Alpaydin, Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, 1998.",
    notes=(
        "The masks are not an expert's: they are the images' own pixels above zero, the paper's binarization.",
        "All digits are by 13 writers; who wrote which is not known, so no split can keep the writers apart.",
    ),
    survey=survey,
    prepare=prepare,
)
