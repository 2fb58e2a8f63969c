"""`cvs-med train`: one final model on all cases."""

from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--dataset", required=True, help="Name of the data set, such as hrf.")
@click.option("--cv", "cross_validation", required=True, type=_FOLDER, help="Its finished cross-validation.")
@click.option("--protocol", help="Protocol by name or file.  [default: that of the cross-validation]")
@click.option("--data-dir", type=_FOLDER, help="Folder of the data set.  [default: CVS_MED_DATA, or the user's folder]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute.")
@click.option("--devices", type=click.IntRange(1), default=1, show_default=True, help="GPUs, or processes without.")
@click.option("--out", required=True, type=_FOLDER, help="Folder for the model.")
def train(
    dataset: str,
    cross_validation: Path,
    protocol: str | None,
    data_dir: Path | None,
    device: str,
    devices: int,
    out: Path,
) -> None:
    """Train one final model on all cases, as its cross-validation did on parts of them.

    The folder works with predict. Its MODEL_CARD.md states the performance of the cross-validation, which must be of
    the same protocol (whatever its splits), photographs and weights.
    """
    from cvs_med.cli.machine import accelerator, cache_folder, workers
    from cvs_med.cli.watch import Watch
    from cvs_med.errors import RunError
    from cvs_med.memory import keep_memory
    from cvs_med.prediction.ensemble import read_protocol
    from cvs_med.protocol import load

    resolved = read_protocol(cross_validation) if protocol is None else load(protocol)
    if resolved.dataset != dataset:
        raise RunError(f"Expected a protocol for {dataset}, found one for {resolved.dataset}. Name another --cv.")
    keep_memory()
    with Watch(1, quiet=False, noun="Model") as watch:
        from cvs_med import final_model
        from cvs_med.setup import Machine

        final_model.train(
            resolved,
            out,
            cross_validation=cross_validation,
            data_dir=data_dir,
            machine=Machine(cache_folder(), accelerator(device), workers(), devices),
            observer=watch,
        )
    click.echo(f"Model: {out}\nModel card: {out / final_model.CARD}")
