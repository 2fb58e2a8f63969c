"""A whole table: methods by samples per class by seeds, trained on draws of the train part, tested on the test part.

Every cell (a method, M samples per class, a seed) is a training of its own in a folder of its own, METHOD/M-per-class/
seed-S. It keeps who was drawn (draw.json), the history of a network and the predictions; no model and no picture, since
those of a whole table fill a disk. Finished cells are read, one that was begun goes on from its last epoch. The method
`transfer` also sees the rest of the train part, without its labels.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cvs_med import checkpoints, environment, folds, run_folder, sweep_data, sweep_table, transfer
from cvs_med.cache import key_of
from cvs_med.combinations import require_all_masks, require_own_images
from cvs_med.errors import RunError
from cvs_med.evaluation import read_json
from cvs_med.inference import predict_classes
from cvs_med.networks import Network
from cvs_med.observers import Observer, OfCell
from cvs_med.protocol import Protocol
from cvs_med.run_folder import RunFolder
from cvs_med.setup import Machine, Setup, assemble, labels_digest
from cvs_med.sweep_data import Data, Draw
from cvs_med.sweep_plan import Cell, Plan, folder_of
from cvs_med.sweep_table import Row, Samples, SweepTable
from cvs_med.tables import read_predictions, write_predictions
from cvs_med.types import Case, Floats, Prediction

TEST_BATCH = 128
"""Test images that are answered at once."""

_STATES = 3 * checkpoints.COPIES
"""Copies of the weights that checkpoints hold at most: each the weights and AdamW's two states."""


def sweep(
    plan: Plan, out: Path, *, data_dir: Path | None, masks_dirs: Sequence[Path], machine: Machine, observer: Observer
) -> SweepTable:
    """Run every cell of a plan into a run folder, and write the table after each.

    Args:
        plan: what is asked for.
        out: run folder, new or of the same protocols; other methods, samples and seeds may be added to it. The table
            has what this plan asks for.
        data_dir: folder of the data set; None looks where `datasets.locate` looks.
        masks_dirs: folders of foreground masks, for a data set without: one for the methods without brackets, and those
            that `propagation.segmentation` made for methods such as `cvs(seg-10)`; each says itself which it is.
        machine: where to compute.
        observer: told of progress; a cell counts as a fold.

    Raises:
        CvsMedError: data, masks, weights, folders or a training are not as they should be; what was computed stays.
    """
    require_all_masks(plan.methods.values(), "a sweep, whose masks are those of `cvs-med propagate`")
    require_own_images(plan.methods.values(), "a sweep, which draws its training images from one data set")
    with run_folder.alone(out) as folder:
        claim(plan, out)
        data = sweep_data.read(plan, data_dir, masks_dirs)
        rows: dict[tuple[str, Samples], Row] = {}
        for number, cell in enumerate(plan.cells):
            draw = data.draw(cell)
            observer.stage(
                f"Cell {number + 1} of {len(plan.cells)}: {cell.title}; "
                f"{len(draw.train)} to learn from, {len(draw.test)} to test"
            )
            right = run_cell(plan, data, cell, folder, machine, OfCell(observer, number))
            key = cell.method, cell.samples
            earlier = rows[key].right if key in rows else ()
            rows[key] = Row(method=cell.method, samples=cell.samples, right=(*earlier, right), tested=len(draw.test))
            table = _table(plan, data, list(rows.values()))
            sweep_table.write(out, table)
    return table


def claim(plan: Plan, out: Path) -> None:
    """Write each method's protocol and weights into the run folder, or see that they are the same.

    Raises:
        RunError: what was computed rests on others.
    """
    for name, each in plan.methods.items():
        place = _made(out / folder_of(name))
        begun = any(place.glob("*/*/draw.json"))
        run_folder.claim(place / "protocol.yaml", each, begun=begun)
        keep = RunFolder(place).require_same if begun else RunFolder(place).write_json
        keep("weights.json", {"weights": _weights(each.network.weights)})


def run_cell(
    plan: Plan, data: Data, cell: Cell, folder: RunFolder, machine: Machine, observer: Observer
) -> int:
    """Give how many test images a cell got right; train and test it unless that is done.

    Raises:
        CvsMedError: see `sweep`.
    """
    draw = data.draw(cell)
    place = RunFolder(_made(folder.path / cell.folder))
    done, names = place.path / "predictions.csv", data.dataset.class_names
    if done.exists():
        _keep_draw(place, draw)
        chosen = plan.methods[cell.method]
        _require_same_data(place, chosen, _cases(chosen, data, cell, draw), machine)
        predictions = read_predictions(done, names)
        if [row.case_id for row in predictions] != draw.test:
            raise RunError(f"{done}: expected a row for each case of draw.json. Delete this file to have it made anew.")
    else:
        setup = _assemble(plan.methods[cell.method], data, cell, draw, machine, observer)
        _keep_draw(place, draw)
        place.require_same("inputs.json", setup.inputs)
        place.require_room(_STATES * sum(value.nbytes for value in setup.network.state_dict().values()))
        predictions = _learn(setup, draw, place.path, machine)
        write_predictions(done, predictions, names)
        folder.write_json("environment.json", environment.describe(setup.fabric.device, setup.precision))
    checkpoints.remove(place.path / checkpoints.FILE)
    return sum(row.predicted == row.label for row in predictions)


def _learn(setup: Setup, draw: Draw, place: Path, machine: Machine) -> list[Prediction]:
    """Learn from a cell's images and answer for its test images."""
    first = len(setup.cases) - len(draw.test)
    train, test = range(first), range(first, len(setup.cases))
    if setup.protocol.method != "transfer":
        return _answer(setup, folds.train_network(setup, place, 0, train), test)
    found = transfer.label_all(setup, train, set(draw.train), machine.cache_dir)
    if setup.protocol.network.trainable == "head":
        shares = transfer.classify_embedding(setup, found, test, machine.cache_dir)
        return folds.as_predictions(setup, 0, test, shares)
    network = folds.train_network(setup, place, 0, train, transfer.weighted_shares(found, setup.classes))
    return _answer(setup, network, test)


def _keep_draw(place: RunFolder, draw: Draw) -> None:
    file = place.path / "draw.json"
    if not file.exists():
        place.write_json(file.name, draw.model_dump())
    elif read_json(file, Draw) != draw:
        raise RunError(
            f"{file}: expected the images and masks of this draw, found others: the data set, its masks or "
            "--test-per-class is not what it was, and results of two are never mixed. Ask for what was there, or name "
            "another --out."
        )


def _require_same_data(place: RunFolder, chosen: Protocol, cases: Sequence[Case], machine: Machine) -> None:
    """See that a finished cell rests on the images, masks and labels that are there now; see `Setup.inputs`."""
    kept = read_json(place.path / "inputs.json", dict[str, str])
    found = key_of(cases, **chosen.preparation, workers=machine.workers)
    place.require_same("inputs.json", kept | {"photographs": found, "labels": labels_digest(cases)})


def _weights(named: str) -> str:
    """Name published weights or none by their word, and a file by the SHA-256 of its content."""
    if not os.path.isfile(named):
        return named
    with open(named, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cases(chosen: Protocol, data: Data, cell: Cell, draw: Draw) -> list[Case]:
    """List the images of a cell, those to learn from first.

    No test image shows its mask to anything, nor does an image without a label, so that none need be decoded.
    """
    cases = data.of(cell.method).cases
    learnt = [cases[name] for name in draw.train]
    if chosen.method == "transfer":
        learnt = [replace(cases[name], mask=None) for name in data.train]
    return learnt + [replace(cases[name], mask=None) for name in draw.test]


def _assemble(
    chosen: Protocol, data: Data, cell: Cell, draw: Draw, machine: Machine, observer: Observer
) -> Setup:
    """Load a cell's network and images."""
    seeded = chosen.model_copy(update={"splits": chosen.splits.model_copy(update={"seed": cell.seed})})
    return assemble(seeded, data.dataset, _cases(chosen, data, cell, draw), machine=machine, observer=observer)


def _answer(setup: Setup, network: Network, test: Sequence[int]) -> list[Prediction]:
    """Answer for the test images, a batch at a time."""
    shares = list(_shares(setup, network, test))
    return folds.as_predictions(setup, 0, test, np.concatenate(shares))


def _shares(setup: Setup, network: Network, test: Sequence[int]) -> Iterator[Floats]:
    source = folds.source_of(setup, network, setup.protocol.augmentation)
    for start in range(0, len(test), TEST_BATCH):
        batch = test[start : start + TEST_BATCH]
        yield predict_classes(
            network, source, batch, device=setup.fabric.device, precision=setup.precision
        ).numpy()
        setup.observer.counted(start + len(batch), len(test))


def _table(plan: Plan, data: Data, rows: Sequence[Row]) -> SweepTable:
    first = next(iter(plan.methods.values()))
    return SweepTable(
        dataset=first.dataset,
        backbone=first.network.backbone,
        augmentation=plan.recipe,
        masks=data.origin(plan.methods),
        rows=tuple(rows),
    )


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
