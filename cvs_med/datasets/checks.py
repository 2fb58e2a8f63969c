"""Faults of a data set, found before anything is trained and listed all at once."""

import hashlib
import os
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cvs_med.errors import DataError, Problem, reason
from cvs_med.images import read_image, read_mask
from cvs_med.types import Case, OwnFile, Picture


def check_cases(cases: Sequence[Case], root: Path) -> list[Problem]:
    """Decode every file of every case, and list what is wrong with each; packed pictures were checked when read.

    Args:
        cases: what to look at.
        root: folder that the listed names are relative to.
    """
    with_files = [case for case in cases if any(map(_is_file, (case.image, case.mask, case.field_of_view)))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(_check_case, with_files))
    return relative([problem for problems in found for problem in problems], root)


def check_folds(cases: Sequence[Case], folds: int, class_names: Sequence[str]) -> list[Problem]:
    """List the classes that have fewer cases than there are folds; without any case, all classes at once."""
    if not cases:
        remedy = "Add cases; of a data set in two parts, the files of the train part."
        return [Problem("every class", f"at least {folds} cases for {folds} folds", "none to learn from", remedy)]
    counts = Counter(case.label for case in cases)
    return [
        Problem(f"class '{name}'", f"at least {folds} cases for {folds} folds", f"{counts[label]}", _more_cases(folds))
        for label, name in enumerate(class_names)
        if counts[label] < max(folds, 1)
    ]


def check_writable(folder: Path, needed_bytes: int) -> list[Problem]:
    """List what forbids writing that many bytes below a folder, which need not exist yet."""
    place = next(path for path in [folder.absolute(), *folder.absolute().parents] if path.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        remedy = "Choose another folder, or change the permissions of this one."
        return [Problem(str(folder), "a folder that can be written", reason(error), remedy)]
    free = shutil.disk_usage(place).free
    if free >= needed_bytes:
        return []
    remedy = "Free some space, or choose a folder on another disk."
    return [Problem(str(folder), f"{_megabytes(needed_bytes)} of free space", _megabytes(free), remedy)]


def same_content(photographs: Sequence[Path]) -> list[Problem]:
    """List photographs that lie there under two names: one could be trained on and the other tested."""
    copies: defaultdict[str, list[Path]] = defaultdict(list)
    for path in photographs:
        with suppress(OSError), path.open("rb") as file:  # What cannot be read is reported when it is decoded.
            copies[hashlib.file_digest(file, "sha256").hexdigest()].append(path)
    return [
        Problem(str(paths[0]), "photographs that differ", f"the same file as {path.name}", "Keep one of the two cases.")
        for paths in copies.values()
        for path in paths[1:]
    ]


def relative(problems: Sequence[Problem], root: Path) -> list[Problem]:
    """Name the files of problems relative to the data folder, where they lie in it."""
    return [replace(problem, where=_relative(problem.where, root)) for problem in problems]


def holds_something(folder: Path) -> bool:
    """Whether a folder cannot be made anew: it holds something, or a file has its name."""
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _is_file(picture: Picture | str | None) -> bool:
    return isinstance(picture, Path | OwnFile)


def _check_case(case: Case) -> list[Problem]:
    shape: tuple[int, int] | None = None
    problems: list[Problem] = []
    try:
        shape = read_image(case.image).shape[:2]
    except DataError as error:
        problems += error.problems
    for mask in (case.mask, case.field_of_view):
        if mask is None or isinstance(mask, str):  # The whole field, or one that is found in the image.
            continue
        try:
            read_mask(mask, shape)
        except DataError as error:
            problems += error.problems
    return problems


def _relative(where: str, root: Path) -> str:
    return str(Path(where).relative_to(root)) if Path(where).is_relative_to(root) else where


def _more_cases(folds: int) -> str:
    return "Add cases of this class, or ask for fewer folds." if folds > 2 else "Add cases of this class."


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
