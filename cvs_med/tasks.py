"""What can be computed apart, in any process that sees the run folder: a fold of a run, a cell of a sweep.

A task carries no data, only what to do and where: its process reads the photographs and features itself, from the
caches of its machine, and leaves what it finds in the run folder. The same command without tasks then finds all folds
or cells done, and sums them up; so what is written is the same, byte for byte, wherever it was computed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol as Interface
from typing import TypeVar, cast

from cvs_med import answering, datasets, experiment, run_folder, sweep, sweep_data
from cvs_med.answering import Prepared
from cvs_med.observers import Observer
from cvs_med.protocol import Protocol
from cvs_med.run_folder import RunFolder
from cvs_med.setup import Machine
from cvs_med.sweep_plan import Plan

T = TypeVar("T")


class Task(Interface):
    """What can be computed apart."""

    @property
    def title(self) -> str:
        """Say what it is."""

    @property
    def out(self) -> Path:
        """The run folder, which every process must see."""

    @property
    def place(self) -> Path:
        """The folder inside `out` that this task alone writes to."""

    def run(self, observer: Observer) -> None:
        """Compute it, or go on from its last epoch.

        Raises:
            CvsMedError: see `experiment.cross_validate` and `sweep.sweep`.
        """


@dataclass(frozen=True, slots=True)
class FoldTask:
    """One fold of a run that was begun; see `experiment.begun`."""

    protocol: Protocol
    candidates: Mapping[str, Protocol] | None
    out: Path
    number: int
    data_dir: Path
    machine: Machine

    @property
    def title(self) -> str:
        """Say which one it is."""
        return f"fold {self.number + 1}, seed {self.protocol.splits.seed}"

    @property
    def place(self) -> Path:
        """Folder of the fold."""
        return self.out / f"fold-{self.number}"

    def run(self, observer: Observer) -> None:
        """Train on its training part and answer for its test part."""
        folder = RunFolder(self.out)
        key = self.protocol, self.candidates, self.data_dir, self.machine
        run = _remembered(key, lambda: self._prepare(observer))
        experiment.require_inputs(folder, run)
        setups = {name: replace(setup, observer=observer) for name, setup in run.setups.items()}
        answering.run_one(Prepared(setups, run.parts), folder, self.number)

    def _prepare(self, observer: Observer) -> Prepared:
        return experiment.prepared(
            self.protocol, self.candidates, data_dir=self.data_dir, machine=self.machine, observer=observer
        )


@dataclass(frozen=True, slots=True)
class CellTask:
    """One cell of a sweep whose folder was claimed; see `sweep.claim`."""

    plan: Plan
    number: int
    out: Path
    data_dir: Path
    masks_dirs: tuple[Path, ...]
    machine: Machine

    @property
    def title(self) -> str:
        """Say which one it is."""
        return self.plan.cells[self.number].title

    @property
    def place(self) -> Path:
        """Folder of the cell."""
        return self.out / self.plan.cells[self.number].folder

    def run(self, observer: Observer) -> None:
        """Train on its draw and answer for the test images."""
        key = self.plan, self.data_dir, self.masks_dirs
        data = _remembered(key, lambda: sweep_data.read(self.plan, self.data_dir, self.masks_dirs))
        sweep.run_cell(self.plan, data, self.plan.cells[self.number], RunFolder(self.out), self.machine, observer)


@contextmanager
def folds(
    runs: Sequence[tuple[Protocol, Path]],
    *,
    data_dir: Path | None,
    machine: Machine,
    observer: Observer,
    candidates: Mapping[str, Protocol] | None = None,
) -> Iterator[list[FoldTask]]:
    """Begin runs, and give their unfinished folds as tasks; no other process works in the folders meanwhile.

    Args:
        runs: protocol and run folder of each.
        data_dir: see `setup.prepare`.
        machine: where each process computes; paths are of every machine.
        observer: told of progress.
        candidates: see `experiment.cross_validate`.

    Raises:
        CvsMedError: see `experiment.cross_validate`.
    """
    tasks: list[FoldTask] = []
    chosen = {name: _anywhere(each) for name, each in candidates.items()} if candidates else None
    with ExitStack() as open_folders:
        for protocol, out in runs:
            _, root = datasets.opened(protocol.dataset, data_dir)
            folder, run = open_folders.enter_context(
                experiment.begun(
                    protocol, out, data_dir=data_dir, machine=machine, observer=observer, candidates=candidates
                )
            )
            tasks += [
                FoldTask(_anywhere(protocol), chosen, out.resolve(), number, root.resolve(), machine)
                for number in range(len(run.parts))
                if not folder.done(number)
            ]
        yield tasks


def _anywhere(protocol: Protocol) -> Protocol:
    """Name the folders of a protocol so that a process that was started elsewhere finds them."""
    return protocol.model_copy(update={"also_train": tuple(str(Path(name).resolve()) for name in protocol.also_train)})


@contextmanager
def cells(
    plan: Plan, out: Path, *, data_dir: Path | None, masks_dirs: Sequence[Path], machine: Machine
) -> Iterator[list[CellTask]]:
    """Check the data of a sweep, and give its unfinished cells as tasks; see `folds`.

    Raises:
        CvsMedError: see `sweep.sweep`.
    """
    with run_folder.alone(out):
        sweep.claim(plan, out)
        sweep_data.read(plan, data_dir, masks_dirs)
        _, root = datasets.opened(next(iter(plan.methods.values())).dataset, data_dir)
        masks = tuple(folder.resolve() for folder in masks_dirs)
        yield [
            CellTask(plan, number, out.resolve(), root.resolve(), masks, machine)
            for number, cell in enumerate(plan.cells)
            if not (out / cell.folder / "predictions.csv").exists()
        ]


_LAST: list[tuple[object, object]] = []
"""What this process read for its last task, and for which."""


def _remembered(key: object, read: Callable[[], T]) -> T:
    """Give what was read for an equal key, or read it: a process that computes several folds reads the data once."""
    if not (_LAST and _LAST[0][0] == key):
        _LAST[:] = [(key, read())]
    return cast("T", _LAST[0][1])
