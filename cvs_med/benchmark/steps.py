"""Training steps as `training.fit` does them, beside those of plain loops."""

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch.nn.functional import cross_entropy
from torch.profiler import record_function

from cvs_med import environment, losses
from cvs_med.batches import PhotographBatches
from cvs_med.benchmark import by_monai
from cvs_med.benchmark.rounds import Ratio, Result, alternate
from cvs_med.benchmark.sources import batch_size, require_trained_whole, training_part
from cvs_med.networks import Network, build_network
from cvs_med.precision import choose, computing, place
from cvs_med.protocol import Protocol
from cvs_med.protocol import load as load_protocol
from cvs_med.protocol_sections import Augmentation
from cvs_med.training import build_optimiser

STEPS = 4
"""Training steps that one round times."""

PARTS = ("data", "loss", "optimiser")
"""What a step does around the network; a profiler finds these names."""


def train(dataset: str, *, data_dir: Path | None, cache_dir: Path, workers: int, rounds: int) -> Result:
    """Time training steps of a data set's protocol, all layers trained: as usual, and in three other ways.

    They are the same recipe with 32-bit numbers and contiguous memory, as a plain PyTorch loop has them; the same with
    MONAI's SupervisedTrainer and a dictionary transform for each image; and the usual step without augmentation.

    Raises:
        CvsMedError: protocol or data are not as they should be, or pytorch-ignite is not installed.
    """
    protocol = load_protocol(dataset, ["network.trainable=all", "network.context=[]"])
    source = training_part(protocol, torch.device("cpu"), data_dir, cache_dir, workers)
    plain = replace(source, augmentation=Augmentation(flip=()))
    precision = choose("auto", source.device)
    usual = stepper(protocol, source, precision, torch.channels_last)
    contiguous = stepper(protocol, source, "fp32", torch.contiguous_format)
    unchanged = stepper(protocol, plain, precision, torch.channels_last)
    size = batch_size(protocol, source)
    trainer = by_monai.supervised_trainer(protocol, source, size, STEPS)
    seconds = alternate([usual, contiguous, unchanged, trainer], rounds)
    ours, slow, bare, engine = (statistics.median(times) / STEPS for times in seconds)
    ratios = (
        Ratio(f"{precision} channels_last : fp32 contiguous", size / ours, size / slow, slow / ours, "images/s"),
        Ratio(
            f"{precision} channels_last : MONAI SupervisedTrainer, fp32, transforms one by one",
            size / ours, size / engine, engine / ours, "images/s",
        ),
        Ratio("training step, with : without augmentation", 1000 * ours, 1000 * bare, ours / bare, "ms"),
    )
    return Result(ratios, rounds, environment.describe(source.device, precision))


def step(
    protocol: Protocol, *, data_dir: Path | None, cache_dir: Path, accelerator: str, workers: int, rounds: int
) -> Result:
    """Time a training step as `training.fit` does it, against the bare network's on one batch that never changes.

    Bare are forward pass, cross-entropy, backward pass and optimiser, with the same numbers and memory; what is over is
    drawing and changing the batch, and our losses.

    Raises:
        CvsMedError: protocol or data are not as they should be, or the encoder is frozen, whose features are kept.
    """
    require_trained_whole(protocol)
    source = training_part(protocol, torch.device(accelerator), data_dir, cache_dir, workers)
    precision = choose(protocol.training.precision, source.device)
    usual = stepper(protocol, source, precision, torch.channels_last)
    seconds = alternate([usual, _bare(protocol, source, precision)], rounds)
    ours, bare = (1000 * statistics.median(times) / STEPS for times in seconds)
    what = f"{protocol.network.backbone}, {batch_size(protocol, source)} of {protocol.images.size} pixels, {precision}"
    ratio = Ratio(f"training step : bare network ({what})", ours, bare, ours / bare, "ms")
    return Result((ratio,), rounds, environment.describe(source.device, precision))


def stepper(
    protocol: Protocol, source: PhotographBatches, precision: str, memory: torch.memory_format
) -> Callable[[], None]:
    """Build a network and give a function that trains it for `STEPS` steps."""
    torch.manual_seed(0)
    fabric = Fabric(accelerator=source.device.type, devices=1, plugins=[LightningEnvironment()])
    network: Network = build_network(protocol, source.classes).train().to(source.device)
    network = network.to(memory_format=memory)  # type: ignore[call-overload] # torch's types lack it
    trained, optimiser = fabric.setup(network, build_optimiser(network, protocol.training))
    generator = torch.Generator().manual_seed(0)
    chosen = list(range(batch_size(protocol, source)))

    def steps() -> None:
        for _ in range(STEPS):
            with record_function("data"):
                batch = source.training(chosen, generator)
            inputs = batch.inputs.contiguous(memory_format=memory) if isinstance(batch.inputs, torch.Tensor) else None
            with computing(source.device, precision):
                output = trained(inputs, batch.inside)
            with record_function("loss"):
                parts = losses.total(output, batch.label_map, batch.labels, batch.inside, protocol.loss)
            optimiser.zero_grad()
            fabric.backward(parts["loss"])
            with record_function("optimiser"):
                optimiser.step()

    return steps


def _bare(protocol: Protocol, source: PhotographBatches, precision: str) -> Callable[[], None]:
    """Build a network and give a function that trains it for a few steps on one batch."""
    torch.manual_seed(0)
    network = place(build_network(protocol, source.classes).train(), source.device)
    optimiser = build_optimiser(network, protocol.training)
    generator = torch.Generator().manual_seed(0)
    batch = source.training(range(batch_size(protocol, source)), generator)

    def steps() -> None:
        for _ in range(STEPS):
            with computing(source.device, precision):
                output = network(batch.inputs, batch.inside)
            if output.map_logits is None:
                loss = cross_entropy(output.class_logits.float(), batch.labels)
            else:
                loss = cross_entropy(output.map_logits.float(), batch.label_map)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()

    return steps
