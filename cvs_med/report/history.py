"""The training losses that each fold's history.csv keeps."""

import csv
from pathlib import Path

from cvs_med.errors import RunError


def losses(run: Path) -> list[tuple[int, list[float]]]:
    """Read the loss after each epoch, by fold; a method that trains in one go has no history.

    Raises:
        RunError: a history is damaged.
    """
    paths = {path: path.parent.name.removeprefix("fold-") for path in run.glob("fold-*/history.csv")}
    read = [(int(fold), _losses(path)) for path, fold in paths.items() if fold.isascii() and fold.isdigit()]
    return sorted((fold, values) for fold, values in read if values)


def _losses(path: Path) -> list[float]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return [float(row["loss"]) for row in csv.DictReader(stream)]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(f"{path}: expected a column `loss` of numbers, found: {error}.") from error
