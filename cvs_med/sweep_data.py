"""What a sweep learns from and tests: the data set read once, and what every cell draws of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cvs_med import datasets, sweep_table
from cvs_med.datasets import DataSet
from cvs_med.errors import DataError, Problem
from cvs_med.protocol import Protocol
from cvs_med.splits import samples_per_class
from cvs_med.sweep_masks import NO_MASKS, Masked, read_masks
from cvs_med.sweep_plan import Cell, Plan, parts
from cvs_med.sweep_table import Samples
from cvs_med.types import Case

_TEST_SEED = 0
"""Of the draw of test images: the same ones whatever the seed of a cell."""


class Draw(BaseModel):
    """draw.json: what a cell rests on.

    Attributes:
        train: ids that it is trained on.
        test: ids that it answers for.
        masks: where the masks come from.
        propagated_from: how many masks the masks were propagated from; None where each was made for itself.
        propagated_labels: images, other than `train`, whose class the network had learnt that made the masks.
    """

    model_config = ConfigDict(frozen=True)

    train: list[str]
    test: list[str]
    masks: str
    propagated_from: int | None = None
    propagated_labels: int = 0


@dataclass(frozen=True, slots=True)
class Data:
    """The data set, read once.

    Attributes:
        dataset: what it is.
        masked: its cases, by what the masks are called.
        train: ids of the whole train part.
        draws: ids to learn from, for every number of samples and seed.
        test: ids to answer for.
    """

    dataset: DataSet
    masked: dict[str, Masked]
    train: list[str]
    draws: dict[tuple[Samples, int], list[str]]
    test: list[str]

    def of(self, method: str) -> Masked:
        """Give the cases with the masks of a method."""
        return self.masked[parts(method)[1]]

    def draw(self, cell: Cell) -> Draw:
        """Say what a cell rests on."""
        used = self.of(cell.method)
        train = self.draws[cell.samples, cell.seed]
        if used.learnt is None:
            return Draw(train=train, test=self.test, masks=used.origin)
        return Draw(
            train=train,
            test=self.test,
            masks=used.origin,
            propagated_from=used.learnt.masks,
            propagated_labels=used.learnt.masks - len({*used.learnt.given} & {*train}),
        )

    def origin(self, methods: Mapping[str, Protocol]) -> str:
        """Say where the masks of all methods come from, of each by its name if they differ."""
        origins = {name: self.of(name).origin for name, each in methods.items() if each.has_map}
        if len(set(origins.values())) > 1:
            return " ".join(f"{name}: {origin}" for name, origin in origins.items())
        return next(iter(origins.values()), NO_MASKS)


def read(plan: Plan, data_dir: Path | None, masks_dirs: Sequence[Path]) -> Data:
    """Read the data set, draw for every cell, and check all draws and their masks before anything is trained.

    Raises:
        CvsMedError: data or masks are not as they should be.
    """
    first = next(iter(plan.methods.values()))
    dataset, root = datasets.opened(first.dataset, data_dir)
    cases = dataset.cases(root)
    train, test = (_part(cases, dataset, name) for name in ("train", "test"))
    draws = {
        (samples, seed): [case.id for case in train]
        if samples == "full"
        else samples_per_class(train, samples, dataset.class_names, seed)
        for samples, seed in product(reversed(sweep_table.ascending(plan.samples)), range(plan.seeds))
    }
    if plan.test_per_class is not None:
        chosen = set(samples_per_class(test, plan.test_per_class, dataset.class_names, _TEST_SEED))
        test = [case for case in test if case.id in chosen]
    needed = {name for drawn in draws.values() for name in drawn}
    masked = read_masks(plan, dataset, cases, masks_dirs, needed)
    return Data(dataset, masked, [case.id for case in train], draws, [case.id for case in test])


def _part(cases: Sequence[Case], dataset: DataSet, name: str) -> list[Case]:
    found = [case for case in cases if case.part == name]
    if not found:
        remedy = "Sweep a data set whose authors made both parts, such as mnist, and have the files of both."
        raise DataError([Problem(dataset.name, f"images of an official {name} part", "none", remedy)])
    return found
