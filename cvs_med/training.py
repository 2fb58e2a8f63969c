"""The training loop: one a person can read, resumed from its last epoch after any end."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from cvs_med import checkpoints, hyperrule, losses
from cvs_med.batches import Batch, Lessons
from cvs_med.errors import DataError, Problem, RunError
from cvs_med.networks import Network
from cvs_med.networks.head import Head
from cvs_med.optimisers import build_optimiser
from cvs_med.precision import computing, place
from cvs_med.protocol import Protocol
from cvs_med.protocol_sections import Training
from cvs_med.shares import ALONE, Share, with_shared_norms

_WARM_UP = 0.2
"""Share of the steps of `one_cycle` in which the rate rises; Smith & Topin, arXiv 1708.07120."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch cost and reached: means over its steps; `epochs` is of how many it is one."""

    number: int
    parts: dict[str, float]
    seconds: float
    images_per_second: float
    epochs: int


def fit(
    model: Network | Head,
    source: Lessons,
    cases: Sequence[int],
    protocol: Protocol,
    *,
    fabric: Fabric,
    precision: str,
    seed: int,
    checkpoint: Path,
    on_epoch: Callable[[Epoch], None],
    say: Callable[[str], None],
    share: Share = ALONE,
) -> list[Epoch]:
    """Train a network in place; its state after the last epoch is the model.

    The chance of every epoch comes from the seed and the epoch's number alone, so that a run which was killed and
    started again goes on as if nothing had happened.

    Args:
        model: network, or head on a frozen encoder's features; answers `Output` for a batch's inputs.
        source: gives the batches.
        cases: the training part, as numbers that the source understands.
        protocol: loss, optimiser, length.
        fabric: device and processes.
        precision: bf16 or fp32.
        seed: of this fold.
        checkpoint: file that is written after each epoch, and read first if it is there.
        on_epoch: told of every epoch as it ends.
        say: told of a checkpoint that was damaged; then the one before it is gone on from, or nothing.
        share: of every batch, where several processes train together; see `devices.fit`.

    Raises:
        DataError: there are fewer than two cases.
        RunError: the checkpoint is of another network, or the loss is no longer a number.
    """
    settings = protocol.training
    steps = _steps_of_an_epoch(len(cases), settings.batch_for(len(cases)))
    last = steps_of(settings, len(cases))
    epochs = math.ceil(last / steps)
    if settings.shared_norms and share.count > 1:
        with_shared_norms(model, share)
    model = place(model, fabric.device)
    optimiser = build_optimiser(model, settings)
    trained, optimiser = fabric.setup(model, optimiser)
    with fabric.rank_zero_first():  # The first deletes what is damaged.
        history = resume(checkpoint, model, optimiser, say)
    model.train()
    for number in range(len(history), epochs):
        start = time.perf_counter()
        # Only dropout draws from it: each process for its own images.
        torch.manual_seed(_mix(seed, number) + share.number)
        generator = Generator().manual_seed(_mix(seed, number) + 1)
        order = torch.randperm(len(cases), generator=generator).tensor_split(steps)[: last - number * steps]
        parts: list[dict[str, Tensor]] = []
        for step, chosen in enumerate(order):
            _set_rate(optimiser, settings, (number * steps + step) / last, len(cases))
            batch = _shared(source.training([cases[i] for i in chosen], generator), share)
            with computing(fabric.device, precision):
                output = trained(batch.inputs, batch.inside)
            parts.append(losses.total(output, batch.label_map, batch.labels, batch.inside, protocol.loss, share))
            optimiser.zero_grad()
            fabric.backward(parts[-1]["loss"])
            optimiser.step()
            parts[-1] = {name: value.detach() for name, value in parts[-1].items()}
        seconds, images = time.perf_counter() - start, sum(map(len, order))
        history.append(Epoch(number, _means(number, parts), seconds, images / seconds, epochs))
        if not share.number:
            _keep(checkpoint, model, optimiser, history)
            on_epoch(history[-1])
    return history


def _shared(batch: Batch, share: Share) -> Batch:
    """Take a process's part of a batch, which all of them draw alike: so it is the batch of one process alone."""
    return batch if share.count == 1 else Batch(share.of(batch.inputs), *map(share.tensor, batch[1:]))


def steps_of(settings: Training, cases: int) -> int:
    """Count the optimiser steps of a whole training on so many cases.

    Raises:
        DataError: there are fewer than two cases.
    """
    whole = settings.epochs * _steps_of_an_epoch(cases, settings.batch_for(cases))
    return settings.steps or max(whole, settings.least_steps)


def least_batch(settings: Training, cases: int) -> int:
    """Count the images of the smallest batch of an epoch.

    Raises:
        DataError: there are fewer than two cases.
    """
    return cases // _steps_of_an_epoch(cases, settings.batch_for(cases))


def _steps_of_an_epoch(cases: int, batch_size: int) -> int:
    """Share the cases out among batches as even as can be.

    No batch is left with a single case unless `batch_size` asks for that: batch norm may see one value of it, which has
    no variance. So an odd number of cases in batches of two makes one batch of three.
    """
    if cases < 2:
        remedy = "Label more of them, or ask for another split."
        raise DataError([Problem("training part", "at least 2 cases to learn from", str(cases), remedy)])
    steps = math.ceil(cases / batch_size)
    return steps if batch_size == 1 else min(steps, cases // 2)


def _set_rate(optimiser: Optimizer, settings: Training, done: float, cases: int) -> None:
    """Set the learning rates from the share of the steps that is done."""
    factor = hyperrule.factor(done, cases) if settings.schedule == "hyperrule" else 1.0
    if settings.schedule == "one_cycle":
        rising = 0.04 + 0.96 * done / _WARM_UP
        factor = rising if done < _WARM_UP else 0.5 + 0.5 * math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))
    for group in optimiser.param_groups:
        group["lr"] = settings.learning_rate * group["rate"] * factor


def _means(number: int, parts: Sequence[dict[str, Tensor]]) -> dict[str, float]:
    means = {name: float(torch.stack([step[name] for step in parts]).mean()) for name in parts[0]}
    if not math.isfinite(means["loss"]):
        raise RunError(
            f"Expected a loss, found {means['loss']} in epoch {number + 1}: the training diverged. "
            "Set a lower training.learning_rate, or training.precision to fp32, and start in a new folder."
        )
    return means


def _mix(seed: int, number: int) -> int:
    """Give an epoch its own seed, far from those of other epochs and other seeds."""
    return (seed * 1_000_003 + number * 7919) % 2**48


def _keep(path: Path, model: nn.Module, optimiser: Optimizer, history: Sequence[Epoch]) -> None:
    epochs = [astuple(epoch) for epoch in history]
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "epochs": epochs}
    checkpoints.write(path, state)


def resume(path: Path, model: nn.Module, optimiser: Optimizer, say: Callable[[str], None]) -> list[Epoch]:
    """Go back to the last epoch that was kept whole, if any; see `fit`."""
    kept = checkpoints.read(path, say)
    if kept is None:
        return []
    try:
        model.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        return [Epoch(*epoch) for epoch in kept["epochs"]]
    except Exception as error:  # torch names no common class for all that another network's state can cause
        raise RunError(f"{path}: expected the state of this training, found: {error}. Delete this file.") from error
