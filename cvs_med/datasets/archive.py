"""Brings HRF into a folder: from its authors, or from an archive or a folder that the user has; verifies every file."""

import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import IO, TypeAlias

from cvs_med.datasets.checks import check_writable, relative
from cvs_med.download import fetch, file_sha256
from cvs_med.errors import DataError, Problem
from cvs_med.images import read_mask

HRF_URL = "https://www5.cs.fau.de/fileadmin/research/datasets/fundus-images/all.zip"
HRF_SHA256 = "a914d02cda161b7f33f25d0397c276d50e9a6cbc705e9b364a54f0adafed57e4"
HRF_BYTES = 100_000_000
"""More than the authors' archive (73 MB) and than all its files together (88 MB)."""

MAX_ENTRIES = 10_000
"""Most entries of an archive or folder that are looked at."""

FAULTY_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)
"""What reading a damaged, encrypted or unknown kind of archive can raise."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a manifest says about one file.

    Attributes:
        sha256: checksum of the copy that the manifest was written from.
        rebuilt: that copy is not the original, so that another readable mask is accepted too.
    """

    sha256: str
    rebuilt: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive or of a folder: how large it says it is, and how to read it."""

    size: int
    read: Callable[[], IO[bytes]]


Manifest: TypeAlias = Mapping[str, Promise]


def fetch_hrf(target: Path, source: Path | None = None) -> None:
    """Put HRF into a new folder; a folder that holds it already is verified and left as it is.

    Args:
        target: the folder to make, with `images`, `manual1` and `mask`.
        source: a zip archive or a folder on this machine; None downloads the authors' archive.

    Raises:
        DownloadError: the archive could not be fetched.
        DataError: files are missing or are not the promised ones (all are listed), or the folder cannot be written.
    """
    manifest = read_manifest(Path(__file__).parent / "manifests" / "hrf.sha256")
    if _holds_something(target):
        _refuse(verify(target, manifest, remedy=f"Move {target} away and fetch the data set again."))
    elif source is not None:
        install(source, target, manifest, max_bytes=HRF_BYTES)
    else:
        remedy = "download it on another machine and run `cvs-med data fetch hrf --from FILE`"
        with tempfile.TemporaryDirectory(prefix="cvs-med-") as folder:
            path = Path(folder) / "hrf.zip"
            source = fetch(HRF_URL, path, sha256=HRF_SHA256, max_bytes=HRF_BYTES, remedy=remedy)
            install(source, target, manifest, max_bytes=HRF_BYTES)


def install(source: Path, target: Path, manifest: Manifest, *, max_bytes: int) -> None:
    """Copy the files of a manifest out of an archive or a folder into a new folder, all of them or none.

    Only names of the manifest are ever written, whatever else the archive holds.

    Args:
        source: zip archive or folder; the files may lie one folder deeper.
        target: the folder to make.
        manifest: what to copy.
        max_bytes: most bytes that all files together may have.

    Raises:
        DataError: files are missing or are not the promised ones (all are listed), or the folder cannot be written.
    """
    _refuse(check_writable(target, max_bytes))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
        staging = Path(folder) / target.name
        _extract(source, staging, manifest, max_bytes)
        _refuse(verify(staging, manifest, remedy="Get the archive again from the data set's authors."))
        os.replace(staging, target)


def verify(root: Path, manifest: Manifest, *, remedy: str) -> list[Problem]:
    """List the files that are missing or are not what the manifest promises."""
    found = [_file_fault(root / name, promise, remedy) for name, promise in manifest.items()]
    return relative([problem for problem in found if problem], root)


def read_manifest(path: Path) -> dict[str, Promise]:
    """Read lines of `checksum  name` or `checksum  name  rebuilt`; lines that begin with # are comments."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {name: Promise(sha256, marks == ["rebuilt"]) for sha256, name, *marks in lines}


def _file_fault(path: Path, promise: Promise, remedy: str) -> Problem | None:
    if not path.is_file():
        return Problem(str(path), "a file", "none", remedy)
    found = file_sha256(path)
    if found == promise.sha256 or (promise.rebuilt and _is_mask(path)):
        return None
    return Problem(str(path), f"SHA-256 {promise.sha256[:12]}...", f"{found[:12]}...", remedy)


def _is_mask(path: Path) -> bool:
    try:
        read_mask(path)
    except DataError:
        return False
    return True


def _extract(source: Path, staging: Path, manifest: Manifest, max_bytes: int) -> None:
    try:
        with _opened(source) as entries:
            wanted = _wanted(entries, manifest)
            _refuse(_size_fault(source, wanted.values(), max_bytes))
            for name, entry in wanted.items():
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                with entry.read() as original, (staging / name).open("xb") as copy:
                    shutil.copyfileobj(original, copy)
    except FAULTY_ARCHIVE as error:
        remedy = "Give a zip archive or a folder with --from, or get it again."
        raise DataError([Problem(str(source), "a whole zip archive or a folder", str(error), remedy)]) from error


@contextmanager
def _opened(source: Path) -> Iterator[list[tuple[str, Entry]]]:
    """List the entries of an archive or of a folder, with names as in the archive."""
    if source.is_dir():
        # Two depths rather than all: the user may have named a large folder by mistake.
        paths = islice(chain(source.glob("*/*.*"), source.glob("*/*/*.*")), MAX_ENTRIES)
        files = [path for path in sorted(paths) if path.is_file()]
        yield [(path.as_posix(), Entry(path.stat().st_size, _reader(path))) for path in files]
    else:
        with zipfile.ZipFile(source) as archive:
            infos = archive.infolist()[:MAX_ENTRIES]
            yield [(info.filename, Entry(info.file_size, partial(archive.open, info))) for info in infos]


def _reader(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _wanted(entries: list[tuple[str, Entry]], manifest: Manifest) -> dict[str, Entry]:
    """Find the manifest's files by folder and name, in small or capital letters, wherever they lie."""
    names = {name.lower(): name for name in manifest}
    keyed = (("/".join(PurePosixPath(name).parts[-2:]).lower(), entry) for name, entry in entries)
    return {names[key]: entry for key, entry in keyed if key in names}


def _size_fault(source: Path, entries: Iterable[Entry], max_bytes: int) -> list[Problem]:
    """Compare the sizes that the source states; an archive's reader stops at these."""
    total = sum(entry.size for entry in entries)
    if total <= max_bytes:
        return []
    remedy = "Get the archive from the data set's authors."
    return [Problem(str(source), f"at most {max_bytes} bytes", f"{total} bytes", remedy)]


def _holds_something(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise DataError(problems)
