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
from cvs_med.datasets.checks import relative
from cvs_med.decoding import field_of_view
from cvs_med.errors import DataError, RunError, printable
from cvs_med.images import read_image
from cvs_med.inference import Answer
from cvs_med.prediction import pictures
from cvs_med.prediction.answers import Row, Tables, row_of
from cvs_med.prediction.ensemble import ENCODER, Ensemble, model_files
from cvs_med.prediction.files import Found
from cvs_med.prediction.gates import Gates
from cvs_med.transforms import Prepared, square
from cvs_med.types import Array, OwnFile

_AHEAD = 2
"""Photographs that may wait decoded."""


class Watcher(Interface):
    """Whoever watches."""

    def counted(self, done: int, total: int) -> None:
        """So many photographs are done."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the photographs asked for, also of those answered at an earlier start.

    Attributes:
        derived: with a diagnosis.
        flagged: stopped by a gate, or too unsure.
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
        RunError: the folder is in use, was begun with other networks, or holds the answer for another file of a name.
        DataError: the folder cannot be written.
    """
    names = ensemble.card.class_names
    with run_folder.alone(out) as folder:
        rule = {"abstention": ensemble.abstention.model_dump_json()} if ensemble.abstention else {}
        folder.require_same("prediction.json", {"networks": identity(run), "precision": ensemble.precision} | rule)
        pictures.write_legend(out, names)
        with Tables(out, names) as tables, ThreadPoolExecutor(1) as writer:
            waiting = [file for file in files if not _answered(file, tables, out)]
            done, failed = len(files) - len(waiting), 0
            writing: Future[Row] | None = None
            for file, found in _ahead(waiting, ensemble):
                if isinstance(found, _Decoded):
                    prepared = found.prepared
                    row, answer = look(ensemble, gates, file.name, found.sha256, prepared)
                    # The line says that the photograph is finished; so it comes after its pictures.
                    _keep(tables, writing)
                    writing = writer.submit(_write, out, row, answer, prepared, names)
                else:
                    failed += 1
                    tables.fail(file.name, found)
                done += 1
                watcher.counted(done, len(files))
            _keep(tables, writing)
            stopped = [tables.finished[file.name][1] for file in files if file.name in tables.finished]
            return Summary(len(stopped) - sum(stopped), sum(stopped), failed)


def _answered(file: Found, tables: Tables, out: Path) -> bool:
    """Say whether a file has its answer already.

    Raises:
        RunError: another file of this name has one.
    """
    if file.name not in tables.finished or file.fault:
        return False
    if tables.finished[file.name][0] != digest(file.path):
        raise RunError(f"{out}: expected no answer for {printable(file.name)} yet, found that for another file of this "
                       "name. Name another --out.")  # fmt: skip
    return True


def identity(run: Path) -> str:
    """Say which networks a run holds: a digest of their files."""
    files = [*model_files(run), run / ENCODER]
    return hashlib.sha256("".join(digest(file) for file in files if file.exists()).encode()).hexdigest()


def digest(file: Path) -> str:
    """Give the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def prepare(path: Path, ensemble: Ensemble) -> Prepared:
    """Decode a photograph as those of training were, and bring it to the networks' square.

    Raises:
        DataError: the file cannot be used.
    """
    return prepare_pixels(read_image(OwnFile(path, ensemble.card.reading)), ensemble)


def prepare_pixels(pixels: Array, ensemble: Ensemble) -> Prepared:
    """Bring a decoded photograph (H, W, 3) to the networks' square; see `prepare`."""
    images = ensemble.protocol.images
    surrounded = ensemble.card.surroundings
    view = field_of_view.find(pixels) if surrounded else np.ones(pixels.shape[:2], dtype=np.bool_)
    return square(pixels, view, None, size=images.size, crop=images.crop)


def look(ensemble: Ensemble, gates: Gates, name: str, sha256: str, prepared: Prepared) -> tuple[Row, Answer]:
    """Answer for a photograph, and say whether it may be answered for."""
    opinion = ensemble.consider(prepared)
    flags = gates.reasons(prepared.image, prepared.field_of_view, opinion.pooled)
    if ensemble.abstention:
        flags += ensemble.abstention.reasons(opinion.answer.probabilities.double().numpy())
    return row_of(name, sha256, opinion, flags, ensemble.card.class_names), opinion.answer


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A photograph, and the SHA-256 of its file."""

    prepared: Prepared
    sha256: str


def _ahead(files: Sequence[Found], ensemble: Ensemble) -> Iterator[tuple[Found, _Decoded | str]]:
    """Decode a few photographs ahead, in order; a file that cannot be used gives the reason."""
    with ThreadPoolExecutor(1) as decoder:
        coming = deque[tuple[Found, Future[_Decoded | str]]]()
        left = iter(files)
        for file in islice(left, _AHEAD):
            coming.append((file, decoder.submit(_try, file, ensemble)))
        while coming:
            file, future = coming.popleft()
            for following in islice(left, 1):
                coming.append((following, decoder.submit(_try, following, ensemble)))
            yield file, future.result()


def _try(file: Found, ensemble: Ensemble) -> _Decoded | str:
    if file.fault:
        return file.fault
    try:
        return _Decoded(prepare(file.path, ensemble), digest(file.path))
    except DataError as error:
        # The folders above a photograph may be named after a patient.
        return "; ".join(str(problem) for problem in relative(error.problems, file.path.parent))


def _write(out: Path, row: Row, answer: Answer, prepared: Prepared, names: Sequence[str]) -> Row:
    pictures.write(out / "photographs" / row.file, row, answer, prepared, names)
    return row


def _keep(tables: Tables, writing: Future[Row] | None) -> None:
    """Wait until a photograph's pictures are written, then write its line."""
    if writing is not None:
        tables.add(writing.result())
