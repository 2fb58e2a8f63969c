"""Packed data sets: thousands of small images in a few files, as MNIST and CIFAR are published.

Their images are no files of their own, so everything that a photograph on disk goes through one by one would be spent
70,000 times for nothing. What is different about a packed data set, and all of it:

- `survey` reads the few files at once into arrays of 8 bits: images (N, H, W, 3), labels (N,) and, where the data set
  has any, masks (N, H, W). A file costs one read, an image costs no Python beyond its `Case`.
- A `Case` points into such an array instead of at a file (`types.Packed`): a subset of a data set is a list of cases as
  anywhere else, and splits, folds, tables and reports need not know the difference.
- `cache.load` enlarges the cases that it is asked for in batches, and keeps no file of them: to read the source again
  is faster.
- A case's id is the name of its file and its number therein, from zero (`data_batch_1-00042`), so that it stays the
  same whatever other files lie beside it.
- A case knows the official part that it belongs to (`Case.part`). Cross-validation keeps to the train part; the test
  part is for whoever trains on the train part.
- Files may hold any number of whole records, and some of them may be missing: `cvs-med data check` says what was found,
  and whether it is what the authors published.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from cvs_med.datasets.checks import relative
from cvs_med.errors import DataError, Problem
from cvs_med.types import Array, Case, Packed, Part


def survey(
    root: Path, reads: Iterable[Callable[[], list[Case]]], names: Sequence[str]
) -> tuple[list[Case], list[Problem]]:
    """Read the files of a folder, and go on behind a fault, so that those of all files are listed.

    Args:
        root: the folder.
        reads: each gives the cases of one file or of files that belong together, none if it is not there.
        names: of the files, to say what was expected where nothing is there.
    """
    cases: list[Case] = []
    problems: list[Problem] = []
    for read in reads:
        try:
            cases += read()
        except DataError as error:
            problems += error.problems
    if not cases and not problems:
        remedy = "Name the folder that holds these files."
        return [], [Problem(str(root), f"at least one of {', '.join(names)}", "none", remedy)]
    return cases, relative(problems, root)


def cases_of(file: str, part: Part, images: Array, labels: Sequence[int], masks: Array | None = None) -> list[Case]:
    """Make the cases of one file.

    Args:
        file: its name without a suffix, from which the ids are made.
        part: the official part that it belongs to.
        images: (N, H, W, 3).
        labels: N classes.
        masks: (N, H, W), 0 and 255, none of them empty.
    """
    return [
        Case(
            f"{file}-{number:05d}",
            Packed(images, number),
            label,
            None if masks is None else Packed(masks, number),
            part=part,
        )
        for number, label in enumerate(labels)
    ]


def check_labels(path: Path, labels: Array, classes: int, what: str = "label") -> list[Problem]:
    """Say if a file has labels that are not among the classes; the first of them and their number."""
    (wrong,) = np.nonzero(labels >= classes)
    if not wrong.size:
        return []
    found = f"{labels[wrong[0]]} in record {wrong[0]} of {len(labels)}, the first of {wrong.size} such records"
    remedy = "Take the file from its source again; it is damaged, or another data set."
    return [Problem(str(path), f"every {what} from 0 to {classes - 1}", found, remedy)]
