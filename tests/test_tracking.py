"""What a tracker is told of a run: protocol, losses, metrics, and no case."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cvs_med import protocol, tracking
from cvs_med.errors import CvsMedError
from cvs_med.evaluation import evaluate_run
from cvs_med.training import Epoch

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="TensorBoard is not installed: extra `tensorboard`"
)
needs_mlflow = pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="MLflow is not installed")
FROZEN = ("network.trainable=head", "augmentation.colour=0")

_SERVER = "CVS_MED_TEST_MLFLOW"
"""Names the command `mlflow` of an environment in which its server is installed."""

Run = Callable[..., Any]


class Silent:
    def __init__(self) -> None:
        self.stages: list[str] = []
        self.epochs: list[tuple[int, int]] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def counted(self, done: int, total: int) -> None: ...

    def epoch(self, fold: int, epoch: Epoch) -> None:
        self.epochs.append((fold, epoch.number))


class Failing:
    """A tracker whose server is gone."""

    def parameters(self, values: object) -> None: ...

    def metric(self, name: str, value: float, step: int) -> None:
        raise ConnectionError("gone")

    def close(self) -> None: ...


def require_right_points(points: dict[str, list[tuple[int, float]]], run: Path) -> None:
    """Compare what was kept with the files of the run."""
    for fold in range(3):
        rows = (run / f"fold-{fold}" / "history.csv").read_text().splitlines()
        expected = [(int(row.split(",")[0]), float(row.split(",")[1])) for row in rows[1:]]
        assert [step for step, _ in points[f"fold-{fold}/loss"]] == [step for step, _ in expected]
        assert [value for _, value in points[f"fold-{fold}/loss"]] == pytest.approx([v for _, v in expected], abs=1e-4)
    result = evaluate_run(run).result
    assert points["cvs/accuracy"] == [(0, pytest.approx(result.accuracy.share))]
    folds = [(fold.fold, pytest.approx(fold.accuracy.share)) for fold in result.folds]
    assert points["cvs/fold accuracy"] == folds


def require_no_case(folder: Path, run: Path) -> None:
    """See that no file names a case."""
    cases = [case for fold in json.loads((run / "folds.json").read_text())["folds"] for case in fold]
    for file in (path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes()
        assert not [case for case in cases if case.encode() in content]


def track(kind: tracking.Kind, place: str | None, run: Path, small: tuple[str, ...], start: Run) -> Silent:
    asked, watching = protocol.load("phantom", [*small, *FROZEN]), Silent()
    with tracking.tracked(kind, place, run, asked, watching) as observer:
        start(run, *FROZEN, observer=observer)
    return watching


@needs_tensorboard
def test_tensorboard_reads_the_losses_and_metrics_of_a_run(
    tmp_path: Path, small: tuple[str, ...], cross_validate: Run
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    watching = track("tensorboard", None, run, small, cross_validate)
    assert len(watching.epochs) == 6
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    points = {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
    require_right_points(points, run)
    assert "protocol/text_summary" in events.Tags()["tensors"]
    require_no_case(run / "tensorboard", run)
    again = track("tensorboard", str(tmp_path / "later"), run, small, cross_validate)
    assert again.epochs == []
    later = EventAccumulator(str(tmp_path / "later")).Reload()
    assert [event.step for event in later.Scalars("fold-2/loss")] == [1, 2]


@needs_mlflow
# MLflow's own.
@pytest.mark.filterwarnings("ignore::Warning")
def test_mlflow_in_a_folder_keeps_one_run_however_often_it_is_started(
    tmp_path: Path, small: tuple[str, ...], cross_validate: Run
) -> None:
    from mlflow.tracking import MlflowClient

    run = tmp_path / "run"
    for _ in range(2):
        track("mlflow", None, run, small, cross_validate)
    client = MlflowClient(f"sqlite:///{run / 'mlflow' / 'mlflow.db'}")
    require_right_run(client, run)
    require_no_case(run / "mlflow", run)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server on this machine, from an environment of its own: it wants other versions than we have."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = f"sqlite:///{folder / 'server.db'}"
    command = [os.environ[_SERVER], "server", "--port", str(port), "--backend-store-uri", store]
    with subprocess.Popen([*command, "--workers", "1"], cwd=folder, stderr=subprocess.DEVNULL) as process:
        address = f"http://127.0.0.1:{port}"
        while process.poll() is None and not _answers(address):
            time.sleep(0.2)
        assert process.poll() is None
        yield address
        process.terminate()


@pytest.mark.slow
@needs_mlflow
@pytest.mark.skipif(_SERVER not in os.environ, reason=f"{_SERVER} names no command mlflow of a server")
@pytest.mark.filterwarnings("ignore::Warning")
def test_an_mlflow_server_keeps_a_run(server: str, tmp_path: Path, small: tuple[str, ...], cross_validate: Run) -> None:
    from mlflow.tracking import MlflowClient

    track("mlflow", server, tmp_path / "run", small, cross_validate)
    require_right_run(MlflowClient(server), tmp_path / "run")


def require_right_run(client: "MlflowClient", run: Path) -> None:
    """See that there is one run, and that it is right."""
    experiment = client.get_experiment_by_name("cvs-med")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["training.epochs"] == "2"
    points = {}
    for name in found.data.metrics:
        kept = {(each.step, each.value) for each in client.get_metric_history(found.info.run_id, name)}
        steps = {step: value for step, value in sorted(kept)}
        points[name] = list(steps.items())
    require_right_points(points, run)


def test_a_tracker_that_is_lost_does_not_stop_a_run(tmp_path: Path, cross_validate: Run) -> None:
    watching = Silent()
    observer = tracking.Tracked(watching, Failing())
    cross_validate(tmp_path / "run", *FROZEN, observer=observer)
    assert len(watching.epochs) == 6
    assert [text for text in watching.stages if "Tracking ends here" in text] == [
        "Tracking ends here, the run goes on: gone"
    ]


@pytest.mark.parametrize(
    ("kind", "place", "said"),
    [
        pytest.param("mlflow", "http://127.0.0.1:1", "Expected to track at http://127.0.0.1:1", marks=needs_mlflow),
        ("tensorboard", "https://example.org", "Servers are for mlflow"),
    ],
)
@pytest.mark.filterwarnings("ignore::Warning")
def test_what_cannot_be_reached_is_one_sentence(
    tmp_path: Path, kind: tracking.Kind, place: str, said: str, small: tuple[str, ...]
) -> None:
    asked = protocol.load("phantom", small)
    with (
        pytest.raises(CvsMedError, match=said),
        tracking.tracked(kind, place, tmp_path / "run", asked, Silent()),
    ):
        pass


def test_without_the_tracker_one_sentence_says_what_to_install(
    tmp_path: Path, small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    asked = protocol.load("phantom", small)
    with (
        pytest.raises(CvsMedError, match=r"pip install 'cvs-med\[tensorboard\]'"),
        tracking.tracked("tensorboard", None, tmp_path / "run", asked, Silent()),
    ):
        pass


def test_a_file_of_weights_is_not_named(tmp_path: Path, small: tuple[str, ...]) -> None:
    asked = protocol.load("phantom", [*small, "network.weights=/home/somebody/patients.safetensors"])
    assert tracking.parameters_of(asked)["network.weights"] == "a file .safetensors"


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_folders_that_are_learnt_from_too_are_not_named(small: tuple[str, ...]) -> None:
    asked = protocol.load("phantom", [*small, "also_train=[Miller_John_1950, other]"])
    assert tracking.parameters_of(asked)["also_train"] == "2 folders"
