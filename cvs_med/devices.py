"""One training on several devices: a process for each, gradients averaged by DistributedDataParallel through Fabric.

All processes draw the same batches, by the same chance as one process alone, and each takes its share of every batch;
see `shares`. The first one writes the checkpoints. The process that asked waits, passes on what it is told, and reads
the trained model from the last checkpoint. So a training goes on from its last epoch on any number of devices.
"""

import copy
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import multiprocessing
from torch.multiprocessing.spawn import ProcessException, start_processes

from cvs_med import training
from cvs_med.batches import Lessons
from cvs_med.errors import CvsMedError, RunError
from cvs_med.memory import keep_memory
from cvs_med.networks import Network
from cvs_med.networks.head import Head
from cvs_med.optimisers import build_optimiser
from cvs_med.protocol import Protocol
from cvs_med.shares import Share
from cvs_med.training import Epoch

_SECONDS_BETWEEN_LOOKS = 0.1

_FEWEST = 2
"""Images of a share that batch norm can learn from whatever the size of its maps."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What a process is told; see `training.fit`."""

    model: Network | Head
    source: Lessons
    cases: Sequence[int]
    protocol: Protocol
    count: int
    accelerator: str
    precision: str
    seed: int
    checkpoint: Path
    port: int
    threads: int


def require(protocol: Protocol, count: int, accelerator: str) -> None:
    """See that a protocol can be trained on so many devices.

    Raises:
        CvsMedError: there are fewer devices, nothing is trained, or a batch cannot be shared out evenly.
    """
    if count == 1:
        return
    found = torch.cuda.device_count() if accelerator == "cuda" else os.cpu_count() or 1
    if count > found:
        what = "GPUs" if accelerator == "cuda" else "processors, one for each process,"
        raise CvsMedError(f"Expected {count} {what} for --devices {count}, found {found}. Ask for at most that.")
    if protocol.method == "probe":
        raise CvsMedError(
            f"Expected a method that trains a network for --devices {count}, found `method: probe`, which is fitted at "
            "once. Leave --devices out, or ask for another method."
        )
    settings = protocol.training
    sizes = [("training.batch_size", size) for size in (settings.batch_size, *settings.smaller_batches.values())]
    if protocol.preparation["fine"]:
        sizes.append(("fine.batch_size", protocol.fine.batch_size))
    for name, size in sizes:
        if size % count:
            raise CvsMedError(
                f"Expected a batch that {count} devices can share evenly, found {name} {size}. Ask for "
                f"--set {name}={-(-size // count) * count}, or for another number of --devices."
            )


def fit(
    model: Network | Head,
    source: Lessons,
    cases: Sequence[int],
    protocol: Protocol,
    *,
    count: int,
    accelerator: str,
    precision: str,
    seed: int,
    checkpoint: Path,
    on_epoch: Callable[[Epoch], None],
    say: Callable[[str], None],
) -> list[Epoch]:
    """Train a network in place on several devices of this machine; see `training.fit`.

    Args:
        model: see `training.fit`, as the rest.
        source: see `training.fit`.
        cases: see `training.fit`.
        protocol: see `training.fit`.
        count: devices, and processes.
        accelerator: cpu or cuda.
        precision: see `training.fit`.
        seed: see `training.fit`.
        checkpoint: see `training.fit`.
        on_epoch: see `training.fit`.
        say: see `training.fit`.

    Raises:
        RunError: see `training.fit`; or a process was lost.
        CvsMedError: see `require`; or a share would be too small.
    """
    require(protocol, count, accelerator)
    _require_shares(protocol, len(cases), count)
    settled = copy.deepcopy(model).cpu(), source.on(torch.device("cpu"))
    threads = max(1, torch.get_num_threads() // count)
    job = _Job(*settled, cases, protocol, count, accelerator, precision, seed, checkpoint, _free_port(), threads)
    mailbox = multiprocessing.get_context("spawn").SimpleQueue()
    processes = start_processes(  # type: ignore[no-untyped-call] # torch gives it no types
        _work, (job, mailbox), count, join=False, start_method="spawn"
    )
    try:
        _await(processes, mailbox, on_epoch, say)
    finally:
        for process in processes.processes:
            process.kill()
            process.join()
    return training.resume(checkpoint, model, build_optimiser(model, protocol.training), say)


def _require_shares(protocol: Protocol, cases: int, count: int) -> None:
    """Refuse a single image as a share where batch norm would see it alone.

    Raises:
        CvsMedError: says how to avoid it.
    """
    settings = protocol.training
    least = training.least_batch(settings, cases) // count
    asked = settings.batch_for(cases) // count
    if least < 1 or (least < min(_FEWEST, asked) and not settings.shared_norms):
        raise CvsMedError(
            f"Expected at least {_FEWEST} images of every batch for each of {count} devices, found {least}: the "
            f"{cases} training cases make batches of {training.least_batch(settings, cases)}. Ask for fewer --devices, "
            "for another training.batch_size, or for --set training.shared_norms=true."
        )


def _await(
    processes: Any,  # noqa: ANN401 - torch's context of processes, which has no name
    mailbox: Any,  # noqa: ANN401 - a queue, whose type is not to be named
    on_epoch: Callable[[Epoch], None],
    say: Callable[[str], None],
) -> None:
    """Pass on what comes until all processes are done."""
    faults: list[Exception] = []
    told: dict[str, Callable[[Any], None]] = {"epoch": on_epoch, "say": say, "fault": faults.append}

    def listen() -> None:
        while not mailbox.empty():
            kind, what = mailbox.get()
            told[kind](what)

    try:
        while not processes.join(timeout=_SECONDS_BETWEEN_LOOKS):
            listen()
    except ProcessException as error:
        listen()
        killed = [process.exitcode for process in processes.processes if _was_killed(process.exitcode)]
        if faults and not killed:
            raise faults[0] from error
        how = signal.Signals(-killed[0]).name if killed else str(error).strip().splitlines()[-1]
        raise RunError(
            f"Expected the end of a training on {len(processes.processes)} devices, found one of its processes lost "
            f"({how}). See that there is memory enough; the same command goes on."
        ) from error
    listen()


def _was_killed(exit_code: int | None) -> bool:
    """Tell a process that a signal ended from one that raised, or that torch ended because another did.

    The fault of another process is then only that its neighbour no longer answers.
    """
    return exit_code is not None and exit_code < 0 and exit_code != -signal.SIGTERM


def _work(number: int, job: _Job, mailbox: Any) -> None:  # noqa: ANN401 - see `_await`
    """Train as one of several processes; only the first one tells of it."""
    os.environ.update(LOCAL_RANK=str(number), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(job.port))
    # All processes are on this machine.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    keep_memory()
    torch.set_num_threads(job.threads)
    try:
        strategy = DDPStrategy(find_unused_parameters=_has_idle_levels(job.model))
        fabric = Fabric(
            accelerator=job.accelerator, devices=job.count, strategy=strategy, plugins=[LightningEnvironment()]
        )
        fabric.launch()
        training.fit(
            copy.deepcopy(job.model),  # What came here is memory that all processes share.
            job.source.on(fabric.device),
            job.cases,
            job.protocol,
            fabric=fabric,
            precision=job.precision,
            seed=job.seed,
            checkpoint=job.checkpoint,
            on_epoch=lambda epoch: mailbox.put(("epoch", epoch)),
            say=lambda text: mailbox.put(("say", text)),
            share=Share(number, job.count),
        )
        fabric.barrier()
        torch.distributed.destroy_process_group()
    except CvsMedError as error:
        mailbox.put(("fault", RunError(str(error))))
        raise
    except (RuntimeError, MemoryError) as error:  # Perhaps too little memory, which the fold knows a remedy for.
        mailbox.put(("fault", error))
        raise


def _has_idle_levels(model: Network | Head) -> bool:
    """Say whether an encoder has levels that the head does not read: their weights get no gradient."""
    return isinstance(model, Network) and max(model.head.levels) + 1 < len(model.encoder.channels)


def _free_port() -> int:
    """Find a port at which the processes can meet."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
