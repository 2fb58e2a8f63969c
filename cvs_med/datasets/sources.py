"""Opens what a data set may arrive in: a folder, a zip archive, or a tar archive wrapped by gzip.

Names are only ever compared, never used as paths. What unpacks to more than was said beforehand is refused, by counting
the bytes as they come rather than by what the archive states.
"""

import errno
import gzip
import hashlib
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, TypeAlias

from cvs_med.errors import DataError, Problem, reason

MAX_ENTRIES = 10_000
"""Most entries of an archive or folder that are looked at."""

FAULTY = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError)
"""What reading a missing, forbidden, damaged, encrypted or unknown kind of file can raise."""

_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_FULL = (errno.ENOSPC, errno.EDQUOT)

Stream: TypeAlias = IO[bytes] | gzip.GzipFile


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive or of a folder: its name, with folders and without .gz, and how to read its content."""

    name: str
    read: Callable[[], Stream]


@contextmanager
def opened(source: Path, *, max_bytes: int) -> Iterator[list[Entry]]:
    """List the files of a source; those of a folder that are wrapped by gzip count as what is inside.

    Args:
        source: folder, zip archive, or tar archive wrapped by gzip.
        max_bytes: most bytes to which such a tar archive may unwrap.

    Raises:
        DataError: the archive is damaged, of another kind, or too large; also for what is read from it inside `with`.
        OSError: the disk is full onto which it is unwrapped or copied.
    """
    try:
        if source.is_dir():
            yield _in_folder(source)
        elif _starts_with_gzip(source):
            with _unwrapped(source, max_bytes) as file, tarfile.open(fileobj=file, mode="r:") as tar:
                members = [member for member in islice(tar, MAX_ENTRIES) if member.isreg()]
                yield [Entry(member.name, partial(_member, tar, member)) for member in members]
        else:
            with zipfile.ZipFile(source) as archive:
                infos = archive.infolist()[:MAX_ENTRIES]
                yield [Entry(info.filename, partial(archive.open, info)) for info in infos]
    except FAULTY as error:
        if isinstance(error, OSError) and error.errno in _FULL:  # What failed is the copy, not the source.
            raise
        remedy = "Give a folder, a zip archive or a tar.gz archive with --from, or get it again."
        raise DataError([Problem(str(source), "a whole archive or a folder", reason(error), remedy)]) from error


def copy(source: Stream, target: IO[bytes], name: Path, *, most: int, size: int = 0) -> int:
    """Copy a stream of which only so much is wanted.

    Args:
        source: to read from.
        target: to write to.
        name: what to call the source in a message.
        most: bytes that are allowed.
        size: how many of them earlier copies have used up.

    Returns:
        How many are used up now.

    Raises:
        DataError: it is longer.
    """
    while chunk := source.read(_CHUNK):
        size += len(chunk)
        if size > most:
            remedy = "Get the archive from the data set's authors."
            raise DataError([Problem(str(name), f"at most {most} bytes", "more", remedy)])
        target.write(chunk)
    return size


def open_content(path: Path) -> Stream:
    """Open a file, or what is inside where its name ends in .gz."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def content_sha256(path: Path, most: int) -> str | None:
    """Give the checksum of a file, or of what the same name with .gz holds; None where there is neither.

    Args:
        path: the file without .gz.
        most: bytes after which reading stops; the checksum of a longer file is that of its beginning.

    Raises:
        OSError, EOFError, zlib.error: it cannot be read.
    """
    there = [file for file in (path, path.with_name(f"{path.name}.gz")) if file.is_file()]
    if not there:
        return None
    digest, left = hashlib.sha256(), most
    with open_content(there[0]) as file:
        while left > 0 and (chunk := file.read(min(left, _CHUNK))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def _in_folder(source: Path) -> list[Entry]:
    # Three depths rather than all: the user may have named a large folder by mistake.
    paths = chain(source.glob("*"), source.glob("*/*"), source.glob("*/*/*"))
    files = [path for path in sorted(islice(paths, MAX_ENTRIES)) if path.is_file()]
    return [Entry(path.as_posix().removesuffix(".gz"), partial(open_content, path)) for path in files]


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:  # Only for what is no regular file.
        raise tarfile.TarError(f"{member.name} is no file")
    return content


def _starts_with_gzip(source: Path) -> bool:
    with source.open("rb") as file:
        return file.read(2) == _GZIP


@contextmanager
def _unwrapped(source: Path, max_bytes: int) -> Iterator[IO[bytes]]:
    """Unwrap gzip into a temporary file, so that nothing in the archive is read that was not counted."""
    with tempfile.TemporaryFile() as file:
        with gzip.open(source) as wrapped:
            copy(wrapped, file, source, most=max_bytes)
        file.seek(0)
        yield file
