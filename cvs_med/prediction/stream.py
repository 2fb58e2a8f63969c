"""Through any number of photographs at constant memory: one is decoded and one is written while one is computed."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol as Interface

import numpy as np

from cvs_med import run_folder
from cvs_med.decoding import field_of_view
from cvs_med.errors import DataError
from cvs_med.images import read_image
from cvs_med.inference import Answer
from cvs_med.prediction import pictures
from cvs_med.prediction.answers import Row, Tables, row_of
from cvs_med.prediction.ensemble import ENCODER, Ensemble, model_files
from cvs_med.prediction.files import Found
from cvs_med.prediction.gates import Gates
from cvs_med.protocol import Protocol
from cvs_med.transforms import Prepared, square
from cvs_med.types import OwnFile

_AHEAD = 2
"""Photographs that may wait decoded."""


class Watcher(Interface):
    """Whoever watches."""

    def counted(self, done: int, total: int) -> None:
        """So many photographs are done."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the photographs, those of earlier starts with the same folder included.

    Attributes:
        derived: with a diagnosis.
        flagged: stopped by a gate.
        failed: not usable; see failures.csv.
    """

    derived: int
    flagged: int
    failed: int


def predict(
    ensemble: Ensemble, gates: Gates, files: Sequence[Found], out: Path, *, run: Path, watcher: Watcher
) -> Summary:
    """Answer for every file that has no answer yet, and write all of it into a folder.

    Args:
        ensemble: the networks.
        gates: of the same run.
        files: what to look at.
        out: new, or begun with the same run; a folder for each photograph, and the tables.
        run: folder that the networks come from.
        watcher: told of progress.

    Raises:
        RunError: the folder is in use, or was begun with other networks.
        DataError: the folder cannot be written.
    """
    names = ensemble.card.class_names
    with run_folder.alone(out) as folder:
        folder.require_same("prediction.json", {"networks": identity(run), "precision": ensemble.precision})
        pictures.write_legend(out, names)
        with Tables(out, names) as tables, ThreadPoolExecutor(1) as writer:
            waiting = [file for file in files if file.name not in tables.finished]
            done, failed = len(files) - len(waiting), 0
            writing: Future[Row] | None = None
            for file, prepared in _ahead(waiting, ensemble.protocol, whole=gates.whole):
                if isinstance(prepared, Prepared):
                    row, answer = look(ensemble, gates, file.name, prepared)
                    # The line says that the photograph is finished; so it comes after its pictures.
                    _keep(tables, writing)
                    writing = writer.submit(_write, out, row, answer, prepared, names)
                else:
                    failed += 1
                    tables.fail(file.name, prepared)
                done += 1
                watcher.counted(done, len(files))
            _keep(tables, writing)
            return Summary(len(tables.finished) - tables.flagged, tables.flagged, failed)


def identity(run: Path) -> str:
    """Say which networks a run holds: a digest of their files."""
    files = [*model_files(run), run / ENCODER]
    return hashlib.sha256("".join(_digest(file) for file in files if file.exists()).encode()).hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def prepare(path: Path, protocol: Protocol, *, whole: bool) -> Prepared:
    """Decode a photograph, find its field of view, and bring it to the networks' square.

    Args:
        path: the file.
        protocol: of the networks.
        whole: the training photographs are seen whole, so that there is no field of view to find.

    Raises:
        DataError: the file cannot be used.
    """
    pixels = read_image(OwnFile(path))
    view = np.ones(pixels.shape[:2], dtype=np.bool_) if whole else field_of_view.find(pixels)
    return square(pixels, view, None, size=protocol.images.size, crop=protocol.images.crop)


def look(ensemble: Ensemble, gates: Gates, name: str, prepared: Prepared) -> tuple[Row, Answer]:
    """Answer for a photograph, and say whether it may be answered for."""
    opinion = ensemble.consider(prepared)
    flags = gates.reasons(prepared.image, prepared.field_of_view, opinion.pooled)
    return row_of(name, opinion, flags, ensemble.card.class_names), opinion.answer


def _ahead(files: Sequence[Found], protocol: Protocol, *, whole: bool) -> Iterator[tuple[Found, Prepared | str]]:
    """Decode a few photographs ahead, in order; a file that cannot be used gives the reason."""
    with ThreadPoolExecutor(1) as decoder:
        coming = deque[tuple[Found, Future[Prepared | str]]]()
        left = iter(files)
        for file in islice(left, _AHEAD):
            coming.append((file, decoder.submit(_try, file, protocol, whole)))
        while coming:
            file, future = coming.popleft()
            for following in islice(left, 1):
                coming.append((following, decoder.submit(_try, following, protocol, whole)))
            yield file, future.result()


def _try(file: Found, protocol: Protocol, whole: bool) -> Prepared | str:
    if file.fault:
        return file.fault
    try:
        return prepare(file.path, protocol, whole=whole)
    except DataError as error:
        return "; ".join(str(problem) for problem in error.problems)


def _write(out: Path, row: Row, answer: Answer, prepared: Prepared, names: Sequence[str]) -> Row:
    pictures.write(out / "photographs" / row.file, row, answer, prepared, names)
    return row


def _keep(tables: Tables, writing: Future[Row] | None) -> None:
    """Wait until a photograph's pictures are written, then write its line."""
    if writing is not None:
        tables.add(writing.result())
