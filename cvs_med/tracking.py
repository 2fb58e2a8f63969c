"""Losses and results of a run, told to TensorBoard or MLflow while it works: the only room that knows them.

Told are the protocol, the losses of every epoch, and the metrics of every fold and of the whole. No case, no group and
no path is ever named, since a tracking server may be another's.
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias
from typing import Protocol as Interface
from urllib.parse import urlsplit

from cvs_med.errors import CvsMedError
from cvs_med.evaluation import RunMetrics, evaluate_run
from cvs_med.observers import Observer
from cvs_med.protocol import Protocol
from cvs_med.tables import write_bytes
from cvs_med.training import Epoch

Kind: TypeAlias = Literal["tensorboard", "mlflow"]

_EXPERIMENT = "cvs-med"

_KEPT = "tracking.json"
"""File in a run folder that says which run of an MLflow it is, so that a run that was stopped goes on in it."""


class Writer(Interface):
    """Whoever keeps numbers."""

    def parameters(self, values: Mapping[str, str]) -> None:
        """Keep what does not change."""

    def metric(self, name: str, value: float, step: int) -> None:
        """Keep a number."""

    def close(self) -> None:
        """End."""


@dataclass(slots=True)
class Tracked:
    """An observer that passes on what it hears, and keeps the losses of every epoch.

    A writer that fails is told of once and then left alone: a training is worth more than its curve.
    """

    observer: Observer
    writer: Writer
    lost: bool = field(default=False, init=False)
    heard: set[tuple[int, int]] = field(default_factory=set, init=False)

    def stage(self, text: str) -> None:
        """Pass on that a part of the work begins."""
        self.observer.stage(text)

    def counted(self, done: int, total: int) -> None:
        """Pass on how many are done."""
        self.observer.counted(done, total)

    def epoch(self, fold: int, epoch: Epoch) -> None:
        """Pass on an epoch and keep its losses."""
        self.observer.epoch(fold, epoch)
        self.losses(fold, epoch.number + 1, epoch.parts)

    def losses(self, fold: int, epoch: int, parts: Mapping[str, float]) -> None:
        """Keep the losses of an epoch, counted from one, unless they are kept."""
        if (fold, epoch) not in self.heard:
            self.heard.add((fold, epoch))
            self.keep({f"fold-{fold}/{name}": value for name, value in parts.items()}, epoch)

    def keep(self, metrics: Mapping[str, float], step: int) -> None:
        """Keep numbers, unless an earlier one could not be kept."""
        if self.lost:
            return
        try:
            for name, value in metrics.items():
                self.writer.metric(name, value, step)
        except Exception as error:  # whatever a network and a server can raise
            self.lost = True
            self.observer.stage(f"Tracking ends here, the run goes on: {_first_line(error)}")


@contextmanager
def tracked(kind: Kind, place: str | None, run: Path, protocol: Protocol, observer: Observer) -> Iterator[Tracked]:
    """Track a run for the time of a block, and its metrics at the end if it finished.

    Losses of epochs that other processes computed, on a cluster or before the run was stopped, are kept at the end.

    Args:
        kind: of tracker.
        place: folder or, for MLflow, the address of a server; None for a folder inside the run folder.
        run: run folder.
        protocol: of the run.
        observer: told of progress too.

    Raises:
        CvsMedError: the tracker is not installed or cannot be reached.
    """
    writer = _opened(kind, place or str(run / kind), run, protocol)
    tracking = Tracked(observer, writer)
    try:
        yield tracking
        if (run / "predictions.csv").exists():
            for fold, epoch, parts in _histories(run):
                tracking.losses(fold, epoch, parts)
            for name, step, value in metrics_of(evaluate_run(run)):
                tracking.keep({name: value}, step)
    finally:
        writer.close()


def parameters_of(protocol: Protocol) -> dict[str, str]:
    """Write a protocol as names with dots and their values.

    Of weights in a file the ending alone, of folders that are learnt from too the number.
    """
    found = dict(_flat(protocol.model_dump(mode="json", exclude={"inner": {"select"}}), ""))
    weights = Path(found["network.weights"])
    found |= {"network.weights": f"a file {weights.suffix}"} if weights.suffix else {}
    return found | ({"also_train": f"{len(protocol.also_train)} folders"} if protocol.also_train else {})


def metrics_of(metrics: RunMetrics) -> Iterator[tuple[str, int, float]]:
    """Give name, step and value of what was reached: of folds with their number as the step, of the whole with zero."""
    for method, found in metrics.compared:
        for fold in found.folds:
            of_fold = {"fold accuracy": fold.accuracy.share, "fold AUROC": fold.macro_auroc}
            yield from ((f"{method}/{name}", fold.fold, value) for name, value in of_fold.items() if value is not None)
        whole = {
            "accuracy": found.accuracy.share,
            "balanced accuracy": found.balanced_accuracy,
            "mean AUROC": found.mean_auroc,
            "Brier score": found.brier,
            "calibration error": found.calibration_error,
            "Dice": found.dice_working.mean if found.dice_working else None,
        }
        yield from ((f"{method}/{name}", 0, value) for name, value in whole.items() if value is not None)


def _histories(run: Path) -> Iterator[tuple[int, int, dict[str, float]]]:
    """Give fold, epoch and losses of every epoch of a run."""
    for file in sorted(run.glob("fold-*/history.csv")):
        fold = int(file.parent.name.removeprefix("fold-"))
        for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines()):
            losses = {name: float(value) for name, value in row.items() if name not in {"epoch", "seconds"}}
            yield fold, int(row["epoch"]), losses


def _flat(values: Mapping[str, Any], before: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value if isinstance(value, str) else json.dumps(value)


class _TensorBoard:
    """Event files in a folder."""

    def __init__(self, folder: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.events = SummaryWriter(folder)

    def parameters(self, values: Mapping[str, str]) -> None:
        """Write the protocol as a table."""
        rows = "\n".join(f"| {name} | {value} |" for name, value in values.items())
        self.events.add_text("protocol", f"| field | value |\n|---|---|\n{rows}")

    def metric(self, name: str, value: float, step: int) -> None:
        """Write a point of a curve."""
        self.events.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        self.events.close()


class _MLflow:
    """A run of an MLflow server, or of the database in a folder."""

    def __init__(self, place: str, run: Path, title: str) -> None:
        # Read when MLflow is loaded: nothing is reported to its makers, and a silent server is given up soon.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(tracking_uri=_address(place))
        file = run / _KEPT
        kept = json.loads(file.read_text()) if file.exists() else {}
        if kept.get("place") != place:
            kept = {"place": place, "run": self._begin(title)}
            write_bytes(file, json.dumps(kept).encode())
        self.run = str(kept["run"])
        self.client.get_run(self.run)

    def _begin(self, title: str) -> str:
        found = self.client.get_experiment_by_name(_EXPERIMENT)
        experiment = found.experiment_id if found else self.client.create_experiment(_EXPERIMENT)
        return str(self.client.create_run(experiment, run_name=title).info.run_id)

    def parameters(self, values: Mapping[str, str]) -> None:
        """Send the protocol, a field a parameter."""
        for name, value in values.items():
            self.client.log_param(self.run, name, value)

    def metric(self, name: str, value: float, step: int) -> None:
        """Send a point of a curve."""
        self.client.log_metric(self.run, name, value, step=step)

    def close(self) -> None:
        """Say that the run is at its end."""
        with suppress(Exception):  # The server may be gone; that was told of.
            self.client.set_terminated(self.run)


def _address(place: str) -> str:
    """Give the address of a server, or of the database in a folder, which is made."""
    if _is_server(place):
        return place
    Path(place).mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{Path(place).resolve() / 'mlflow.db'}"


def _is_server(place: str) -> bool:
    return urlsplit(place).scheme in {"http", "https"}


def _opened(kind: Kind, place: str, run: Path, protocol: Protocol) -> Writer:
    splits = protocol.splits
    title = f"{protocol.dataset} {protocol.method} {splits.kind} seed {splits.seed}"
    if kind == "tensorboard" and _is_server(place):
        raise CvsMedError(f"Expected a folder for --track-to with tensorboard, found {place}. Servers are for mlflow.")
    run.mkdir(parents=True, exist_ok=True)
    try:
        writer: Writer = _TensorBoard(place) if kind == "tensorboard" else _MLflow(place, run, title)
        writer.parameters(parameters_of(protocol))
    except ImportError as error:
        raise CvsMedError(f"Expected {kind} for --track, found none. Run `pip install 'cvs-med[{kind}]'`.") from error
    except Exception as error:  # whatever a network, a server and a database can raise
        raise CvsMedError(
            f"Expected to track at {place}, found: {_first_line(error)}. Name another folder or server with "
            "--track-to, or leave out --track."
        ) from error
    return writer


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
