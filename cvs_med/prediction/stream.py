"""Through any number of photographs at constant memory: one is decoded and one is written while one is computed."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol as Interface
from typing import TypeAlias

import numpy as np

from cvs_med import harmonising, run_folder
from cvs_med.datasets.checks import relative
from cvs_med.decoding import field_of_view
from cvs_med.errors import DataError, RunError, printable
from cvs_med.images import read_image
from cvs_med.prediction import forms, pictures
from cvs_med.prediction.answers import Row, Tables, row_of
from cvs_med.prediction.dicom_objects import Origin
from cvs_med.prediction.files import Found, digest
from cvs_med.prediction.forms import Form, Forms
from cvs_med.prediction.gates import Gates
from cvs_med.prediction.opinion import Engine, Opinion, Recipe
from cvs_med.squares import Square, square
from cvs_med.types import Array, OwnFile

_AHEAD = 2
"""Photographs that may wait decoded."""


_Writing: TypeAlias = tuple[Found, Future[Row | str]]
"""A photograph whose pictures are being written, and what will come of it: its row, or why there is none."""


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
        first_failure: why the first of these was not; empty without any.
    """

    derived: int
    flagged: int
    failed: int
    first_failure: str = ""


def predict(
    engine: Engine, gates: Gates, files: Sequence[Found], out: Path, *, watcher: Watcher, write: Sequence[Form] = ()
) -> Summary:
    """Answer for every file that has no answer yet, and write all of it into a folder.

    Args:
        engine: the networks.
        gates: of the same run.
        files: what to look at.
        out: new, or begun with the same run; a folder for each photograph, and the tables.
        watcher: told of progress.
        write: forms that are written beside the pictures; see `forms`.

    Raises:
        CvsMedError: a library for a form is missing.
        RunError: the folder is in use, was begun with other networks, or holds the answer for another file of a name.
        DataError: the folder cannot be written.
    """
    names = engine.recipe.class_names
    wanted = forms.of(write, Origin(names, engine.identity), engine.recipe.reading)
    begun = {"networks": engine.identity, "precision": engine.precision}
    with run_folder.alone(out) as folder:
        rule = {"abstention": engine.recipe.abstention.model_dump_json()} if engine.recipe.abstention else {}
        asked = {"write": ", ".join(wanted.asked)} if wanted.asked else {}
        folder.require_same("prediction.json", begun | rule | asked)
        pictures.write_legend(out, names)
        with Tables(out, names) as tables, ThreadPoolExecutor(1) as writer:
            waiting = [file for file in files if not _answered(file, tables, out)]
            done = len(files) - len(waiting)
            writing: _Writing | None = None
            for file, found in _ahead(waiting, engine.recipe, wanted):
                if isinstance(found, _Decoded):
                    prepared = found.prepared
                    row, opinion = look(engine, gates, file.name, found.sha256, prepared)
                    # The line says that the photograph is finished; so it comes after its pictures.
                    _keep(tables, writing)
                    writing = file, writer.submit(_write, out, file, row, opinion, prepared, names, wanted)
                else:
                    tables.fail(file.name, found)
                done += 1
                watcher.counted(done, len(files))
            _keep(tables, writing)
            stopped = [tables.finished[file.name][1] for file in files if file.name in tables.finished]
            return Summary(len(stopped) - sum(stopped), sum(stopped), tables.failed, tables.first_failure)


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


def prepare(path: Path, recipe: Recipe) -> Square:
    """Decode a photograph as those of training were, and bring it to the networks' square.

    Raises:
        DataError: the file cannot be used.
    """
    return prepare_pixels(read_image(OwnFile(path, recipe.reading)), recipe)


def prepare_pixels(pixels: Array, recipe: Recipe) -> Square:
    """Bring a decoded photograph (H, W, 3) to the networks' square; see `prepare`."""
    view = field_of_view.find(pixels) if recipe.surroundings else np.ones(pixels.shape[:2], dtype=np.bool_)
    alike = harmonising.harmonise(pixels, view) if recipe.harmonise else pixels
    crop, size, fine = recipe.crop, recipe.size, recipe.fine
    return square(alike, view, None, size=size, crop=crop, finer=recipe.finer, fine=fine, fibres=recipe.fibres)


def look(engine: Engine, gates: Gates, name: str, sha256: str, prepared: Square) -> tuple[Row, Opinion]:
    """Answer for a photograph, and say whether it may be answered for."""
    opinion = engine.consider(prepared)
    flags = gates.reasons(prepared.image, prepared.field_of_view, opinion.pooled)
    if engine.recipe.abstention:
        flags += engine.recipe.abstention.reasons(opinion.probabilities)
    return row_of(name, sha256, opinion, flags, engine.recipe.class_names), opinion


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A photograph, and the SHA-256 of its file."""

    prepared: Square
    sha256: str


def _ahead(files: Sequence[Found], recipe: Recipe, wanted: Forms) -> Iterator[tuple[Found, _Decoded | str]]:
    """Decode a few photographs ahead, in order; a file that cannot be used gives the reason."""
    with ThreadPoolExecutor(1) as decoder:
        coming = deque[tuple[Found, Future[_Decoded | str]]]()
        left = iter(files)
        for file in islice(left, _AHEAD):
            coming.append((file, decoder.submit(_try, file, recipe, wanted)))
        while coming:
            file, future = coming.popleft()
            for following in islice(left, 1):
                coming.append((following, decoder.submit(_try, following, recipe, wanted)))
            yield file, future.result()


def _try(file: Found, recipe: Recipe, wanted: Forms) -> _Decoded | str:
    if file.fault:
        return file.fault
    try:
        wanted.require(file.path)
        return _Decoded(prepare(file.path, recipe), digest(file.path))
    except DataError as error:
        return _said(file, error)


def _said(file: Found, error: DataError) -> str:
    """Give a reason without the folders above a photograph, which may be named after a patient."""
    return "; ".join(str(problem) for problem in relative(error.problems, file.path.parent))


def _write(
    out: Path, file: Found, row: Row, opinion: Opinion, prepared: Square, names: Sequence[str], wanted: Forms
) -> Row | str:
    """Write all of a photograph; a reason instead of its row where a form cannot be written."""
    folder = out / "photographs" / row.file
    labels = pictures.write(folder, row, opinion, prepared, names)
    try:
        wanted.write(folder, file.path, row, labels)
    except DataError as error:
        return _said(file, error)
    return row


def _keep(tables: Tables, writing: _Writing | None) -> None:
    """Wait until a photograph's pictures are written, then write its line."""
    if writing is not None:
        file, future = writing
        found = future.result()
        if isinstance(found, Row):
            tables.add(found)
        else:
            tables.fail(file.name, found)
