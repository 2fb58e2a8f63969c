"""Segmentation label propagation, the paper's Seg-M: a network learns from M masks a class and makes the others.

Mojab, Yu, Hallak, Yi: "CvS: Classification via Segmentation For Small Datasets", arXiv 2111.00042. The network is that
of a protocol, trained as in any fold. Of what it predicts only the foreground is kept: the class of an image is known,
and `label_maps.label_map` puts both together. So a network that learnt from CIFAR-10 can make the masks of CIFAR-100.

Nothing of an official test part is read. The folder of a propagation holds protocol.yaml, inputs.json, network/ (with
the state of its training, which later calls for other data sets go on from) and a folder of masks for each data set.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cvs_med import datasets, folds, run_folder
from cvs_med.combinations import require_all_masks, require_own_images
from cvs_med.datasets import DataSet, masks
from cvs_med.datasets.masks import Learnt, Origin
from cvs_med.errors import CvsMedError, DataError, Problem, ProtocolError
from cvs_med.networks import Network
from cvs_med.observers import Observer
from cvs_med.propagation import mask_folder
from cvs_med.protocol import Protocol
from cvs_med.run_folder import RunFolder
from cvs_med.setup import (
    Machine,
    Setup,
    assemble,
    masked,
    require_masks,
    with_features,
)
from cvs_med.splits import samples_per_class
from cvs_med.tables import MaskRow
from cvs_med.types import Case


@dataclass(frozen=True, slots=True)
class Target:
    """Images that are to get masks, of a data set's training part.

    Attributes:
        dataset: what they are of.
        cases: themselves, with their reference masks where there are any.
        given: ids whose mask was learnt from.
        per_class: how many of each class; None for all.
    """

    dataset: DataSet
    cases: list[Case]
    given: Collection[str]
    per_class: int | None


@dataclass(frozen=True, slots=True)
class Propagated:
    """What a propagation made.

    Attributes:
        folder: the masks, as `masks.attach` reads them, with masks.json and masks.csv.
        target: what they are of.
        origin: how they were made.
        rows: what is known of each.
    """

    folder: Path
    target: Target
    origin: Origin
    rows: list[MaskRow]


def propagate(
    protocol: Protocol,
    out: Path,
    *,
    manual: int,
    data_dir: Path | None,
    masks_dir: Path | None,
    onto: tuple[str, Path | None] | None,
    per_class: int | None,
    machine: Machine,
    observer: Observer,
) -> Propagated:
    """Train on M masks of each class, and make masks for the rest of the training part or for another data set.

    Args:
        protocol: of a method with a map; its seed is that of the draw and of the training.
        out: new folder, or one that was begun with the same; a trained network and finished masks in it are kept.
        manual: M.
        data_dir: folder of the protocol's data set; None looks where `datasets.locate` looks.
        masks_dir: folder of masks to learn from, for a data set without.
        onto: name and folder of another data set whose training part gets the masks instead.
        per_class: how many images of each class get a mask, drawn as for training; None for all.
        machine: where to compute.
        observer: told of progress; the training counts as one fold.

    Raises:
        CvsMedError: data, masks, weights, folders or the training are not as they should be; what was computed stays.
    """
    if not protocol.has_map:
        raise ProtocolError(f"Expected a protocol of a method with a map, such as cvs, found {protocol.method}.")
    require_all_masks([protocol], "masks of a whole data set")
    require_own_images([protocol], "masks of a whole data set")
    with run_folder.alone(out) as folder:
        place = _made(out / "network")
        run_folder.claim(out / "protocol.yaml", protocol, begun=(out / "inputs.json").exists())
        dataset, root = datasets.opened(protocol.dataset, data_dir)
        found = dataset.cases(root)
        cases, origin = masked(dataset, found, masks_dir, ())
        learnable = _learnable(cases, dataset)
        # Without any mask all may be drawn, so that what is missing is said of the masks and not of each class.
        known = [case for case in learnable if case.mask is not None] or learnable
        drawn = set(samples_per_class(known, manual, dataset.class_names, protocol.splits.seed))
        origin = origin if masks_dir else "Masks that come with the data set."
        target = _target(dataset, cases, drawn, onto, per_class, protocol.splits.seed)
        taught = [case for case in cases if case.id in drawn]
        require_masks(taught)
        setup = _assemble(protocol, dataset, taught, machine, observer)
        _require_same(folder, setup, manual, origin)
        observer.stage(f"Training on {len(setup.cases)} masks of {dataset.name}, {manual} of each class")
        network = folds.train_network(setup, place, 0, range(len(setup.cases)))
        learnt = _learnt(setup, manual, origin, target)
        return _make_masks(setup, network, target, learnt, out, machine)


def _learnable(cases: Sequence[Case], dataset: DataSet) -> list[Case]:
    found = [case for case in cases if case.part != "test"]
    if not found:
        remedy = "Copy the files of the train part there."
        raise DataError([Problem(dataset.name, "images of a train part", "none", remedy)])
    return found


def _target(
    dataset: DataSet,
    cases: Sequence[Case],
    drawn: Collection[str],
    onto: tuple[str, Path | None] | None,
    per_class: int | None,
    seed: int,
) -> Target:
    """Choose who gets a mask: images of the data set itself, or of another one."""
    given = drawn
    if onto is not None:
        name, folder = onto
        if name == dataset.name:
            raise CvsMedError(f"Expected another data set than {name} to go onto. Leave --onto out for {name} itself.")
        (dataset, root), given = datasets.opened(name, folder), ()
        cases = dataset.cases(root)
    chosen = _learnable(cases, dataset)
    if per_class is not None:
        wanted = set(samples_per_class(chosen, per_class, dataset.class_names, seed))
        chosen = [case for case in chosen if case.id in wanted]
    return Target(dataset, chosen, {case.id for case in chosen if case.id in given}, per_class)


def _assemble(
    protocol: Protocol, dataset: DataSet, cases: list[Case], machine: Machine, observer: Observer
) -> Setup:
    setup = assemble(protocol, dataset, cases, machine=machine, observer=observer)
    return with_features(setup, machine.cache_dir) if setup.network.frozen else setup


def _require_same(folder: RunFolder, setup: Setup, manual: int, origin: str) -> None:
    folder.require_same(
        "inputs.json",
        {
            "masks of each class": str(manual),
            "masks": origin,
            **setup.inputs,
        },
    )


def _learnt(setup: Setup, manual: int, origin: str, target: Target) -> Learnt:
    return Learnt(
        per_class=manual,
        masks=len(setup.cases),
        dataset=setup.dataset.name,
        backbone=setup.protocol.network.backbone,
        origin=origin,
        given=[case.id for case in target.cases if case.id in target.given],
    )


def _make_masks(
    setup: Setup, network: Network, target: Target, learnt: Learnt, out: Path, machine: Machine
) -> Propagated:
    """Describe the masks, and make those that are not there yet."""
    planned = Origin(
        method=f"Seg-{learnt.per_class}",
        software={name: version(name) for name in ("torch", "cvs-med")},
        settings={mask_folder.SHARE: float((setup.photographs.foreground >= 128).double().mean())},
        seed=setup.protocol.splits.seed,
        dataset=target.dataset.name,
        part="train",
        per_class=target.per_class,
        images={case.id: masks.image_digest(case) for case in target.cases},
        fallbacks=[],
        learnt=learnt,
    )
    folder = out / target.dataset.name
    origin, rows = mask_folder.make(setup, network, target.cases, planned, folder, machine)
    return Propagated(folder, target, origin, rows)


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
