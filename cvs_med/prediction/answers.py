"""The tables of a prediction folder, a line a photograph as it is finished; a folder begun earlier is gone on with.

predictions.jsonl is written first and says what is finished; predictions.csv is the same for spreadsheets.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from pydantic import TypeAdapter
from scipy.special import entr

from cvs_med.errors import RunError
from cvs_med.prediction.opinion import Opinion
from cvs_med.tables import harmless, write_bytes


@dataclass(frozen=True, slots=True)
class Row:
    """What is told of one photograph.

    Attributes:
        file: its name.
        sha256: of its content.
        status: "derived", or "flagged" where a gate is closed or the answer is too unsure.
        derived: the derived diagnosis; None if flagged.
        probabilities: of the P classes.
        lowest: of each class, the least that one of the networks gives.
        highest: of each class, the most that one of the networks gives.
        agreeing: networks whose most probable class is the ensemble's.
        models: networks asked.
        entropy: of the probabilities, as a share of the largest possible; 0 is certain and 1 undecided.
        flags: why it is flagged.
    """

    file: str
    sha256: str
    status: str
    derived: str | None
    probabilities: tuple[float, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    agreeing: int
    models: int
    entropy: float
    flags: tuple[str, ...]


def row_of(file: str, sha256: str, opinion: Opinion, flags: Sequence[str], class_names: Sequence[str]) -> Row:
    """Put an opinion into a row."""
    shares, members = opinion.probabilities, opinion.members
    best = int(shares.argmax())
    uncertainty = float(entr(shares).sum() / np.log(len(shares)))
    return Row(
        file=file,
        sha256=sha256,
        status="flagged" if flags else "derived",
        derived=None if flags else class_names[best],
        probabilities=tuple(shares.tolist()),
        lowest=tuple(members.min(axis=0).tolist()),
        highest=tuple(members.max(axis=0).tolist()),
        agreeing=int((members.argmax(axis=1) == best).sum()),
        models=len(members),
        entropy=min(max(uncertainty, 0.0), 1.0),
        flags=tuple(flags),
    )


_BY_CLASS = ("probabilities", "lowest", "highest")
"""Fields of a row that predictions.jsonl keeps by the classes' names."""


class Tables:
    """The open tables of a prediction folder.

    Attributes:
        failed: photographs whose reason was written down.
        first_failure: the first of these reasons; empty without any.
        finished: photographs that need not be looked at again: name to SHA-256 and whether it is flagged.
    """

    def __init__(self, out: Path, class_names: Sequence[str]) -> None:
        """Read what is finished, drop a line that was cut off, and open the tables to go on.

        Raises:
            RunError: predictions.jsonl is not what this class writes.
        """
        self.names = list(class_names)
        self.failed = 0
        self.first_failure = ""
        self.finished: dict[str, tuple[str, bool]] = {}
        lines = out / "predictions.jsonl"
        kept = _whole_lines(lines)
        write_bytes(lines, kept)
        self._lines, self._csv, self._failures = (
            (out / name).open(mode, encoding="utf-8", errors="backslashreplace", newline="")
            for name, mode in (("predictions.jsonl", "a"), ("predictions.csv", "w"), ("failures.csv", "w"))
        )
        self._csv.write(_csv_line(self._header()))
        self._failures.write(_csv_line(["file", "reason"]))
        for number, line in enumerate(kept.split(b"\n")[:-1], start=1):
            self._count(_row(line, self.names, f"{lines}, line {number}"))

    def __enter__(self) -> "Tables":
        """Give the open tables."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the tables."""
        for stream in (self._lines, self._csv, self._failures):
            stream.close()

    def add(self, row: Row) -> None:
        """Write a finished photograph's line into both tables."""
        by_class = {name: dict(zip(self.names, getattr(row, name), strict=True)) for name in _BY_CLASS}
        _append(self._lines, json.dumps(asdict(row) | by_class, ensure_ascii=False, allow_nan=False) + "\n")
        self._count(row)

    def _count(self, row: Row) -> None:
        """Take a row that stands in predictions.jsonl into predictions.csv and the counts."""
        _append(self._csv, _csv_line(self._cells(row)))
        self.finished[row.file] = row.sha256, row.status == "flagged"

    def fail(self, file: str, reason: str) -> None:
        """Write down why a file could not be used."""
        self.failed += 1
        self.first_failure = self.first_failure or reason
        _append(self._failures, _csv_line([file, reason]))

    def _header(self) -> list[str]:
        columns = [f"{kind}_{name.replace(' ', '_')}" for name in self.names for kind in ("p", "lowest", "highest")]
        return ["file", "sha256", "status", "derived", *columns, "agreeing", "models", "entropy", "flags"]

    def _cells(self, row: Row) -> list[str]:
        shares = zip(row.probabilities, row.lowest, row.highest, strict=True)
        numbers = [repr(value) for triple in shares for value in triple]
        counts = [str(row.agreeing), str(row.models), repr(row.entropy)]
        return [row.file, row.sha256, row.status, row.derived or "", *numbers, *counts, "; ".join(row.flags)]


def _row(line: bytes, names: Sequence[str], where: str) -> Row:
    """Read a line of predictions.jsonl back."""
    try:
        content = json.loads(line)
        for name in _BY_CLASS:
            if list(content[name]) != list(names):
                raise ValueError(f"expected the classes {', '.join(names)}, found {', '.join(content[name])}")
            content[name] = list(content[name].values())
        return TypeAdapter(Row).validate_python(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{where}: expected a prediction of this run, found: {error}. Name another --out.") from error


def _whole_lines(path: Path) -> bytes:
    """Read a file up to the end of its last whole line; nothing if there is no file."""
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def _append(stream: IO[str], text: str) -> None:
    stream.write(text)
    stream.flush()


def _csv_line(cells: Sequence[str]) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerow(map(harmless, cells))
    return stream.getvalue()
