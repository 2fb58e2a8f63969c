"""Which files are to be looked at, each under a name that is safe in the folder of answers."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvs_med.errors import RunError
from cvs_med.images import kind_of

_LEAVES = "expected a file of this folder, found a link that leaves it. Copy the file here."


@dataclass(frozen=True, slots=True)
class Found:
    """One file.

    Attributes:
        name: its path below the folder that was given, or its own name; with the folder's name before it where several
            were given.
        path: where it lies.
        fault: why it must not be read, if so.
    """

    name: str
    path: Path
    fault: str | None = None


def find(given: Sequence[Path], out: Path) -> list[Found]:
    """List the files in the order given, those of a folder by name, those in its folders too.

    Of a folder every file is taken that `images.kind_of` knows; a file that is named itself is taken in any case.

    Args:
        given: files and folders.
        out: folder of the answers, whose pictures are none to answer for.

    Raises:
        RunError: something is not there, no file is found, or two files would share a name.
    """
    missing = [str(path) for path in given if not path.exists()]
    if missing:
        raise RunError(f"Expected photographs or folders, found nothing at {', '.join(missing)}. Correct the path.")
    found = [file for path in given for file in _files(path, out, several=len(given) > 1)]
    if not found:
        raise RunError("Expected images (PNG, JPEG, TIFF, BMP, WebP, DICOM, NIfTI), found none. Name another folder.")
    names: set[str] = set()
    doubled = sorted({file.name for file in found if file.name in names or names.add(file.name)})  # type: ignore[func-returns-value] # adds, and answers None
    if doubled:
        raise RunError(f"Expected each name once, found twice: {', '.join(doubled[:5])}. Name a folder above them.")
    return found


def _files(given: Path, out: Path, *, several: bool) -> Iterator[Found]:
    if not given.is_dir():
        yield Found(given.name, given)
        return
    root = given.resolve()
    for folder, below, names in os.walk(given):
        below[:] = sorted(
            name for name in below if not name.startswith(".") and (Path(folder) / name).resolve() != out.resolve()
        )
        for name in sorted(names):
            path = Path(folder) / name
            leaves = path.is_symlink() and not path.resolve().is_relative_to(root)
            if name.startswith(".") or not kind_of(path):
                continue
            inside = path.relative_to(given)
            yield Found(str(Path(root.name) / inside if several else inside), path, _LEAVES if leaves else None)


def digest(file: Path) -> str:
    """Give the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
