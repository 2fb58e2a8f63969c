"""The state of a training on disk: whole, or known to be damaged; the one before it is kept too.

A file is the SHA-256 of what follows, as 64 hexadecimal digits and a new line, and then the state as PyTorch writes it.
A disk may fill up, lose its power or flip a bit; a training must neither go on from such a state nor be lost with it.
"""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cvs_med.errors import RunError
from cvs_med.tables import write_bytes

FILE = "checkpoint.pt"
"""Where a training keeps its state, in its own folder, until what it was for is done."""

COPIES = 3
"""States that lie on the disk at most: the last, the one before it, and the one that is being written."""

_DIGITS = 64


def write(path: Path, state: dict[str, Any]) -> None:
    """Keep a state; the one that was there becomes the one before it.

    Raises:
        OSError: it cannot be written; then the one that was there stays.
    """
    stream = io.BytesIO()
    torch.save(state, stream)
    content = stream.getvalue()
    new = _beside(path, "new")
    write_bytes(new, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    with new.open("rb") as written:  # On the disk itself before the one that was there loses its name.
        os.fsync(written.fileno())
    if path.exists():
        path.replace(_beside(path, "previous"))
    new.replace(path)


def read(path: Path, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Give the last whole state, or None where there is none; what is damaged is said and deleted.

    Raises:
        RunError: a file cannot be read at all.
    """
    previous = _beside(path, "previous")
    for file in (path, previous):
        state = _whole(file) if file.exists() else None
        if state is not None:
            return state
        if file.exists():
            file.unlink()
            then = "Going on from the state before it" if previous.exists() else "This training begins anew"
            say(f"{file} is damaged: its SHA-256 is not the one it was written with. {then}.")
    return None


def of_stage(path: Path) -> Path:
    """Say where a training whose state is in `path` keeps that of a stage which is trained first."""
    return _beside(path, "stage")


def remove(path: Path) -> None:
    """Delete the states of a training that is finished, and of its stage."""
    restart(path)
    restart(of_stage(path))


def restart(path: Path) -> None:
    """Delete the states of a training that is to begin anew; a stage that was trained before it stays."""
    for file in (path, _beside(path, "previous"), _beside(path, "new")):
        file.unlink(missing_ok=True)


def _beside(path: Path, word: str) -> Path:
    return path.with_name(f"{path.stem}.{word}{path.suffix}")


def _whole(file: Path) -> dict[str, Any] | None:
    """Read one file; None if it is not as it was written."""
    try:
        digest, _, content = file.read_bytes().partition(b"\n")
    except OSError as error:
        raise RunError(f"{file}: expected a file that can be read, found: {error.strerror}.") from error
    if len(digest) != _DIGITS or hashlib.sha256(content).hexdigest().encode() != digest:
        return None
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state
