"""What was published, from protocols/reported.yaml, beside what sweeps measured: never in one column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml
from pydantic import BaseModel, ConfigDict, Field

from cvs_med import protocol
from cvs_med.sweep_table import Row, Samples, SweepTable, as_csv, as_markdown, ascending


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str


class Figures(_Entry):
    """Published accuracies of one system by samples per class.

    Attributes:
        network: its name for people.
        backbone: as a protocol writes it; None where a system has none of ours to compare with.
        method: as a sweep names it.
        system: what the publication calls it.
        percent: accuracy by training images of each class.
    """

    network: str
    backbone: str | None
    method: str
    system: str
    percent: dict[Samples, float] = Field(min_length=1)

    @property
    def title(self) -> str:
        """Name system and network, once if they are the same."""
        return self.system if self.system == self.network else f"{self.system}, {self.network}"


class CrossValidated(_Entry):
    """A published accuracy of a cross-validation; `right` is the number of cases that it stands for, if any."""

    system: str
    percent: float
    right: int | None


class Annotation(_Entry):
    """Seconds that a person needs for one image."""

    what: str
    seconds: float


class Reported(BaseModel):
    """All that reported.yaml holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accuracy: tuple[Figures, ...]
    cross_validation: tuple[CrossValidated, ...]
    annotation_seconds: tuple[Annotation, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The sweeps of one data set, and what was published on it.

    Attributes:
        dataset: its name.
        sweeps: table by the name of the run.
        published: figures on the same data set, with the backbone of one of the sweeps or with none of ours.
        other_networks: nothing was published for the backbones of the sweeps, so that `published` has all figures.
    """

    dataset: str
    sweeps: Mapping[str, SweepTable]
    published: Sequence[Figures]
    other_networks: bool = False

    def markdown(self) -> str:
        """Write a row for each number of samples, a column for each system measured or reported."""
        columns = [(f"{name}: {method}, measured", table, method) for name, table, method in self.measured]
        header = [title for title, _, _ in columns] + [f"{figures.title}, reported" for figures in self.published]
        rows = [
            [
                str(samples),
                *(table.cell(method, samples) for _, table, method in columns),
                *(f"{figures.percent[samples]:g}" if samples in figures.percent else "" for figures in self.published),
            ]
            for samples in self.samples
        ]
        titles = "".join(f"{name}: {table.title}. {table.masks}\n\n" for name, table in self.sweeps.items())
        if self.other_networks:
            titles += f"Nothing was published for {self._backbones}: the reported figures are of other networks.\n\n"
        return f"{titles}{as_markdown(['samples a class', *header], rows)}"

    def lines(self) -> list[list[object]]:
        """Give a line for each number, as `CSV_HEADER` says."""
        measured = [(name, row) for name, table in self.sweeps.items() for row in table.rows]
        return [_measured_line(self.dataset, name, row) for name, row in measured] + [
            [self.dataset, "", figures.title, samples, "", "", "", "", percent]
            for figures in self.published
            for samples, percent in figures.percent.items()
        ]

    @property
    def _backbones(self) -> str:
        return " or ".join(dict.fromkeys(table.backbone for table in self.sweeps.values()))

    @property
    def measured(self) -> list[tuple[str, SweepTable, str]]:
        """Every method of every sweep: the run's name, its table, the method."""
        return [(name, table, method) for name, table in self.sweeps.items() for method in table.methods]

    @property
    def samples(self) -> list[Samples]:
        """All numbers of samples a class, measured or published, ascending."""
        measured = [samples for table in self.sweeps.values() for samples in table.samples]
        return ascending([*measured, *(samples for figures in self.published for samples in figures.percent)])


CSV_HEADER = (
    "dataset", "run", "system", "samples", "seeds", "measured_mean", "measured_minimum", "measured_maximum", "reported"
)  # fmt: skip


def load() -> Reported:
    """Read the figures that come with the package."""
    text = (protocol.folder() / protocol.REPORTED).read_text(encoding="utf-8")
    return Reported.model_validate(yaml.safe_load(text))


def compare(sweeps: Mapping[str, SweepTable], published: Sequence[Figures]) -> list[Comparison]:
    """Put sweeps of the same data set side by side, with the figures that can be compared with them.

    Args:
        sweeps: table by the name of the run.
        published: figures to choose from; none to leave them out.
    """
    found = []
    for dataset in dict.fromkeys(table.dataset for table in sweeps.values()):
        own = {name: table for name, table in sweeps.items() if table.dataset == dataset}
        figures = [each for each in published if each.dataset == dataset]
        backbones = {table.backbone for table in own.values()}
        other_networks = bool(figures) and not any(each.backbone in backbones for each in figures)
        if not other_networks:
            figures = [each for each in figures if each.backbone in backbones | {None}]
        found.append(Comparison(dataset, own, figures, other_networks))
    return found


def markdown(comparisons: Sequence[Comparison]) -> str:
    """Write a table for each data set, for people."""
    return "\n".join(f"## {each.dataset}\n\n{each.markdown()}" for each in comparisons)


def csv(comparisons: Sequence[Comparison]) -> str:
    """Write all numbers, for programs."""
    return as_csv(CSV_HEADER, [line for each in comparisons for line in each.lines()])


def _measured_line(dataset: str, name: str, row: Row) -> list[object]:
    return [dataset, name, row.method, row.samples, len(row.right), row.mean, row.minimum, row.maximum, ""]
