"""`cvs-med cv`: cross-validation of one method on one data set."""

import hashlib
import json
from pathlib import Path

import click

from cvs_med.errors import ProtocolError
from cvs_med.protocol import Protocol, catalogue, dump
from cvs_med.protocol import load as load_protocol

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--dataset", required=True, help="Name of the data set, such as hrf.")
@click.option("--folds", type=int, help="Number of folds.  [default: the protocol's]")
@click.option("--data-dir", type=_FOLDER, help="Folder of the data set.  [default: CVS_MED_DATA, or the user's folder]")
@click.option("--protocol", help="Protocol by name or file.  [default: that of the data set]")
@click.option("--method", type=click.Choice(["cvs", "classification", "multitask", "probe"]), help="What is tested.")
@click.option("--backbone", help="Encoder, such as resnet101, wideresnet-28-10 or lenet5.")
@click.option("--weights", help="Pretrained weights of the encoder: imagenet, none, or a file.")
@click.option("--weights-partial", is_flag=True, help="Accept a file that does not cover the whole encoder.")
@click.option("--image-size", type=int, help="Side of the network's square, in pixels.")
@click.option("--epochs", type=int, help="Epochs of training in every fold.")
@click.option("--splits", type=click.Choice(["random", "stratified", "grouped"]), help="How the folds are dealt.")
@click.option("--seed", type=int, help="Seed of folds and training.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute.")
@click.option("--precision", type=click.Choice(["auto", "bf16", "fp32"]), help="Numbers to compute with.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change any field: loss.dice_weight=0.")
@click.option("--out", type=_FOLDER, help="Run folder.  [default: a folder of its own under runs/]")
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json instead of tables.")
def cv(
    dataset: str,
    folds: int | None,
    data_dir: Path | None,
    protocol: str | None,
    method: str | None,
    backbone: str | None,
    weights: str | None,
    weights_partial: bool,
    image_size: int | None,
    epochs: int | None,
    splits: str | None,
    seed: int | None,
    device: str,
    precision: str | None,
    changes: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Cross-validate one method on one data set, and report it beside trivial baselines.

    Stopped at any moment, the same command continues. The run folder holds predictions, metrics, maps with their
    evidence, an overlay for every case, and report.html.
    """
    from cvs_med import datasets
    from cvs_med.cli.machine import accelerator, cache_folder, keep_memory, workers
    from cvs_med.cli.watch import Watch

    datasets.get(dataset)
    fields = {
        "dataset": dataset,
        "splits.folds": folds,
        "method": method,
        "network.backbone": backbone,
        "network.weights": weights,
        "network.weights_partial": weights_partial or None,
        "images.size": image_size,
        "training.epochs": epochs,
        "splits.kind": splits,
        "splits.seed": seed,
        "training.precision": precision,
    }
    # JSON is YAML in which a file's name is text, whatever signs it has.
    given = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in fields.items() if value is not None]
    device = accelerator(device)
    resolved = load_protocol(protocol or _usual(dataset, device), [*given, *changes])
    run = out or _folder(resolved, data_dir)
    keep_memory()
    with Watch(resolved.splits.folds, quiet=as_json) as watch:
        from cvs_med.experiment import cross_validate

        cross_validate(
            resolved,
            run,
            data_dir=data_dir,
            cache_dir=cache_folder(),
            accelerator=device,
            workers=workers(),
            observer=watch,
        )
        watch.stage("Writing the report")
        from cvs_med import report

        page = report.write(run)
    _finish(run, page, as_json=as_json)


def _usual(dataset: str, device: str) -> str:
    """Take the data set's protocol, the large one where there is a GPU for it.

    Raises:
        ProtocolError: the data set has none.
    """
    large = f"{dataset}-gpu"
    if device == "cuda" and large in catalogue():
        return large
    if dataset not in catalogue():
        raise ProtocolError(
            f"Expected --protocol with --dataset {dataset}, which has none of its own. "
            f"Name a file, or begin with one of {', '.join(catalogue())}."
        )
    return dataset


def _folder(protocol: Protocol, data_dir: Path | None) -> Path:
    """Name a run after what was asked, so that the same command finds it again."""
    asked, name = dump(protocol), protocol.dataset
    if name == "folder" and data_dir is not None:  # Several folders of one's own are several data sets.
        asked, name = f"{asked}{data_dir.resolve()}", data_dir.resolve().name
    digest = hashlib.sha256(asked.encode()).hexdigest()[:8]
    splits = protocol.splits
    return Path("runs") / f"{name}-{protocol.method}-{splits.kind}-seed{splits.seed}-{digest}"


def _finish(run: Path, page: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo((run / "metrics.json").read_text(encoding="utf-8"), nl=False)
        return
    from rich.console import Console

    from cvs_med.evaluation import evaluate_run
    from cvs_med.report import terminal

    console = Console()
    terminal.show(evaluate_run(run), console)
    click.echo(f"\nReport: {page}")
