"""Tasks on a real Ray, on this machine: the same results, whatever is killed."""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from cvs_med import cluster, protocol, sigterm, tasks
from cvs_med.cli import main
from cvs_med.errors import CvsMedError, RunError
from cvs_med.memory import keep_memory
from cvs_med.setup import Machine
from cvs_med.training import Epoch

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: extra `ray`")
# Ray leaves the sockets and processes of its services to the end of the process.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

FROZEN = ("network.trainable=head", "augmentation.colour=0")
EPOCHS = 60
"""Enough of them that what is killed after the first has not come to the last."""

OF_TIME = {".lock", "environment.json", "history.csv"}

Nodes = Any
"""A `ray.cluster_utils.Cluster`."""


class Watching:
    """An observer that keeps the epochs of each task, and is called back after the first of one."""

    def __init__(self, task: int = -1, then: Callable[[], None] | None = None) -> None:
        self.task, self.then = task, then
        self.epochs: dict[int, list[int]] = {}
        self.stages: list[str] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def counted(self, done: int, total: int) -> None: ...

    def epoch(self, fold: int, epoch: Epoch) -> None:
        self.epochs.setdefault(fold, []).append(epoch.number)
        if fold == self.task and self.then is not None:
            then, self.then = self.then, None
            then()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A machine without processors, for the command, and another with two."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=2)
    yield made
    made.shutdown()


def contents(out: Path) -> dict[str, bytes]:
    """Read all files but those that tell of time and process."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in OF_TIME]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


class Start:
    """Starts the folds of a small run on a cluster, and afterwards the ordinary command."""

    def __init__(self, settings: tuple[str, ...], data: Path, folder: Path, then: Callable[..., Any]) -> None:
        self.settings, self.data, self.folder, self.then = settings, data, folder, then

    def __call__(self, address: str, out: Path, watching: Watching, *settings: str) -> None:
        asked = [*FROZEN, f"training.epochs={EPOCHS}", *settings]
        machine = Machine(self.folder / "cache", "cpu", 1)
        runs = [(protocol.load("phantom", [*self.settings, *asked]), out)]
        with tasks.folds(runs, data_dir=self.data, machine=machine, observer=watching) as found:
            cluster.compute(found, address=address, gpus_per_task=0, begin=keep_memory, observer=watching)
        assert self.then(out, *asked).epochs == []


@pytest.fixture
def start(
    small: tuple[str, ...],
    phantom_folder: Path,
    tmp_path: Path,
    cross_validate: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Start:
    # So that a first epoch is heard of long before the last.
    monkeypatch.setattr(cluster, "_SECONDS_BETWEEN_LOOKS", 0.02)
    return Start(small, phantom_folder, tmp_path, cross_validate)


def require_nothing_lost(out: Path, whole: Path, epochs: list[int]) -> None:
    """See that an interrupted fold went on from its last epoch, and that the run is as if undisturbed."""
    assert contents(out) == contents(whole)
    # What the worker was just saying when it was killed may be lost, the epoch itself is not.
    assert len(set(range(EPOCHS)) - set(epochs)) <= 1
    assert len(epochs) <= EPOCHS + 1, "more than the epoch that was cut off was computed twice"


@needs_ray
def test_a_worker_killed_in_a_fold_costs_no_more_than_an_epoch(
    nodes: Nodes, start: Start, tmp_path: Path, cross_validate: Callable[..., Any]
) -> None:
    out, whole = tmp_path / "killed", tmp_path / "whole"

    def kill() -> None:
        _, worker = (out / "fold-1" / ".lock").read_text().split()
        assert not (out / "fold-1" / "predictions.csv").exists()
        os.kill(int(worker), signal.SIGKILL)

    watching = Watching(1, kill)
    start(nodes.address, out, watching)
    assert watching.then is None
    cross_validate(whole, *FROZEN, f"training.epochs={EPOCHS}")
    require_nothing_lost(out, whole, watching.epochs[1])
    assert sorted(watching.epochs) == [0, 1, 2]
    assert not (out / ".cluster").exists()


@needs_ray
@pytest.mark.slow
def test_a_machine_that_is_taken_away_costs_no_more_than_an_epoch(
    start: Start, tmp_path: Path, cross_validate: Callable[..., Any]
) -> None:
    from ray.cluster_utils import Cluster

    out, whole = tmp_path / "removed", tmp_path / "whole"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    first = made.add_node(num_cpus=1)

    def replace() -> None:
        assert not (out / "fold-0" / "predictions.csv").exists()
        made.add_node(num_cpus=1)
        made.remove_node(first, allow_graceful=False)

    watching = Watching(0, replace)
    try:
        start(made.address, out, watching)
    finally:
        made.shutdown()
    assert watching.then is None
    cross_validate(whole, *FROZEN, f"training.epochs={EPOCHS}")
    require_nothing_lost(out, whole, watching.epochs[0])


@needs_ray
def test_a_run_folder_that_a_worker_does_not_see_is_refused(
    nodes: Nodes, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The folder is there, as on another machine whose folder has the same name, but not the command's.
    monkeypatch.setattr(cluster, "_MARK", ".another")
    with pytest.raises(CvsMedError, match=r"expected a run folder that every machine of the cluster sees"):
        start(nodes.address, tmp_path / "run", Watching())
    assert not (tmp_path / "run" / "fold-0" / "predictions.csv").exists()


class Played:
    """As much of Ray as is needed to wait for tasks: each wait ends one, and the mailbox has one epoch for each."""

    exceptions = type("Exceptions", (), {"RayTaskError": ZeroDivisionError, "RayError": ZeroDivisionError})

    def wait(self, handles: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return handles[:1], handles[1:]

    def get(self, handle: object) -> object:
        return cluster._Done("here", None) if isinstance(handle, str) else handle


@pytest.mark.parametrize("ended", [False, True])
def test_sigterm_is_kept_until_ray_is_not_at_work(ended: bool) -> None:
    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    class Asked:
        def remote(self) -> list[tuple[int, str]]:
            if ended:
                signal.raise_signal(signal.SIGTERM)  # Nothing is raised here, where Ray would be at work.
            told.append((len(told), "an epoch"))
            return told[-1:]

    class Told:
        def stage(self, text: str) -> None: ...

        def epoch(self, fold: int, epoch: object) -> None:
            heard.append((fold, epoch))

    told: list[tuple[int, str]] = []
    heard: list[object] = []
    started: dict[Any, Any] = {name: type("Task", (), {"title": name}) for name in "abc"}
    before = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(KeyboardInterrupt) if ended else nullcontext(), sigterm.kept() as heed:
            cluster._await(Played(), started, type("Mailbox", (), {"take": Asked()}), Told(), heed)  # type: ignore[arg-type]
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == (told[:1] if ended else told)


@needs_ray
def test_sigterm_ends_the_command_as_without_ray(nodes: Nodes, start: Start, tmp_path: Path) -> None:
    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "ended"
    before = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(KeyboardInterrupt):
            start(nodes.address, out, Watching(0, lambda: os.kill(os.getpid(), signal.SIGTERM)))
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (out / "fold-0").exists()
    assert not (out / ".cluster").exists()


@needs_ray
def test_a_cluster_that_is_lost_is_one_sentence(
    nodes: Nodes, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost:
        def put(self, number: int, epoch: Epoch) -> None: ...

        def take(self) -> None:
            os._exit(1)

    monkeypatch.setattr(cluster, "_Mailbox", Lost)
    with pytest.raises(RunError, match=r"Ray cluster to stay, found it lost \(Actor\w+\)\. The same command goes on"):
        start(nodes.address, tmp_path / "lost", Watching())


@needs_ray
def test_a_machine_that_is_too_small_is_refused(
    nodes: Nodes, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_SECONDS_TO_JOIN", 0.0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1000)
    with pytest.raises(CvsMedError, match=r"Expected a machine with 1000 processors .* found at most 2"):
        start(nodes.address, tmp_path / "run", Watching())


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "host:port", "127.0.0.1:99999"])
def test_a_bad_address_is_one_sentence(
    address: str, phantom_folder: Path, small: tuple[str, ...], tmp_path: Path
) -> None:
    said = refused(["--ray", address, *options(phantom_folder, small, tmp_path)])
    assert "Expected the address of a Ray cluster" in said
    assert not (tmp_path / "run" / "fold-0").exists()


def test_without_ray_one_sentence_says_what_to_install(
    phantom_folder: Path, small: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    said = refused([*options(phantom_folder, small, tmp_path), "--ray"])
    assert said == "Error: Expected Ray for --ray, found none. Run `pip install 'cvs-med[ray]'`."


@pytest.mark.parametrize("asked", [["--gpus-per-task", "0.5"], ["--ray", "--gpus-per-task", "0.5"]])
def test_a_share_of_a_gpu_is_refused_where_none_is_used(
    phantom_folder: Path, small: tuple[str, ...], tmp_path: Path, asked: list[str]
) -> None:
    assert "Expected a GPU for --gpus-per-task" in refused([*options(phantom_folder, small, tmp_path), *asked])


def options(data: Path, settings: tuple[str, ...], folder: Path) -> list[str]:
    """Give the options of a cheap run."""
    cheap = [part for setting in (*settings, *FROZEN) for part in ("--set", setting)]
    return ["--dataset", "phantom", "--data-dir", str(data), "--device", "cpu", "--out", str(folder / "run"), *cheap]


def refused(asked: list[str]) -> str:
    """Run a command that is refused, and give its last line."""
    result = CliRunner().invoke(main, ["cv", *asked])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]
