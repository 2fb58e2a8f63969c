"""Our training steps beside those of a plain loop and of MONAI's trainer: all layers trained, or a frozen encoder."""

import copy
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from cvs_med import datasets, environment
from cvs_med.batches import FeatureBatches, PhotographBatches
from cvs_med.benchmark import by_monai
from cvs_med.benchmark.rounds import Ratio, Result, alternate
from cvs_med.benchmark.sources import batch_size, fresh, training_part
from cvs_med.benchmark.steps import STEPS, stepper
from cvs_med.folds import untrained
from cvs_med.observers import Observer
from cvs_med.precision import choose
from cvs_med.protocol import Protocol
from cvs_med.protocol_sections import Augmentation
from cvs_med.setup import Machine, Setup, assemble, with_features
from cvs_med.training import steps_of

_TRAINER = "MONAI SupervisedTrainer, fp32, transforms one by one"


def train(
    protocol: Protocol, *, data_dir: Path | None, cache_dir: Path, workers: int, rounds: int, observer: Observer
) -> Result:
    """Time training steps of a protocol with all layers trained and, where its encoder is frozen, as it is.

    The others have the same network, recipe and losses, 32-bit numbers, contiguous memory and PyTorch's default
    implementation of the optimiser, as a user has them who asks for nothing else. A decoder at a finer scale is trained
    by itself before these steps, for which no trainer is a match: the skip decoder takes its place on both sides.

    Raises:
        CvsMedError: protocol, data or weights are not as they should be, or pytorch-ignite is not installed.
    """
    protocol = _in_one_piece(protocol)
    precision = choose(protocol.training.precision, torch.device("cpu"))
    ratios = _whole(protocol, precision, data_dir, cache_dir, workers, rounds)
    if protocol.network.trainable == "head":
        dataset, root = datasets.opened(protocol.dataset, data_dir)
        cases = datasets.read(dataset, root, folds=protocol.splits.folds)
        setup = assemble(protocol, dataset, cases, machine=Machine(cache_dir, "cpu", workers), observer=observer)
        ratios += _frozen(setup, rounds)
    return Result(ratios, rounds, environment.describe(torch.device("cpu"), precision))


def _in_one_piece(protocol: Protocol) -> Protocol:
    """Put the skip decoder, and a loss that trains it, in the place of one that is trained before."""
    if protocol.network.decoder != "fine":
        return protocol
    network = protocol.network.model_copy(update={"decoder": "skip"})
    loss = protocol.loss.model_copy(update={"map_weight": 1.0})
    return protocol.model_copy(update={"network": network, "loss": loss})


def _whole(
    protocol: Protocol, precision: str, data_dir: Path | None, cache_dir: Path, workers: int, rounds: int
) -> tuple[Ratio, ...]:
    """Train all layers as usual, by a plain loop, by MONAI's trainer, and as usual without augmentation."""
    everything = protocol.network.model_copy(update={"trainable": "all", "context": ()})
    protocol = protocol.model_copy(update={"network": everything})
    source = training_part(protocol, torch.device("cpu"), data_dir, cache_dir, workers)
    size = batch_size(protocol, source)
    networks = [fresh(protocol, source) for _ in range(4)]
    usual = stepper(networks[0], source, protocol, precision, torch.channels_last)
    contiguous = stepper(networks[1], source, protocol, "fp32", torch.contiguous_format, fused=None)
    plain = replace(source, augmentation=Augmentation(flip=()))
    unchanged = stepper(networks[2], plain, protocol, precision, torch.channels_last)
    trainer = by_monai.supervised_trainer(networks[3], protocol, source, size, STEPS)
    seconds = alternate([usual, contiguous, unchanged, trainer], rounds)
    ours, slow, bare, engine = (statistics.median(times) / STEPS for times in seconds)
    usually = f"{precision} channels_last"
    return (
        Ratio(f"{usually} : fp32 contiguous", size / ours, size / slow, slow / ours, "images/s"),
        Ratio(f"{usually} : {_TRAINER}", size / ours, size / engine, engine / ours, "images/s"),
        Ratio("training step, with : without augmentation", 1000 * ours, 1000 * bare, ours / bare, "ms"),
    )


def _frozen(setup: Setup, rounds: int) -> tuple[Ratio, ...]:
    """Train the head on features that were computed once, and by MONAI's trainer, which encodes in every step.

    The second ratio is of the whole training of one fold, and all features of the data set are counted to ours.
    """
    protocol, everyone = setup.protocol, range(len(setup.cases))
    labels, device = torch.from_numpy(setup.labels), setup.fabric.device
    with tempfile.TemporaryDirectory() as folder:
        setup = with_features(setup, Path(folder))
        network = untrained(setup, 0, everyone)
        encoding = copy.deepcopy(network)
        encoding.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload] # torch's types lack it
        features = FeatureBatches(setup.photographs, setup.features, network.head.levels, labels, device)
        photographs = PhotographBatches(setup.photographs, labels, setup.classes, protocol.augmentation, device)
        size = batch_size(protocol, photographs)
        kept = stepper(network.head, features, protocol, setup.precision, torch.channels_last)
        trainer = by_monai.supervised_trainer(encoding, protocol, photographs, size, STEPS)
        ours, engine = (statistics.median(times) / STEPS for times in alternate([kept, trainer], rounds))
    once = setup.seconds["features"]
    steps = steps_of(protocol.training, len(everyone) - len(everyone) // protocol.splits.folds)
    whole = once + steps * ours, steps * engine
    return (
        Ratio(
            f"step on a frozen encoder, {setup.precision} on kept features : {_TRAINER}, encoder in every step",
            size / ours, size / engine, engine / ours, "images/s",
        ),
        Ratio(
            f"the {steps} steps of one fold, with {once:.1f} s for the features of all folds : {_TRAINER}",
            *whole, whole[1] / whole[0], "s",
        ),
    )  # fmt: skip

