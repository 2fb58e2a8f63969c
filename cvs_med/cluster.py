"""Tasks on many machines: the only room that knows Ray.

A task takes as many processors as the command itself has threads, so that it computes the same sums; on GPUs it takes
one processor and the share of a GPU that is asked for. Ray starts a task again, elsewhere if need be, when its process
or its whole machine is lost; the task then goes on from its last epoch, since it left its checkpoint in the run folder.
That folder, the data and own files of weights must lie on storage that every machine sees under the same path.
"""

import logging
import os
import platform
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from cvs_med import sigterm
from cvs_med.errors import CvsMedError, RunError
from cvs_med.observers import Observer
from cvs_med.tables import write_bytes
from cvs_med.tasks import Task
from cvs_med.training import Epoch
from cvs_med.waiting import turn

HERE = "local"
"""The address that means a Ray of one's own, on this machine."""

_RETRIES = 20
"""Times that a task is started again after its process or machine was lost; one that always kills it ends the run."""

_SECONDS_TO_ANSWER = 10.0
_SECONDS_TO_JOIN = 10.0
_SECONDS_BETWEEN_LOOKS = 0.5

_STORE_BYTES = 100 << 20
"""Ray's store for results, of which ours need next to nothing; it would take a third of the memory otherwise."""

_MARK = ".cluster"
"""File in a run folder by which a worker sees that it is the same folder."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What a worker is told beside its task.

    Attributes:
        number: of the task.
        mark: content of the file `_MARK` in the task's run folder.
        threads: to compute with.
        folder: working folder of the command, from which relative paths of weights are meant.
        release: version of this package.
        begin: called first.
    """

    number: int
    mark: str
    threads: int
    folder: str
    release: str
    begin: Callable[[], object]


@dataclass(frozen=True, slots=True)
class _Done:
    """What a worker says at the end: its machine, and what was wrong with the input, if anything."""

    node: str
    fault: str | None


class _Mailbox:
    """Epochs on their way from the workers to the command."""

    def __init__(self) -> None:
        """Begin empty."""
        self.kept: list[tuple[int, Epoch]] = []

    def put(self, number: int, epoch: Epoch) -> None:
        """Keep an epoch of a task."""
        self.kept.append((number, epoch))

    def take(self) -> list[tuple[int, Epoch]]:
        """Give what came since the last call."""
        taken, self.kept = self.kept, []
        return taken


@dataclass(frozen=True, slots=True)
class _Teller:
    """An observer in a worker: puts epochs into the mailbox, and does not wait."""

    mailbox: Any
    number: int

    def stage(self, text: str) -> None:
        """Keep quiet: many tasks work at once."""

    def counted(self, done: int, total: int) -> None:
        """Keep quiet."""

    def epoch(self, fold: int, epoch: Epoch) -> None:
        """Tell of an epoch of this task."""
        self.mailbox.put.remote(self.number, epoch)


def compute(
    tasks: Sequence[Task], *, address: str, gpus_per_task: float, begin: Callable[[], object], observer: Observer
) -> None:
    """Run all tasks, as many at once as the cluster has room for.

    Args:
        tasks: what to run; those first in the list begin first.
        address: of a cluster, as `HOST:PORT` or `auto`; `HERE` starts Ray on this machine for the time of the call.
        gpus_per_task: GPUs of each, also a part of one; 0 for none.
        begin: called in each worker before it computes.
        observer: told of progress; an epoch is told with the number of its task.

    Raises:
        CvsMedError: Ray is not installed, not to be reached, or has no machine that is large enough; a worker does not
            see the run folder; a task fails, see `Task.run`.
    """
    if not tasks:
        return
    with sigterm.kept() as heed, _connected(address) as ray, _marked(tasks) as mark:
        threads = torch.get_num_threads()
        processors = 1 if gpus_per_task else threads
        _require_room(ray, {"CPU": processors, "GPU": gpus_per_task})
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        mailbox = ray.remote(_Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        work = ray.remote(_work).options(num_cpus=processors, num_gpus=gpus_per_task, max_retries=_RETRIES)
        orders = [
            _Order(number, mark, threads, os.getcwd(), version("cvs-med"), begin) for number in range(len(tasks))
        ]
        started = {work.remote(task, order, mailbox): task for task, order in zip(tasks, orders, strict=True)}
        observer.stage(f"{len(tasks)} tasks on {len(_nodes(ray))} machine{'s' if len(_nodes(ray)) > 1 else ''}")
        try:
            _await(ray, started, mailbox, observer, heed)
        except ray.exceptions.RayError as error:  # Of the mailbox, which is in this machine's part of the cluster.
            raise RunError(
                f"Expected the Ray cluster to stay, found it lost ({type(error).__name__}). The same command goes on, "
                "once there is one."
            ) from error


def _await(
    ray: ModuleType,
    started: dict[Any, Task],
    mailbox: Any,  # noqa: ANN401 - Ray's handle
    observer: Observer,
    heed: Callable[[], None],
) -> None:
    """Pass on what comes until all tasks are done; never wait for long, so that a signal is heeded."""
    waiting, asked = list(started), mailbox.take.remote()
    while waiting:
        done, waiting = ray.wait(waiting, timeout=_SECONDS_BETWEEN_LOOKS)
        if ray.wait([asked], timeout=0)[0]:
            _pass_on(ray.get(asked), observer)
            asked = mailbox.take.remote()
        for each in done:
            answer = _answer(ray, each, started[each])
            observer.stage(f"Done on {answer.node}: {started[each].title}; {len(waiting)} to come")
        heed()
    _pass_on(ray.get(asked), observer)
    _pass_on(ray.get(mailbox.take.remote()), observer)


def _pass_on(epochs: list[tuple[int, Epoch]], observer: Observer) -> None:
    for number, epoch in epochs:
        observer.epoch(number, epoch)


def _answer(ray: ModuleType, handle: Any, task: Task) -> _Done:  # noqa: ANN401 - Ray's handle
    try:
        answer: _Done = ray.get(handle)
    except ray.exceptions.RayTaskError as error:  # A fault of ours, or of the disk; told as without Ray.
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise RunError(
            f"{task.title}: expected an end, found its process lost {_RETRIES + 1} times "
            f"({type(error).__name__}). See that its machines have memory enough; the same command goes on."
        ) from error
    if answer.fault:
        raise CvsMedError(answer.fault)
    return answer


def _work(task: Task, order: _Order, mailbox: Any) -> _Done:  # noqa: ANN401 - Ray's handle
    """Run a task in this worker; what is wrong with the input is said in its answer."""
    node = platform.node()
    try:
        order.begin()
        with suppress(OSError):  # A missing folder is no fault where no path is relative.
            os.chdir(order.folder)
        torch.set_num_threads(order.threads)
        _require_same_release(order.release, node)
        _require_seen(task.out, order.mark, node)
        with turn(task.place / ".lock"):  # A machine that was given up as lost may still be at it.
            task.run(_Teller(mailbox, order.number))
    except CvsMedError as error:
        return _Done(node, str(error))
    return _Done(node, None)


def _require_same_release(expected: str, node: str) -> None:
    found = version("cvs-med")
    if found != expected:
        raise CvsMedError(f"Expected cvs-med {expected} on every machine, found {found} on {node}. Install the same.")


def _require_seen(out: Path, mark: str, node: str) -> None:
    """See that the run folder is the one that the command works in.

    Raises:
        RunError: it is not.
    """
    try:
        seen = (out / _MARK).read_text() == mark
    except OSError:
        seen = False
    if not seen:
        raise RunError(
            f"{out}: expected a run folder that every machine of the cluster sees, found none, or another, on {node}. "
            "Name an --out on shared storage."
        )


@contextmanager
def _marked(tasks: Sequence[Task]) -> Iterator[str]:
    """Mark the run folders for the time of a block; give the mark."""
    mark = secrets.token_hex(8)
    files = {task.out / _MARK for task in tasks}
    for file in files:
        write_bytes(file, mark.encode())
    try:
        yield mark
    finally:
        for file in files:
            file.unlink(missing_ok=True)


@contextmanager
def _connected(address: str) -> Iterator[ModuleType]:
    """Connect to a cluster, or start one on this machine, for the time of a block."""
    # Read when Ray is loaded: nothing is reported to anyone.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise CvsMedError("Expected Ray for --ray, found none. Run `pip install 'cvs-med[ray]'`.") from error
    _require_answer(address)
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": _STORE_BYTES} if address == HERE else {}
    try:
        with sigterm.answered_as_before():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (OSError, RuntimeError, ValueError) as error:
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise CvsMedError(
            f"Expected a Ray cluster at {address}, found none that can be used ({said}). "
            "Start one with `ray start --head`, or give --ray without an address to compute on this machine."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """See that somebody listens, before Ray tries for a minute.

    Raises:
        CvsMedError: nobody does, or the address cannot be understood.
    """
    if address in {HERE, "auto"}:
        return
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_SECONDS_TO_ANSWER):
            return
    except (OSError, ValueError, OverflowError) as error:
        raise CvsMedError(
            f"Expected the address of a Ray cluster, such as 10.0.0.1:6379 or auto, found {address}, where none "
            "answers. Start one with `ray start --head`, or give --ray without an address."
        ) from error


def _nodes(ray: ModuleType) -> list[dict[str, float]]:
    """List what each living machine of the cluster has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _require_room(ray: ModuleType, needed: dict[str, float]) -> None:
    """See that one machine at least can run a task; Ray would wait for it for ever.

    Raises:
        CvsMedError: none can.
    """
    until = time.monotonic() + _SECONDS_TO_JOIN
    while not any(all(node.get(what, 0) >= count for what, count in needed.items()) for node in _nodes(ray)):
        if time.monotonic() > until:
            most = {what: max((node.get(what, 0) for node in _nodes(ray)), default=0) for what in needed}
            raise CvsMedError(
                f"Expected a machine with {needed['CPU']:g} processors and {needed['GPU']:g} GPUs for a task, found at "
                f"most {most['CPU']:g} and {most['GPU']:g}. Set OMP_NUM_THREADS to fewer processors, or ask for fewer "
                "--gpus-per-task."
            )
        time.sleep(_SECONDS_BETWEEN_LOOKS)
