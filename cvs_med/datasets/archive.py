"""Brings a data set into a folder, from its authors or from what the user has, and verifies every file."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cvs_med.datasets import sources
from cvs_med.datasets.checks import check_writable, holds_something
from cvs_med.datasets.manifest import Manifest, read_manifest, verify
from cvs_med.download import fetch
from cvs_med.errors import DataError, Problem


@dataclass(frozen=True, slots=True)
class Official:
    """What a data set's authors published.

    Attributes:
        name: of the data set, and of the list of its files, `manifests/NAME.sha256`.
        downloads: address and SHA-256 of each file to download: one archive, or the data set's files themselves.
        max_bytes: more than the downloads together, and than the data set's files together.
    """

    name: str
    downloads: Mapping[str, str]
    max_bytes: int

    def promises(self) -> Manifest:
        """Read the list of the files."""
        return read_manifest(Path(__file__).parent / "manifests" / f"{self.name}.sha256")


def fetch_official(official: Official, target: Path, source: Path | None = None) -> None:
    """Put a data set into a new folder; a folder that holds it already is verified and left as it is.

    Args:
        official: what to fetch.
        target: the folder to make.
        source: an archive or a folder on this machine; None downloads what the authors published.

    Raises:
        DownloadError: a file could not be fetched.
        DataError: files are missing or are not the promised ones (all are listed), or the folder cannot be written.
    """
    manifest, limit = official.promises(), official.max_bytes
    if holds_something(target):
        remedy = f"Move {target} away and fetch the data set again."
        _refuse(verify(target, manifest, max_bytes=limit, remedy=remedy))
    elif source is not None:
        install(source, target, manifest, max_bytes=limit)
    else:
        with tempfile.TemporaryDirectory(prefix="cvs-med-") as folder:
            install(_download(official, Path(folder)), target, manifest, max_bytes=limit)


def _download(official: Official, folder: Path) -> Path:
    """Fetch all files into a folder; give the folder, or the archive if there is but one."""
    paths = [folder / PurePosixPath(url).name for url in official.downloads]
    alone = len(paths) == 1
    what, option = ("it", "FILE") if alone else (", ".join(path.name for path in paths), "DIR")
    remedy = f"download {what} on another machine and run `cvs-med data fetch {official.name} --from {option}`"
    for path, (url, sha256) in zip(paths, official.downloads.items(), strict=True):
        fetch(url, path, sha256=sha256, max_bytes=official.max_bytes, remedy=remedy)
    return paths[0] if alone else folder


def install(source: Path, target: Path, manifest: Manifest, *, max_bytes: int) -> None:
    """Copy the files of a manifest out of an archive or a folder into a new folder, all of them or none.

    Only names of the manifest are ever written, whatever else the archive holds.

    Args:
        source: folder or archive; the files may lie one folder deeper.
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
        remedy = "Get the archive again from the data set's authors."
        _refuse(verify(staging, manifest, max_bytes=max_bytes, remedy=remedy))
        os.replace(staging, target)


def _extract(source: Path, staging: Path, manifest: Manifest, max_bytes: int) -> None:
    with sources.opened(source, max_bytes=max_bytes) as entries:
        size = 0
        for name, entry in _wanted(entries, manifest).items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            with entry.read() as original, (staging / name).open("xb") as copy:
                size = sources.copy(original, copy, source, most=max_bytes, size=size)


def _wanted(entries: list[sources.Entry], manifest: Manifest) -> dict[str, sources.Entry]:
    """Find the manifest's files by folder and name, in small or capital letters, wherever they lie."""
    names = {name.lower(): name for name in manifest}
    depths = {len(PurePosixPath(name).parts) for name in manifest}
    ends = [("/".join(PurePosixPath(entry.name).parts[-depth:]), entry) for entry in entries for depth in depths]
    return {names[end.lower()]: entry for end, entry in ends if end.lower() in names}


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise DataError(problems)
