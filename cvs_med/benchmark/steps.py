"""Training steps as `training.fit` does them, beside those of plain loops."""

import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch.nn.functional import cross_entropy
from torch.profiler import record_function

from cvs_med import environment, losses
from cvs_med.batches import FeatureBatches, PhotographBatches
from cvs_med.benchmark.rounds import Ratio, Result, alternate
from cvs_med.benchmark.sources import batch_size, fresh, require_trained_whole, training_part
from cvs_med.networks import Network
from cvs_med.networks.head import Head
from cvs_med.optimisers import build_optimiser
from cvs_med.precision import choose, computing, place
from cvs_med.protocol import Protocol

STEPS = 4
"""Training steps that one round times."""

PARTS = ("data", "loss", "optimiser")
"""What a step does around the network; a profiler finds these names."""


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
    usual = stepper(fresh(protocol, source), source, protocol, precision, torch.channels_last)
    seconds = alternate([usual, _bare(protocol, source, precision)], rounds)
    ours, bare = (1000 * statistics.median(times) / STEPS for times in seconds)
    what = f"{protocol.network.backbone}, {batch_size(protocol, source)} of {protocol.images.size} pixels, {precision}"
    ratio = Ratio(f"training step : bare network ({what})", ours, bare, ours / bare, "ms")
    return Result((ratio,), rounds, environment.describe(source.device, precision))


def stepper(
    model: Network | Head,
    source: PhotographBatches | FeatureBatches,
    protocol: Protocol,
    precision: str,
    memory: torch.memory_format,
    *,
    fused: bool | None = True,
) -> Callable[[], None]:
    """Give a function that trains a network, or a head on a frozen encoder's features, for `STEPS` steps.

    Args:
        model: is trained in place, always on the first cases.
        source: gives the batches.
        protocol: losses and optimiser.
        precision: bf16 or fp32.
        memory: order of the numbers of images and kernels.
        fused: see `optimisers.build_optimiser`.
    """
    fabric = Fabric(accelerator=source.device.type, devices=1, plugins=[LightningEnvironment()])
    model = model.train().to(source.device)
    model = model.to(memory_format=memory)  # type: ignore[call-overload] # torch's types lack it
    trained, optimiser = fabric.setup(model, build_optimiser(model, protocol.training, fused=fused))
    generator = torch.Generator().manual_seed(0)
    chosen = list(range(batch_size(protocol, source)))

    def steps() -> None:
        for _ in range(STEPS):
            with record_function("data"):
                batch = source.training(chosen, generator)
            inputs = batch.inputs
            if isinstance(inputs, torch.Tensor):
                inputs = inputs.contiguous(memory_format=memory)
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
    network = place(fresh(protocol, source).train(), source.device)
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
