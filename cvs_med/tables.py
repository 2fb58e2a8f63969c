"""The tables of a run folder, out and in: predictions.csv, segmentation.csv and masks.csv.

Numbers are written so that reading gives the same bits back, and rows in the order given, so that equal results are
equal bytes. Reading is strict: a run folder may have been edited, and a result must not rest on half a row.
"""

import csv
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from math import isclose
from pathlib import Path
from typing import TypeVar

from cvs_med.errors import RunError
from cvs_med.types import Prediction

T = TypeVar("T")

_REMEDY = "The file was changed or cut off: restore it, or run the experiment again in a new folder."


@dataclass(frozen=True, slots=True)
class Segmentation:
    """One row of segmentation.csv; None is not known.

    Attributes:
        case_id: the case's name.
        fold: the fold whose test part held the case.
        dice_working: Dice inside the field of view, at the size the network worked at.
        dice_native: the same at the photograph's own size.
        predicted_fraction: share of the field of view that was predicted as foreground.
        gold_fraction: share of the field of view that is foreground in the reference.
    """

    case_id: str
    fold: int
    dice_working: float | None
    dice_native: float | None
    predicted_fraction: float | None
    gold_fraction: float | None


@dataclass(frozen=True, slots=True)
class MaskRow:
    """One row of masks.csv, a mask of a folder that propagation made; None is not known.

    Attributes:
        case_id: the case's name.
        source: `given`, as it was learnt from; `propagated`, predicted; `guessed`, where no foreground was predicted.
        confidence: mean over the field of view of the probability of what each pixel was taken for.
        fraction: share of the image that is foreground.
        dice: overlap of a predicted mask with the reference, where there is one.
    """

    case_id: str
    source: str
    confidence: float | None
    fraction: float | None
    dice: float | None


UNFINISHED = ".*.part"
"""Names of what `write_bytes` was writing when its process was killed."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: it cannot be written; the error names the file.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        # mkstemp makes files that only their owner can read; a result is to be shared.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(FileNotFoundError):  # A signal may have come just after it got its name.
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno:  # Writing to an open file that fails names none.
            error.filename = str(path)
        raise


def harmless(text: str) -> str:
    """Keep a spreadsheet from taking a text for a formula, for tables that no program of ours reads back."""
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text


def write_predictions(path: Path, predictions: Sequence[Prediction], class_names: Sequence[str]) -> None:
    """Write predictions.csv: one row per case, classes by name, probabilities to the last bit."""
    rows = (
        [p.case_id, p.group, p.fold, class_names[p.label], class_names[p.predicted], *map(_exact, p.probabilities)]
        for p in predictions
    )
    _write_table(path, _prediction_header(class_names), rows)


def read_predictions(path: Path, class_names: Sequence[str]) -> list[Prediction]:
    """Read predictions.csv and believe nothing of it.

    Raises:
        RunError: the header is another one, or a row has an unknown class, a probability outside 0 to 1,
            probabilities that do not sum to one, or a predicted class that is not the most probable one.
    """
    numbers = {name: number for number, name in enumerate(class_names)}
    return _read_table(path, _prediction_header(class_names), lambda row: _prediction(row, numbers))


def write_segmentation(path: Path, rows: Sequence[Segmentation]) -> None:
    """Write segmentation.csv; what is not known stays empty."""
    _write_table(path, _SEGMENTATION_HEADER, ([r.case_id, r.fold, *map(_exact, astuple(r)[2:])] for r in rows))


def read_segmentation(path: Path) -> list[Segmentation]:
    """Read segmentation.csv.

    Raises:
        RunError: the header is another one, or a row holds something else than shares between 0 and 1.
    """
    return _read_table(path, _SEGMENTATION_HEADER, _segmentation)


def write_masks(path: Path, rows: Sequence[MaskRow]) -> None:
    """Write masks.csv; what is not known stays empty."""
    _write_table(path, _MASKS_HEADER, ([r.case_id, r.source, *map(_exact, astuple(r)[2:])] for r in rows))


def read_masks(path: Path) -> list[MaskRow]:
    """Read masks.csv.

    Raises:
        RunError: the header is another one, or a row has an unknown source or something else than shares from 0 to 1.
    """
    return _read_table(path, _MASKS_HEADER, _mask)


_MASKS_HEADER = [field.name for field in fields(MaskRow)]
_SOURCES = ("given", "propagated", "guessed")
_SEGMENTATION_HEADER = [field.name for field in fields(Segmentation)]


def _prediction_header(class_names: Sequence[str]) -> list[str]:
    columns = [f"p_{name.replace(' ', '_')}" for name in class_names]
    return ["case_id", "group", "fold", "label", "predicted", *columns]


def _exact(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_bytes(path, stream.getvalue().encode())


def _read_table(path: Path, header: list[str], parse: Callable[[list[str]], T]) -> list[T]:
    """Parse every row, and name file and line of the first that does not parse."""
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: expected a readable table, found: {error}. {_REMEDY}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        _require(next(reader, []), header, "the header")
        return [parse(_whole(row, header)) for row in reader]
    except (ValueError, csv.Error) as error:
        raise RunError(f"{path}, line {max(reader.line_num, 1)}: {error}. {_REMEDY}") from error


def _whole(row: list[str], header: list[str]) -> list[str]:
    if len(row) != len(header):
        raise ValueError(f"expected {len(header)} cells, found {len(row)}")
    return row


def _require(found: list[str], expected: list[str], what: str) -> None:
    if found != expected:
        raise ValueError(f"expected {what} {','.join(expected)}, found {','.join(found) or 'nothing'}")


def _prediction(row: list[str], numbers: dict[str, int]) -> Prediction:
    case_id, group, fold, label, predicted, *shares = row
    prediction = Prediction(
        _case_id(case_id), group, _fold(fold), _class(label, numbers), tuple(_share(share) for share in shares)
    )
    total = sum(prediction.probabilities)
    if not isclose(total, 1, rel_tol=0, abs_tol=1e-6):
        raise ValueError(f"expected probabilities that sum to 1, found {total!r}")
    if _class(predicted, numbers) != prediction.predicted:
        raise ValueError(f"expected the most probable class as predicted, found {predicted}")
    return prediction


def _segmentation(row: list[str]) -> Segmentation:
    case_id, fold, *shares = row
    return Segmentation(_case_id(case_id), _fold(fold), *(_share(share) if share else None for share in shares))


def _mask(row: list[str]) -> MaskRow:
    case_id, source, *shares = row
    if source not in _SOURCES:
        raise ValueError(f"expected one of the sources {', '.join(_SOURCES)}, found {source!r}")
    return MaskRow(_case_id(case_id), source, *(_share(share) if share else None for share in shares))


def _case_id(text: str) -> str:
    """Accept a name that stays in its folder when it names a file."""
    if not text or text in {".", ".."} or any(sign in text for sign in "/\\\0"):
        raise ValueError(f"expected a case_id that can name a file, found {text!r}")
    return text


def _fold(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"expected a fold number, found {text!r}")
    return int(text)


def _class(text: str, numbers: dict[str, int]) -> int:
    if text not in numbers:
        raise ValueError(f"expected one of the classes {', '.join(numbers)}, found {text!r}")
    return numbers[text]


def _share(text: str) -> float:
    """Accept a number from 0 to 1; a NaN is none."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise ValueError(f"expected a number from 0 to 1, found {text!r}")
    return value
