"""The table of a sweep: how many test images each method got right, by samples per class and seed; in and out."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from cvs_med.evaluation import read_json
from cvs_med.tables import write_bytes

Samples: TypeAlias = Annotated[int, Field(ge=1)] | Literal["full"]
"""Training images of each class; `full` is the whole train part."""


_AUGMENTATIONS = {"paper": "as in each method's protocol", "same": "one for all methods"}


class Row(BaseModel):
    """One method with one number of samples per class.

    Attributes:
        method: as the protocol names it.
        samples: per class.
        right: test images with the right class, for each seed.
        tested: number of test images.
    """

    model_config = ConfigDict(frozen=True)

    method: str
    samples: Samples
    right: tuple[int, ...] = Field(min_length=1)
    tested: int = Field(ge=1)

    @property
    def mean(self) -> float:
        """Mean accuracy over the seeds, in percent."""
        return 100 * sum(self.right) / len(self.right) / self.tested

    @property
    def minimum(self) -> float:
        """Least accuracy of a seed, in percent."""
        return 100 * min(self.right) / self.tested

    @property
    def maximum(self) -> float:
        """Largest accuracy of a seed, in percent."""
        return 100 * max(self.right) / self.tested

    @property
    def sentence(self) -> str:
        """Say mean, range and number of seeds, such as `71.3 (68.0 to 74.1, 5 seeds)`."""
        if len(self.right) == 1:
            return f"{self.mean:.2f} (1 seed)"
        return f"{self.mean:.2f} ({self.minimum:.2f} to {self.maximum:.2f}, {len(self.right)} seeds)"


class SweepTable(BaseModel):
    """What a sweep measured; table.json holds this, with the mean and the range of every row.

    Attributes:
        dataset: its name.
        backbone: encoder of all methods.
        augmentation: `paper`, each method's own, or `same`, one for all.
        masks: where the foreground masks come from.
        rows: methods and samples per class that have at least one seed.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    backbone: str
    augmentation: str
    masks: str
    rows: tuple[Row, ...]

    @property
    def methods(self) -> list[str]:
        """Methods, in the order of the rows."""
        return list(dict.fromkeys(row.method for row in self.rows))

    @property
    def samples(self) -> list[Samples]:
        """Samples per class, ascending, `full` last."""
        return ascending(row.samples for row in self.rows)

    def cell(self, method: str, samples: Samples) -> str:
        """Say what a method reached; nothing where it was not run."""
        found = [row.sentence for row in self.rows if (row.method, row.samples) == (method, samples)]
        return found[0] if found else ""

    @property
    def title(self) -> str:
        """Say what the numbers are."""
        tested = " or ".join(map(str, sorted({row.tested for row in self.rows})))
        return (
            f"{self.dataset}, {self.backbone}: accuracy in % on {tested} test images, mean (least to largest over the "
            f"seeds); augmentation: {_AUGMENTATIONS.get(self.augmentation, self.augmentation)}"
        )

    def grid(self) -> tuple[list[str], list[list[str]]]:
        """Give header and rows of the table for people: a row for each number of samples, a column a method."""
        rows = [[str(count), *(self.cell(method, count) for method in self.methods)] for count in self.samples]
        return ["samples a class", *self.methods], rows


def ascending(samples: Iterable[Samples]) -> list[Samples]:
    """Sort numbers of samples, each once, `full` last."""
    return sorted(set(samples), key=lambda count: float("inf") if count == "full" else count)


def write(folder: Path, table: SweepTable) -> None:
    """Write table.json, table.csv and table.md."""
    header, rows = table.grid()
    spread = [{"mean": row.mean, "minimum": row.minimum, "maximum": row.maximum} for row in table.rows]
    content = table.model_dump()
    content["rows"] = [row | ends for row, ends in zip(content["rows"], spread, strict=True)]
    write_bytes(folder / "table.json", f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode())
    numbers = ["method", "samples", "seeds", "mean", "minimum", "maximum", "tested"]
    lines = [
        [row.method, row.samples, len(row.right), row.mean, row.minimum, row.maximum, row.tested] for row in table.rows
    ]
    write_bytes(folder / "table.csv", as_csv(numbers, lines).encode())
    write_bytes(folder / "table.md", f"{table.title}\n\n{as_markdown(header, rows)}\n{table.masks}\n".encode())


def read(folder: Path) -> SweepTable:
    """Read the table of a sweep.

    Raises:
        RunError: there is none, or it is damaged.
    """
    return read_json(folder / "table.json", SweepTable)


def as_markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table for people."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def as_csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write a table for programs."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([header, *rows])
    return stream.getvalue()
