"""`cvs-med export`: a run's networks for other software."""

from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("run", type=_FOLDER)
@click.option(
    "--format", "form", type=click.Choice(["onnx", "monai-bundle"]), default="onnx", show_default=True,
    help="What to write.",
)  # fmt: skip
@click.option("--fold", type=int, help="One network, counted from 0.  [default: all, averaged]")
@click.option("--out", required=True, type=_FOLDER, help="Folder for the model.")
def export(run: Path, form: str, fold: int | None, out: Path) -> None:
    """Write the networks of a run for other software.

    onnx: one model and its gates, which predict --engine onnx or openvino serves without PyTorch, checked against it to
    1e-4. Needs cvs-med[export]. monai-bundle: a folder for python -m monai.bundle, which needs cvs-med where it runs.
    """
    import torch

    from cvs_med.cli.watch import Watch
    from cvs_med.export import bundle, onnx
    from cvs_med.prediction import ensemble, gate_file

    networks = ensemble.read(run, device=torch.device("cpu"), precision="fp32")
    if fold is not None:
        networks = ensemble.one(networks, fold)
    # Gates look at the first network's encoder; another fold's is another, unless all share a frozen one.
    own = not fold or networks.networks[0].frozen
    gates = gate_file.of_run(run, networks, lambda done, total: None, keep=own)
    if form == "monai-bundle":
        click.echo(f"Bundle: {bundle.write(networks, gates, out)}")
        return
    with Watch(1, quiet=False) as watch:
        watch.stage("Converting the networks, and comparing their answers with PyTorch's")
        written = onnx.write(networks, gates, out, run=run)
    click.echo(f"Model: {written.path}\nLargest difference from PyTorch: {written.difference:.1e}")
