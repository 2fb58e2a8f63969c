"""Folds and cells computed apart: the same files as when the command computes them itself."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cvs_med import protocol, selection, tasks
from cvs_med.errors import RunError
from cvs_med.setup import Machine
from cvs_med.sweep import sweep
from cvs_med.sweep_plan import Plan, methods

FROZEN = ("network.trainable=head", "augmentation.colour=0")
SWEPT = (
    "network.backbone=wideresnet-10-1", "images.size=28", "training.epochs=1", "training.batch_size=4",
    "training.precision=fp32",
)  # fmt: skip
OF_TIME = {".lock", "environment.json", "history.csv"}


@dataclass
class Silent:
    """An observer that keeps the epochs it was told of."""

    epochs: list[tuple[int, int]] = field(default_factory=list)

    def stage(self, text: str) -> None: ...

    def counted(self, done: int, total: int) -> None: ...

    def epoch(self, fold: int, epoch: object) -> None:
        self.epochs.append((fold, epoch.number))  # type: ignore[attr-defined]  # an Epoch


def contents(out: Path) -> dict[str, bytes]:
    """Read all files but those that tell of time and process."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in OF_TIME]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def test_a_fold_that_is_done_has_all_that_its_training_part_was_asked(
    phantom_folder: Path, small: tuple[str, ...], tmp_path: Path
) -> None:
    """Whoever is killed between the two does not leave the inner trainings to the command that sums up."""
    asked = protocol.load("phantom", [*small, *FROZEN, "method=probe", "inner.calibrate=true"])
    machine, runs = Machine(tmp_path / "cache", "cpu", 1), [(asked, tmp_path / "run")]
    with tasks.folds(runs, data_dir=phantom_folder, machine=machine, observer=Silent()) as found:
        seen: list[bool] = []

        class Watching(Silent):
            def stage(self, text: str) -> None:
                seen.append((found[0].place / "predictions.csv").exists())

            def counted(self, done: int, total: int) -> None:
                seen.append((found[0].place / "predictions.csv").exists())

        found[0].run(Watching())
    assert (found[0].place / "predictions.csv").exists()
    assert seen
    assert not any(seen)


@pytest.mark.parametrize("settings", [(), FROZEN], ids=["whole network", "frozen encoder"])
def test_folds_computed_apart_in_any_order_are_those_of_one_command(
    phantom_folder: Path,
    small: tuple[str, ...],
    tmp_path: Path,
    cross_validate: Callable[..., Silent],
    settings: tuple[str, ...],
) -> None:
    asked = protocol.load("phantom", [*small, *settings])
    machine = Machine(tmp_path / "cache", "cpu", 1)
    runs = [(asked, tmp_path / "apart")]
    with tasks.folds(runs, data_dir=phantom_folder, machine=machine, observer=Silent()) as found:
        for task in reversed(found):
            # As it travels to another process.
            pickle.loads(pickle.dumps(task)).run(Silent())
    watching = cross_validate(tmp_path / "apart", *settings)
    assert watching.epochs == []
    cross_validate(tmp_path / "one", *settings)
    assert contents(tmp_path / "apart") == contents(tmp_path / "one")
    with tasks.folds(runs, data_dir=phantom_folder, machine=machine, observer=Silent()) as found:
        assert found == []


def test_a_task_finds_pooled_folders_wherever_it_runs(
    phantom_folder: Path,
    small: tuple[str, ...],
    tmp_path: Path,
    make_folder: Callable[..., Path],
    cross_validate: Callable[..., Silent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_folder("other", counts={"glaucoma": 2, "healthy": 4})
    settings = ("method=probe", "also_train=[other]")
    runs = [(protocol.load("phantom", [*small, *settings]), tmp_path / "apart")]
    machine = Machine(tmp_path / "cache", "cpu", 1)
    monkeypatch.chdir(tmp_path)
    with tasks.folds(runs, data_dir=phantom_folder, machine=machine, observer=Silent()) as found:
        monkeypatch.chdir(tmp_path / "other")
        for task in found:
            task.run(Silent())
    monkeypatch.chdir(tmp_path)
    cross_validate(tmp_path / "apart", *settings)
    cross_validate(tmp_path / "one", *settings)
    assert contents(tmp_path / "apart") == contents(tmp_path / "one")


def test_a_fold_that_chooses_its_protocol_does_so_apart(
    phantom_folder: Path, small: tuple[str, ...], tmp_path: Path
) -> None:
    files = []
    for level in (1, 2):
        files.append(tmp_path / f"level{level}.yaml")
        chosen = protocol.load("phantom", [*small, *FROZEN, "method=probe", f"probe.level={level}"])
        files[-1].write_text(protocol.dump(chosen))
    candidates = selection.candidates([str(file) for file in files])
    runs = [(selection.selecting(candidates), tmp_path / "run")]
    machine = Machine(tmp_path / "cache", "cpu", 1)
    with tasks.folds(
        runs, data_dir=phantom_folder, machine=machine, observer=Silent(), candidates=candidates
    ) as found:
        found[1].run(Silent())
    assert (tmp_path / "run" / "fold-1" / "predictions.csv").exists()
    assert {path.name for path in (tmp_path / "run" / "fold-1" / "inner").iterdir()} == {"level1", "level2"}
    assert not (tmp_path / "run" / "fold-0").exists()


def test_a_worker_with_other_data_computes_nothing(
    phantom_folder: Path, small: tuple[str, ...], tmp_path: Path
) -> None:
    from cvs_med.datasets import phantom

    phantom.make(tmp_path / "other", cases=12, size=64)
    asked, machine = protocol.load("phantom", [*small, *FROZEN]), Machine(tmp_path / "cache", "cpu", 1)
    with tasks.folds(
        [(asked, tmp_path / "run")], data_dir=phantom_folder, machine=machine, observer=Silent()
    ) as found:
        elsewhere = tasks.FoldTask(asked, None, found[0].out, 0, tmp_path / "other", machine)
        with pytest.raises(RunError, match=r"inputs\.json is of other photographs"):
            elsewhere.run(Silent())
    assert not (tmp_path / "run" / "fold-0").exists()


def test_cells_computed_apart_are_those_of_one_sweep(mnist: Path, tmp_path: Path) -> None:
    found_methods = methods("paper/mnist-wideresnet", ["cvs", "classification"], SWEPT, "same")
    plan = Plan(found_methods, "same", [1, 2], 1, None)
    machine = Machine(tmp_path / "cache", "cpu", 1)
    masks: Sequence[Path] = []
    with tasks.cells(plan, tmp_path / "apart", data_dir=mnist, masks_dirs=masks, machine=machine) as found:
        assert len(found) == 4
        for task in reversed(found):
            pickle.loads(pickle.dumps(task)).run(Silent())
    for name in ("apart", "one"):
        watching = Silent()
        sweep(plan, tmp_path / name, data_dir=mnist, masks_dirs=masks, machine=machine, observer=watching)
        assert len(watching.epochs) == (0 if name == "apart" else 4)
    assert contents(tmp_path / "apart") == contents(tmp_path / "one")
