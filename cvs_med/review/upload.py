"""A photograph that someone hands in to be tried: believed in nothing, and gone as soon as it is answered."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from cvs_med.datasets.checks import relative
from cvs_med.decoding import dicom, nifti, raster
from cvs_med.errors import DataError, ReviewError
from cvs_med.images import read_header
from cvs_med.types import OwnFile, Reading

LARGEST_MEGABYTES: Final = 50
LARGEST_MEGAPIXELS: Final = 60
"""Cameras for the fundus make fewer; a larger picture would cost a server that others use too much memory."""

ENDINGS: Final = (*raster.SUFFIXES, *dicom.SUFFIXES, *reversed(nifti.SUFFIXES))


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was handed in.

    Attributes:
        content: its bytes.
        ending: one of `ENDINGS`; nothing else of its name is used.
    """

    content: bytes
    ending: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()


def accept(name: str, content: bytes) -> Upload:
    """Take a file if its name and size allow it.

    Raises:
        ReviewError: it is too large, empty, or of another kind.
    """
    ending = next((known for known in ENDINGS if name.lower().endswith(known)), None)
    if ending is None:
        raise ReviewError(f"Expected an image whose name ends in {', '.join(ENDINGS)}, found another file. Choose one.")
    if not 0 < len(content) <= LARGEST_MEGABYTES * 2**20:
        raise ReviewError(
            f"Expected a file of at most {LARGEST_MEGABYTES} megabytes, found {len(content) / 2**20:.1f}. "
            "Export a smaller one."
        )
    return Upload(content, ending)


@contextmanager
def as_file(upload: Upload, reading: Reading) -> Iterator[OwnFile]:
    """Give a file to decode, which is deleted afterwards, if its header is that of an image of a bearable size.

    Raises:
        ReviewError: it is none, or is found to be damaged while it is used.
    """
    with tempfile.TemporaryDirectory(prefix="cvs-med-") as folder:
        file = OwnFile(Path(folder) / f"upload{upload.ending}", reading)
        try:
            file.path.write_bytes(upload.content)
            header = read_header(file)
            if header.width * header.height > LARGEST_MEGAPIXELS * 1_000_000:
                raise ReviewError(
                    f"Expected an image of at most {LARGEST_MEGAPIXELS} million pixels, found {header.width} x "
                    f"{header.height}. Export a smaller one."
                )
            yield file
        except DataError as error:
            said = "; ".join(str(problem) for problem in relative(error.problems, Path(folder)))
            raise ReviewError(f"This file cannot be read: {said}") from error


def missing(run: Path) -> str | None:
    """Say what is missing to answer for a new photograph, in a sentence; None if nothing is."""
    if find_spec("torch") is None:
        return "Trying an image needs the network library torch, which is not installed on this machine."
    if not any(run.glob("fold-*/model.safetensors")):
        return "Trying an image needs the networks of this run, which are not in its folder (fold-*/model.safetensors)."
    return None
