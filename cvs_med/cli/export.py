"""`cvs-med export`: a run's networks for other software."""

from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("run", type=_FOLDER)
@click.option("--format", "form", type=click.Choice(["onnx"]), default="onnx", show_default=True, help="What to write.")
@click.option("--fold", type=int, help="One network, counted from 0.  [default: all, averaged]")
@click.option("--out", required=True, type=_FOLDER, help="Folder for the model.")
def export(run: Path, form: str, fold: int | None, out: Path) -> None:
    """Write the networks of a run as one ONNX model, checked against PyTorch to 1e-4.

    The model takes batches of any size and says in its metadata what it expects. Needs cvs-med[export].
    """
    import torch

    from cvs_med.export import onnx
    from cvs_med.prediction import ensemble

    networks = ensemble.read(run, device=torch.device("cpu"), precision="fp32")
    written = onnx.write(networks, out, run=run, fold=fold)
    click.echo(f"Model: {written.path}\nLargest difference from PyTorch: {written.difference:.1e}")
