"""What all folds of a run share: cases, photographs, the encoder, its features, the machine."""

import hashlib
import json
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from cvs_med import cache, datasets, devices, pooling
from cvs_med.augmentation import flips, views
from cvs_med.cache import Photographs
from cvs_med.datasets import DataSet, masks
from cvs_med.errors import fault
from cvs_med.features import NOTHING, Features, extract
from cvs_med.networks import Network, build_network, load_weights
from cvs_med.observers import Observer
from cvs_med.precision import Precision, choose, place
from cvs_med.protocol import Protocol
from cvs_med.types import Case, Integers


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to compute.

    Attributes:
        cache_dir: where decoded photographs, features and downloaded weights are kept.
        accelerator: auto, cpu or cuda.
        workers: threads that decode.
        devices: that train one network together; see `devices.fit`.
    """

    cache_dir: Path
    accelerator: str
    workers: int
    devices: int = 1


@dataclass(frozen=True, slots=True)
class Setup:
    """What the folds share.

    Attributes:
        dataset: what the data are.
        cases: all cases.
        photographs: their pixels, in the same order.
        protocol: the experiment.
        network: with the encoder as loaded and a head of random weights; folds work on copies of it.
        encoder: what the encoder is: its name, stride and the checksum of its weights.
        features: of the encoder as loaded; pooled, and with a frozen encoder as maps. None of them after `assemble`.
        fabric: device and processes.
        precision: bf16 or fp32.
        observer: told of progress.
        seconds: what each stage of this process cost.
        devices: that train one network together.
        own: how many of the cases are the data set's own, and come first; the others are only learnt from.
    """

    dataset: DataSet
    cases: list[Case]
    photographs: Photographs
    protocol: Protocol
    network: Network
    encoder: str
    features: Features
    fabric: Fabric
    precision: Precision
    observer: Observer
    seconds: dict[str, float]
    devices: int
    own: int

    @property
    def tested(self) -> range:
        """The cases that folds are dealt of, as positions in `cases`."""
        return range(self.own)

    @property
    def labels(self) -> Integers:
        """Reference classes, in the order of the cases."""
        return np.array([case.label for case in self.cases], dtype=np.int64)

    @property
    def inputs(self) -> dict[str, str]:
        """What is computed rests on, as digests: photographs and masks, the encoder, labels and groups."""
        return {
            "photographs": self.photographs.key,
            "encoder": self.encoder,
            "labels": labels_digest(self.cases),
        }

    @property
    def classes(self) -> int:
        """P."""
        return len(self.dataset.class_names)


def labels_digest(cases: Sequence[Case]) -> str:
    """Give the SHA-256 of the cases' names, classes and groups."""
    return hashlib.sha256(json.dumps([[case.id, case.label, case.group] for case in cases]).encode()).hexdigest()


def prepare(protocol: Protocol, *, data_dir: Path | None, machine: Machine, observer: Observer) -> Setup:
    """Read, check and decode the data, load the encoder, and compute its features.

    Args:
        protocol: the experiment.
        data_dir: folder of the data set; None looks where `datasets.locate` looks.
        machine: where to compute.
        observer: told of progress.

    Raises:
        CvsMedError: data, weights or folders are not as they should be.
    """
    devices.require(protocol, machine.devices, machine.accelerator)
    dataset, root = datasets.opened(protocol.dataset, data_dir)
    cases = datasets.read(dataset, root, folds=protocol.splits.folds)
    own = len(cases)
    dataset, cases = pooling.gather(dataset, cases, protocol.also_train)
    if protocol.has_map and not protocol.masks.per_class:
        require_masks(cases)
    if protocol.also_train:
        observer.stage("Looking for copies among the pooled images")
        pooling.require_no_twins(cases, own, machine.workers)
    setup = replace(assemble(protocol, dataset, cases, machine=machine, observer=observer), own=own)
    if not protocol.masks.per_class:
        require_foreground(setup)
    return with_features(setup, machine.cache_dir)


def with_features(setup: Setup, cache_dir: Path) -> Setup:
    """Compute the encoder's features of all photographs, or read what is there.

    Raises:
        DataError: the folder cannot be written, or has too little room.
    """
    network, protocol = setup.network, setup.protocol
    setup.observer.stage("Computing the encoder's features")
    with timed(setup.seconds, "features"):
        features = extract(
            network,
            setup.photographs,
            views=views(protocol.augmentation) if network.frozen else flips(protocol.augmentation),
            levels=kept_levels(protocol, network),
            identity=setup.encoder,
            precision=setup.precision,
            folder=cache_dir,
            step=setup.observer.counted,
        )
    return replace(setup, features=features)


def assemble(
    protocol: Protocol, dataset: DataSet, cases: list[Case], *, machine: Machine, observer: Observer
) -> Setup:
    """Load the network and decode these cases of a data set, without features; see `prepare`.

    Raises:
        CvsMedError: photographs, weights or folders are not as they should be.
    """
    seconds: dict[str, float] = {}
    observer.stage("Loading the network")
    network, identity = _network(protocol, len(dataset.class_names), machine.cache_dir)
    observer.stage("Reading the photographs")
    with timed(seconds, "photographs"):
        photographs = cache.load(
            cases, **protocol.preparation, folder=machine.cache_dir, workers=machine.workers
        )
    # Named, since Fabric would take the tasks of a Slurm job for processes of its own, and refuse more than one.
    fabric = Fabric(accelerator=machine.accelerator, devices=1, plugins=[LightningEnvironment()])
    precision = choose(protocol.training.precision, fabric.device)
    network = place(network, fabric.device)
    return Setup(
        dataset=dataset,
        cases=cases,
        photographs=photographs,
        protocol=protocol,
        network=network,
        encoder=identity,
        features=NOTHING,
        fabric=fabric,
        precision=precision,
        observer=observer,
        seconds=seconds,
        devices=machine.devices,
        own=len(cases),
    )


def kept_levels(protocol: Protocol, network: Network) -> Sequence[int]:
    """List the levels whose maps training needs: none for a probe or where the encoder itself is trained."""
    return network.head.levels if protocol.method != "probe" and protocol.network.trainable == "head" else ()


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the time of a block to a stage."""
    start = time.perf_counter()
    yield
    seconds[stage] = round(seconds.get(stage, 0) + time.perf_counter() - start, 2)


def require_masks(cases: Sequence[Case]) -> None:
    """Refuse to learn a map from cases without a mask: every pixel of theirs would be learnt as background.

    Raises:
        DataError: says how many have none, and which.
    """
    without = [case.id for case in cases if case.mask is None]
    if without:
        named = f"{', '.join(without[:6])}{' ...' if len(without) > 6 else ''}"
        raise fault(
            "what is learnt from",
            "a mask for every case, for a method with a map",
            f"none for {len(without)} of {len(cases)} ({named})",
            "Draw them, have those of each training part made from a few with `cvs-med cv --masked-per-class 5`, have "
            "all made with `cvs-med propagate`, or ask for a method without a map, such as classification.",
        )


def require_foreground(setup: Setup) -> None:
    """Refuse to learn a class from its map alone where all its masks are empty: no pixel would ever be of it.

    Raises:
        DataError: names the class.
    """
    if setup.protocol.method != "cvs" or setup.protocol.loss.class_weight:
        return
    covered = setup.photographs.foreground.amax(dim=(1, 2)).numpy() > 0
    for label, name in enumerate(setup.dataset.class_names):
        if not covered[setup.labels == label].any():
            raise fault(
                f"class '{name}'",
                "foreground in some of its images, to learn the class from the map alone",
                "none",
                "Ask for `--set loss.class_weight=1`, or for `empty_masks: field` in dataset.yaml.",
            )


def masked(
    dataset: DataSet, cases: Sequence[Case], masks_dir: Path | None, needed: Collection[str]
) -> tuple[list[Case], str]:
    """Give cases the masks of a folder, if one is named, and see that those to be learnt from have one.

    Args:
        dataset: what the cases are of.
        cases: all of them.
        masks_dir: folder of foreground masks, for a data set without.
        needed: ids that must have a mask.

    Returns:
        The cases, and a sentence on where the masks come from.

    Raises:
        DataError: masks are missing or not as they should be.
    """
    origin, found = dataset.notes[0], list(cases)
    if masks_dir is not None:
        found, origin = masks.attach(cases, masks_dir, needed), masks.describe(masks_dir)
    require_masks([case for case in found if case.id in needed])
    return found, origin


def _network(protocol: Protocol, classes: int, cache_dir: Path) -> tuple[Network, str]:
    """Build the network, load its encoder, and say what the encoder is."""
    torch.manual_seed(protocol.splits.seed)
    network = build_network(protocol, classes)
    settings = protocol.network
    report = load_weights(
        network.encoder,
        settings.weights,
        name=settings.backbone,
        partial=settings.weights_partial,
        cache_dir=cache_dir / "weights",
    )
    chance = "" if report.sha256 else f"seed {protocol.splits.seed}"
    return network, f"{settings.backbone}/{settings.output_stride} {report.sha256}{chance}"
