"""Reads fundus photographs in the layout of the HRF database: `images/`, `manual1/` and `mask/`.

A case is named by a number and a class code: photograph `images/07_dr.JPG`, vessels `manual1/07_dr.tif`, field of view
`mask/07_dr_mask.tif`. The suffix's letters may be small or capital; they differ within HRF itself.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from cvs_med.datasets.checks import relative, same_content
from cvs_med.datasets.sittings import sittings
from cvs_med.errors import Problem
from cvs_med.types import Case

CaseName: TypeAlias = tuple[int, str]
Files: TypeAlias = dict[CaseName, list[Path]]

FOLDERS = {"images": "photograph", "manual1": "vessel mask", "mask": "field-of-view mask"}
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")


def survey(root: Path, codes: Sequence[str]) -> tuple[list[Case], list[Problem]]:
    """List what can be read of a folder as cases, and what cannot as problems; decodes no pixels.

    Args:
        root: folder with `images`, `manual1` and `mask`.
        codes: class codes in the order of the labels.

    Returns:
        Cases in natural order (02_h before 10_h), and missing, doubled or strange files.
    """
    folders = {folder: _files(root / folder, codes) for folder in FOLDERS}
    problems = [problem for folder, files in folders.items() for problem in _doubled(folder, files)]
    if not folders["images"]:
        remedy = "Name the folder that holds images, manual1 and mask."
        return [], [Problem(str(root), "photographs in its folder images", "none", remedy)]
    problems += _missing(folders, codes) + _strangers(root, codes)
    names = sorted(folders["images"])
    photographs = [folders["images"][name][0] for name in names]
    problems += relative(same_content(photographs), root)
    groups = sittings(photographs)
    return [_case(name, folders, codes, group) for name, group in zip(names, groups, strict=True)], problems


def _files(folder: Path, codes: Sequence[str]) -> Files:
    """Group a folder's files by the case that their name tells."""
    files: Files = defaultdict(list)
    for path in _images(folder):
        name = _case_name(path, codes)
        if name:
            files[name].append(path)
    return files


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != ".")


def _case_name(path: Path, codes: Sequence[str]) -> CaseName | None:
    ending = "_mask" if path.parent.name == "mask" else ""
    match = re.fullmatch(rf"([0-9]{{1,9}})_({'|'.join(codes)}){ending}", path.stem, re.IGNORECASE)
    return (int(match[1]), match[2].lower()) if match else None


def _case_id(name: CaseName) -> str:
    return f"{name[0]:02d}_{name[1]}"


def _case(name: CaseName, folders: dict[str, Files], codes: Sequence[str], group: str | None) -> Case:
    mask, view = (next(iter(folders[folder].get(name, [])), None) for folder in ("manual1", "mask"))
    return Case(_case_id(name), folders["images"][name][0], codes.index(name[1]), mask, view, group)


def _doubled(folder: str, files: Files) -> list[Problem]:
    return [
        Problem(
            f"{folder}/{_case_id(name)}",
            f"one {FOLDERS[folder]}",
            " and ".join(path.name for path in paths),
            "Keep one of these files.",
        )
        for name, paths in files.items()
        if len(paths) > 1
    ]


def _missing(folders: dict[str, Files], codes: Sequence[str]) -> list[Problem]:
    """Photographs missing from the numbering or for a mask that is there, and masks missing for a photograph."""
    photographs = set(folders["images"])
    known = set().union(*folders.values())
    last = {code: max((number for number, other in known if other == code), default=0) for code in codes}
    # A number typed by mistake must not make a list of millions.
    numbered = {(number, code) for code in codes for number in range(1, min(last[code], 2 * len(known)) + 1)}
    remedy = "Copy the file from the data set's source, or renumber the cases without a gap."
    gaps = [_absent("images", name, remedy) for name in sorted((known | numbered) - photographs)]
    remedy = "Copy the mask from the data set's source, or take the photograph out."
    masks = [
        _absent(folder, name, remedy)
        for folder in ("manual1", "mask")
        for name in sorted(photographs - set(folders[folder]))
    ]
    return gaps + masks


def _absent(folder: str, name: CaseName, remedy: str) -> Problem:
    ending = "_mask" if folder == "mask" else ""
    return Problem(f"{folder}/{_case_id(name)}{ending}", f"a {FOLDERS[folder]}", "no file", remedy)


def _strangers(root: Path, codes: Sequence[str]) -> list[Problem]:
    expected = f"a name like 07_{codes[0]}.jpg (number, underscore, one of {', '.join(codes)})"
    return [
        Problem(f"images/{path.name}", expected, "another name", "Rename the file or take it out.")
        for path in _images(root / "images")
        if _case_name(path, codes) is None
    ]
