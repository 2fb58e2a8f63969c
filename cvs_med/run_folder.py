"""The folder of one run: one protocol, one process at a time, every file whole or absent."""

import difflib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvs_med import protocol as protocols
from cvs_med.datasets.checks import check_writable
from cvs_med.errors import DataError, ProtocolError, RunError
from cvs_med.evaluation import read_json
from cvs_med.protocol import Protocol
from cvs_med.tables import UNFINISHED, write_bytes

_LEAST_ROOM = 64 << 20
"""Bytes that must be free before anything is computed; checkpoints and pictures of a small run take about that."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where everything of a run lies."""

    path: Path

    def fold(self, number: int) -> Path:
        """Folder of one fold, numbered from zero; made if missing."""
        folder = self.path / f"fold-{number}"
        (folder / "maps").mkdir(parents=True, exist_ok=True)
        return folder

    def done(self, number: int) -> bool:
        """Say whether a fold is finished."""
        return (self.path / f"fold-{number}" / "predictions.csv").exists()

    def baseline(self, name: str) -> Path:
        """Table of one baseline."""
        (self.path / "baselines").mkdir(exist_ok=True)
        return self.path / "baselines" / f"{name}.csv"

    def require_same(self, name: str, content: dict[str, str]) -> None:
        """Write what the run rests on, or compare it with what is there.

        Raises:
            RunError: the run was begun with something else.
        """
        file = self.path / name
        if not file.exists():
            self.write_json(name, content)
        elif read_json(file, dict[str, str]) != content:
            raise changed(self.path, name)

    def require_room(self, needed_bytes: int) -> None:
        """Check that so many bytes can still be written.

        Raises:
            DataError: the disk has less.
        """
        problems = check_writable(self.path, needed_bytes)
        if problems:
            raise DataError(problems)

    def write_json(self, name: str, content: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Write a small file for programs and people."""
        write_bytes(self.path / name, f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode())


@contextmanager
def opened(path: Path, protocol: Protocol) -> Iterator[RunFolder]:
    """Open a run folder for this protocol alone, new or to be continued.

    Raises:
        DataError: it cannot be written, or the disk is full.
        RunError: another process works in it, or it holds a run of another protocol.
    """
    with alone(path) as folder:
        # Without these it has computed nothing yet: both are written before anything is trained.
        begun = (path / "folds.json").exists() or (path / "inputs.json").exists()
        claim(path / "protocol.yaml", protocol, begun=begun)
        yield folder


@contextmanager
def alone(path: Path) -> Iterator[RunFolder]:
    """Open a folder, made if missing, in which no other process works; what a killed one left half written is deleted.

    Raises:
        DataError: it cannot be written, or the disk is full.
        RunError: another process works in it.
    """
    RunFolder(path).require_room(_LEAST_ROOM)
    path.mkdir(parents=True, exist_ok=True)
    with (path / ".lock").open("a+") as lock:
        _lock(lock.fileno(), path)
        lock.truncate(0)
        lock.write(f"{os.getpid()} on {socket.gethostname()}")
        lock.flush()
        for left in path.rglob(UNFINISHED):
            left.unlink()
        yield RunFolder(path)


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = (path / ".lock").read_text() or "unknown"
        raise RunError(
            f"{path}: expected to work here alone, found process {owner} at work. Wait for it, or name another --out."
        ) from error


def claim(file: Path, protocol: Protocol, *, begun: bool) -> None:
    """Write the protocol, or compare it with the one that is there if something was computed by it.

    Raises:
        RunError: what was computed rests on another protocol; the message shows the difference.
    """
    text = protocols.dump(protocol)
    if not (file.exists() and begun):
        write_bytes(file, text.encode())
        return
    found = file.read_text(encoding="utf-8")
    # The text may be of a version that had fewer fields; what it leaves out is the default.
    if found != text and _filled(file) != text:
        lines = difflib.unified_diff(found.splitlines(), text.splitlines(), "in the folder", "asked for", "", "", 1, "")
        raise RunError(
            f"{file.parent} holds a run of another protocol, and results of two are never mixed:\n"
            + "\n".join(f"  {line}" for line in lines)
            + "\nName another folder with --out, or ask for the protocol that is there."
        )


def _filled(file: Path) -> str | None:
    """Write a protocol file with all its defaults and its own order, by which ties between candidates are broken."""
    with suppress(ProtocolError):
        return protocols.dump(protocols.load(str(file)))
    return None


def changed(path: Path, name: str) -> RunError:
    """Say that the folder was begun with other data or weights."""
    return RunError(
        f"{path / name} is of other photographs, masks, labels or weights than there are now, and results of two are "
        "never mixed. Restore them, or start again with another --out."
    )
