"""Which files a data set has, by their checksums, and whether a folder holds them.

A file counts by its content: what lies there wrapped by gzip, with .gz after its name, is the same file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from cvs_med.datasets import sources
from cvs_med.datasets.checks import relative
from cvs_med.errors import DataError, Problem, reason
from cvs_med.images import read_mask


@dataclass(frozen=True, slots=True)
class Promise:
    """What a manifest says about one file.

    Attributes:
        sha256: checksum of the copy that the manifest was written from; of the content, if the file is wrapped by gzip.
        rebuilt: that copy is not the original, so that another readable mask is accepted too.
    """

    sha256: str
    rebuilt: bool


Manifest: TypeAlias = Mapping[str, Promise]
Match: TypeAlias = Literal["same", "other", "missing"]


def verify(root: Path, manifest: Manifest, *, max_bytes: int, remedy: str) -> list[Problem]:
    """List the files that are missing or are not what the manifest promises."""
    found = [_file_fault(root / name, promise, max_bytes, remedy) for name, promise in manifest.items()]
    return relative([problem for problem in found if problem], root)


def compare(root: Path, manifest: Manifest, *, max_bytes: int) -> dict[str, Match]:
    """Tell of every file of a manifest whether a folder holds the same, another of that name, or none."""
    return {name: _match(root / name, promise, max_bytes) for name, promise in manifest.items()}


def read_manifest(path: Path) -> dict[str, Promise]:
    """Read lines of `checksum  name` or `checksum  name  rebuilt`; lines that begin with # are comments."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {name: Promise(sha256, marks == ["rebuilt"]) for sha256, name, *marks in lines}


def _file_fault(path: Path, promise: Promise, max_bytes: int, remedy: str) -> Problem | None:
    try:
        found = sources.content_sha256(path, max_bytes)
    except sources.FAULTY as error:
        return Problem(str(path), "a whole file", reason(error), remedy)
    if found is None:
        return Problem(str(path), "a file", "none", remedy)
    if found == promise.sha256 or (promise.rebuilt and _is_mask(path)):
        return None
    return Problem(str(path), f"SHA-256 {promise.sha256[:12]}...", f"{found[:12]}...", remedy)


def _match(path: Path, promise: Promise, max_bytes: int) -> Match:
    try:
        found = sources.content_sha256(path, max_bytes)
    except sources.FAULTY:
        return "other"
    return "missing" if found is None else "same" if found == promise.sha256 else "other"


def _is_mask(path: Path) -> bool:
    try:
        read_mask(path)
    except DataError:
        return False
    return True
