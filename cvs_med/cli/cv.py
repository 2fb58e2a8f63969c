"""`cvs-med cv`: cross-validation of one method on one data set."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cvs_med.cli import asked, spread
from cvs_med.protocol import Protocol
from cvs_med.protocol import load as load_protocol

if TYPE_CHECKING:
    from cvs_med.observers import Observer
    from cvs_med.tracking import Kind

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--dataset", required=True, help="Name of the data set, such as hrf.")
@click.option("--folds", type=int, help="Number of folds.  [default: the protocol's]")
@click.option("--data-dir", type=_FOLDER, help="Folder of the data set.  [default: CVS_MED_DATA, or the user's folder]")
@click.option("--also-train", multiple=True, metavar="DIR", help="Learn from this folder of images too; see below.")
@click.option("--protocol", help="Protocol by name or file.  [default: that of the data set]")
@click.option("--select", metavar="PROTOCOL,PROTOCOL,...", help="Choose one of these inside each training part.")
@click.option("--method", type=click.Choice(["cvs", "classification", "multitask", "probe"]), help="What is tested.")
@click.option("--masked-per-class", type=click.IntRange(1), help="Learn from M masks a class; make the rest.")
@click.option("--backbone", help="Encoder, such as resnet101, wideresnet-28-10 or lenet5.")
@click.option("--weights", help="Pretrained weights of the encoder: imagenet, none, or a file.")
@click.option("--weights-partial", is_flag=True, help="Accept a file that does not cover the whole encoder.")
@click.option("--image-size", type=int, help="Side of the network's square, in pixels.")
@click.option("--epochs", type=int, help="Epochs of training in every fold.")
@click.option("--splits", type=click.Choice(["random", "stratified", "grouped"]), help="How the folds are dealt.")
@click.option("--seed", type=int, help="Seed of folds and training.")
@click.option("--repeats", type=click.IntRange(2, 1000), help="So many runs, with seeds from --seed on.")
@click.option("--calibrate", is_flag=True, help="Fit a temperature inside each training part.")
@click.option("--abstain-at-risk", type=float, help="Send the unsure to a human; this share of the rest may be wrong.")
@click.option("--coverage", type=float, help="Give sets of classes that hold the right one so often, such as 0.9.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute.")
@click.option("--devices", type=click.IntRange(1), default=1, show_default=True, help="GPUs, or processes without, "
              "that train one network together.")
@spread.options
@click.option("--precision", type=click.Choice(["auto", "bf16", "fp32"]), help="Numbers to compute with.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change any field: loss.dice_weight=0.")
@click.option("--track", type=click.Choice(["tensorboard", "mlflow"]), help="Keep losses and results there too.")
@click.option("--track-to", metavar="FOLDER|URL", help="Where; a server for mlflow.  [default: in the run folder]")
@click.option("--out", type=_FOLDER, help="Run folder.  [default: a folder of its own under runs/]")
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json instead of tables.")
def cv(
    dataset: str,
    folds: int | None,
    data_dir: Path | None,
    also_train: tuple[str, ...],
    protocol: str | None,
    select: str | None,
    method: str | None,
    masked_per_class: int | None,
    backbone: str | None,
    weights: str | None,
    weights_partial: bool,
    image_size: int | None,
    epochs: int | None,
    splits: str | None,
    seed: int | None,
    repeats: int | None,
    calibrate: bool,
    abstain_at_risk: float | None,
    coverage: float | None,
    device: str,
    devices: int,
    address: str | None,
    gpus_per_task: float | None,
    precision: str | None,
    changes: tuple[str, ...],
    track: "Kind | None",
    track_to: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Cross-validate one method on one data set, and report it beside trivial baselines.

    Stopped at any moment, the same command continues. The run folder holds predictions, metrics, maps with their
    evidence, an overlay for every case, and report.html. With --repeats each seed has such a folder, OUT/seed-K, and
    OUT/repeats.json sums them up. With --ray all folds of all seeds are tasks of a cluster whose machines see the same
    OUT, data and weights under the same path.

    --calibrate, --abstain-at-risk and --coverage decide by a cross-validation inside each training part; no test image
    has a say, and no answer changes its class.

    With --also-train DIR every training part also holds all labelled images of that folder, which is laid out as
    --dataset folder reads it and names its classes alike. None of them is tested. Copies of test images are refused.

    With --masked-per-class M, each training part gives M masks of each class; a network learns from them and makes
    those of the rest of that part. No other reference mask is learnt from.
    """
    from cvs_med import datasets
    from cvs_med.cli.machine import accelerator, cache_folder, workers
    from cvs_med.cli.watch import Watch
    from cvs_med.memory import keep_memory
    from cvs_med.selection import selecting

    datasets.get(dataset)
    fields = {
        "dataset": dataset,
        "also_train": also_train or None,
        "splits.folds": folds,
        "method": method,
        "masks.per_class": masked_per_class,
        "network.backbone": backbone,
        "network.weights": weights,
        "network.weights_partial": weights_partial or None,
        "images.size": image_size,
        "training.epochs": epochs,
        "splits.kind": splits,
        "splits.seed": seed,
        "training.precision": precision,
        "inner.calibrate": calibrate or None,
        "inner.abstain_at_risk": abstain_at_risk,
        "inner.coverage": coverage,
    }
    device = accelerator(device)
    settings = asked.settings(fields, changes)
    candidates = asked.candidates(select, settings, protocol) if select else None
    if candidates:
        resolved = selecting(candidates)
    else:
        resolved = load_protocol(protocol or asked.usual(dataset, device), settings)
    folder = out or asked.folder(resolved, data_dir, repeated=repeats is not None)
    if not repeats:
        from cvs_med.repeats import require_single

        require_single(folder)
    gpus = spread.gpus(gpus_per_task, device)
    spread.require_one_way(address, devices)
    keep_memory()
    from cvs_med.setup import Machine

    machine = Machine(cache_folder(), device, workers(), devices)
    if address is not None:
        from cvs_med import tasks
        from cvs_med.repeats import unfinished

        runs = list(unfinished(resolved, folder, repeats)) if repeats else [(resolved, folder)]
        with (
            Watch(len(runs) * resolved.splits.folds, quiet=as_json, noun="Task", alike=False) as watch,
            tasks.folds(runs, data_dir=data_dir, machine=machine, observer=watch, candidates=candidates) as found,
        ):
            spread.compute(found, address, gpus, watch)

    def run(one: Protocol, where: Path) -> None:
        with Watch(one.splits.folds, quiet=as_json) as watch:
            if repeats:
                watch.stage(f"Seed {one.splits.seed}: the folds are dealt anew")
            from cvs_med.experiment import cross_validate

            with _tracked(track, track_to, where, one, watch) as observer:
                cross_validate(
                    one, where, data_dir=data_dir, machine=machine, observer=observer, candidates=candidates
                )
            from cvs_med import report
            from cvs_med.report import kept_audit

            watch.stage("Asking from what else the label could be guessed")
            kept_audit.keep(where, *datasets.opened(dataset, data_dir), cache_folder(), workers())
            watch.stage("Writing the report")
            report.write(where)

    if repeats:
        _finish_repeats(resolved, folder, repeats, run, as_json=as_json)
    else:
        run(resolved, folder)
        _finish(folder, as_json=as_json)


def _tracked(
    kind: "Kind | None", place: str | None, run: Path, protocol: Protocol, observer: "Observer"
) -> AbstractContextManager["Observer"]:
    """Give the observer, and where tracking is asked for, one that tracks too."""
    if kind is None:
        return nullcontext(observer)
    from cvs_med import run_folder
    from cvs_med.tracking import tracked

    with run_folder.opened(run, protocol):
        pass  # A folder of another run is refused before a tracker leaves anything in it.
    return tracked(kind, place, run, protocol, observer)


def _finish(run: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo((run / "metrics.json").read_text(encoding="utf-8"), nl=False)
        return
    from rich.console import Console

    from cvs_med.evaluation import evaluate_run
    from cvs_med.report import terminal

    terminal.show(evaluate_run(run), Console())
    click.echo(f"\nReport: {run / 'report.html'}")


def _finish_repeats(
    protocol: Protocol, folder: Path, count: int, run: Callable[[Protocol, Path], None], *, as_json: bool
) -> None:
    """Run the repeats that are not finished, and show what all say together."""
    from cvs_med.repeats import repeat

    summary = repeat(protocol, folder, count, run)
    if as_json:
        click.echo((folder / "repeats.json").read_text(encoding="utf-8"), nl=False)
        return
    from rich.console import Console

    from cvs_med.report import repeats

    repeats.show(summary, Console())
    click.echo(f"\nReports: {folder}/seed-*/report.html")
