"""The options `--ray` and `--gpus-per-task`: compute the parts of a command on a cluster before the command sums up."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cvs_med.errors import CvsMedError

if TYPE_CHECKING:
    from cvs_med.observers import Observer
    from cvs_med.tasks import Task

Command = TypeVar("Command", bound=Callable[..., Any])

_FROM_ENVIRONMENT = ""
"""What --ray without an address gives."""


def options(command: Command) -> Command:
    """Give a command both options."""
    gpus = click.option(
        "--gpus-per-task", type=click.FloatRange(0), metavar="NUMBER",
        help="GPUs of each task of --ray, such as 0.5.  [default: 1 on GPUs]",
    )  # fmt: skip
    ray = click.option(
        "--ray", "address", is_flag=False, flag_value=_FROM_ENVIRONMENT, metavar="[ADDRESS]",
        help="Compute on a Ray cluster: auto, HOST:PORT, or no address for RAY_ADDRESS or this machine alone.",
    )  # fmt: skip
    return ray(gpus(command))


def gpus(asked: float | None, device: str) -> float:
    """Settle how many GPUs a task takes.

    Raises:
        CvsMedError: none can be used, or more than one are not a whole number.
    """
    if asked and device != "cuda":
        raise CvsMedError("Expected a GPU for --gpus-per-task, found --device cpu. Leave it out, or use --device cuda.")
    if asked and not asked <= 1 and not asked.is_integer():  # Nor is nan a number of GPUs.
        raise CvsMedError(f"Expected a part of one GPU or a whole number, found --gpus-per-task {asked:g}.")
    return (1.0 if device == "cuda" else 0.0) if asked is None else asked


def require_one_way(address: str | None, devices: int) -> None:
    """Refuse several devices for each of the tasks of a cluster.

    Raises:
        CvsMedError: both are asked for.
    """
    if address is not None and devices > 1:
        raise CvsMedError(
            "Expected --ray or --devices, found both. Ray trains many networks at once, each on one device, and "
            "--devices one network on several of this machine: with more folds than devices, --ray is the faster."
        )


def compute(tasks: "Sequence[Task]", address: str, gpus_per_task: float, observer: "Observer") -> None:
    """Run tasks on a cluster; see `cluster.compute`."""
    from cvs_med import cluster
    from cvs_med.memory import keep_memory

    cluster.compute(
        tasks,
        address=address or os.environ.get("RAY_ADDRESS") or cluster.HERE,
        gpus_per_task=gpus_per_task,
        begin=keep_memory,
        observer=observer,
    )
