"""The images and masks of a user's own folder: which are there, and under which name."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cvs_med.datasets.folder.names import inside, natural, normal, stem, unsafe
from cvs_med.errors import Problem, printable
from cvs_med.images import kind_of

IMAGES, MASKS = "images", "masks"

_MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".nii", ".nii.gz")
_OF_THE_SYSTEM = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True, slots=True)
class Found:
    """One file that can be read by its name.

    Attributes:
        path: the file.
        folder: name of the subfolder that it lies in, or an empty string.
    """

    path: Path
    folder: str


def images(root: Path) -> tuple[dict[str, Found], list[Problem]]:
    """List the images by the name of their case, in natural order."""
    if not (root / IMAGES).is_dir():
        remedy = f"Make the folder {IMAGES} and put the images there."
        return {}, [Problem(str(root), f"images in its folder {IMAGES}", "no such folder", remedy)]
    found, problems = _listed(root, IMAGES)
    if not found and not problems:
        return {}, [Problem(IMAGES, "images", "none", "Put them there, directly or in a subfolder for each class.")]
    return found, problems


def masks(root: Path) -> tuple[dict[str, Found], list[Problem]]:
    """List the masks by the name of their case; there may be none."""
    return _listed(root, MASKS) if (root / MASKS).is_dir() else ({}, [])


def _listed(root: Path, folder: str) -> tuple[dict[str, Found], list[Problem]]:
    files: defaultdict[str, list[Found]] = defaultdict(list)
    problems: list[Problem] = []
    for found in _walk(root / folder):
        problem = _problem(found.path, root, folder)
        if problem is None:
            files[stem(found.path)].append(found)
        else:
            problems.append(problem)
    problems += _doubled(files, root)
    return {name: files[name][0] for name in sorted(files, key=natural)}, problems


def _walk(folder: Path) -> Iterator[Found]:
    """List files, and those in subfolders; of anything deeper its folder, which is a fault."""
    for path in _entries(folder):
        if not path.is_dir():
            yield Found(path, "")
            continue
        for inner in _entries(path):
            yield Found(inner, normal(path.name))


def _entries(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:  # A folder that may not be read is said to be empty.
        return []
    return [path for path in entries if path.name[0] != "." and path.name.lower() not in _OF_THE_SYSTEM]


def _problem(path: Path, root: Path, folder: str) -> Problem | None:
    """Say why a file cannot be a case's image or mask, if it cannot."""
    where = printable(path.relative_to(root).as_posix())
    if not inside(path, root):
        remedy = "Copy the file here, or name the folder that really holds it with --data-dir."
        return Problem(where, "a file in this folder", "a link that leaves it or leads nowhere", remedy)
    if not path.is_file():
        remedy = f"Put the files into {folder} or into one subfolder for each class."
        return Problem(where, "a file", "a folder within a subfolder", remedy)
    if path.parent != root / folder and not path.parent.name.isprintable():
        remedy = "Rename the folder."
        return Problem(where, "a folder named like its class", "a sign in its name that cannot be shown", remedy)
    strange = unsafe(stem(path))
    if strange:
        remedy = "Rename the file, and its mask and its line in labels.csv alike."
        return Problem(where, "a name that can name a case", strange, remedy)
    if folder == MASKS:
        if path.name.lower().endswith(_MASK_SUFFIXES):
            return None
        remedy = "Save masks without loss, as PNG, TIFF, BMP or NIfTI."
        return Problem(where, f"a mask ({', '.join(_MASK_SUFFIXES)})", "another kind of file", remedy)
    if kind_of(path):
        return None
    remedy = "Take the file out, or convert it."
    return Problem(where, "an image (PNG, JPEG, TIFF, BMP, WebP, DICOM or NIfTI)", "another kind of file", remedy)


def _doubled(files: dict[str, list[Found]], root: Path) -> list[Problem]:
    """List names that several files have; capital letters do not tell them apart on every system."""
    alike: defaultdict[str, list[Path]] = defaultdict(list)
    for name, found in files.items():
        alike[name.casefold()] += [file.path for file in found]
    return [
        Problem(
            paths[0].relative_to(root).as_posix(),
            "one file of this name, whatever its ending",
            f"also {', '.join(path.relative_to(root).as_posix() for path in paths[1:])}",
            "Rename all but one, or take them out.",
        )
        for paths in alike.values()
        if len(paths) > 1
    ]
