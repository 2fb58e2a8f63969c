"""Which files an answer rests on, by SHA-256: the photograph and the network that gave the diagnosis."""

import hashlib
from functools import lru_cache
from pathlib import Path

from cvs_med.review.run import FinishedRun
from cvs_med.types import file_of


def of_photograph(run: FinishedRun, case_id: str) -> str | None:
    """Give the SHA-256 of a case's photograph; None where it is not at hand or has no file of its own."""
    file = file_of(run.cases[case_id].image) if case_id in run.cases else None
    return _digest(file) if file else None


def of_network(run: FinishedRun, case_id: str) -> str | None:
    """Give the SHA-256 of the file of the network that answered for a case; None where the run keeps none."""
    return _digest(run.path / f"fold-{run.predictions[case_id].fold}" / "model.safetensors")


def _digest(file: Path) -> str | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return _of(file, found.st_mtime_ns, found.st_size)


@lru_cache(256)
def _of(file: Path, changed: int, size: int) -> str | None:
    """Digest a file as it is since it was changed."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
