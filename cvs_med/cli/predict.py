"""`cvs-med predict`: a run's networks answer for new photographs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cvs_med.errors import CvsMedError

if TYPE_CHECKING:
    from cvs_med.cli.watch import Watch
    from cvs_med.prediction.forms import Form
    from cvs_med.prediction.gates import Gates
    from cvs_med.prediction.opinion import Engine
    from cvs_med.prediction.runtimes import Precision

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE|FOLDER...")
@click.option("--run", required=True, type=click.Path(path_type=Path), help="Folder that cv, train or export wrote.")
@click.option("--out", required=True, type=_FOLDER, help="Folder for the answers.")
@click.option(
    "--engine", type=click.Choice(["torch", "onnx", "openvino"]), default="torch", show_default=True,
    help="onnx and openvino: --run is what export wrote, and PyTorch is not needed. openvino is the quickest on a "
    "processor that computes in bf16, and needs cvs-med[openvino].",
)  # fmt: skip
@click.option(
    "--write", multiple=True, type=click.Choice(["dicom-seg", "dicom-sr", "nifti"]),
    help="Further forms of the answers; may be repeated. The DICOM ones, which name the patient for the archive, are "
    "made of DICOM photographs, nifti of NIfTI ones.",
)  # fmt: skip
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute.")
@click.option("--precision", type=click.Choice(["auto", "bf16", "fp32"]), help="Numbers to compute with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of sentences.")
@click.pass_context
def predict(
    context: click.Context,
    images: tuple[Path, ...],
    run: Path,
    out: Path,
    engine: str,
    write: tuple["Form", ...],
    device: str,
    precision: "Precision | None",
    as_json: bool,
) -> None:
    """Derive a diagnosis for new photographs, with its map and evidence, by all networks of a run together.

    A photograph unlike the training ones is flagged and gets no diagnosis, and so is one that is too unsure, where the
    run chose thresholds (cv --abstain-at-risk). A file that cannot be used gets a line in
    failures.csv. Stopped at any moment, the same command continues. Exit code: 0 if at least one photograph was
    answered for, flagged ones included; 1 if all files failed; 2 if nothing could be begun.
    """
    from cvs_med.cli.watch import Watch
    from cvs_med.memory import keep_memory
    from cvs_med.prediction import files, stream

    keep_memory()
    found = files.find(images, out)
    with Watch(1, quiet=as_json) as watch:
        watch.stage("Loading the networks and their gates")
        networks, gates = (
            _torch(run, device, precision, watch) if engine == "torch" else _exported(run, engine, device, precision)
        )
        watch.stage(f"Looking at {len(found)} photographs")
        summary = stream.predict(networks, gates, found, out, watcher=watch, write=write)
    if as_json:
        click.echo(json.dumps({**asdict(summary), "false_alarms": asdict(gates.alarms), "out": str(out)}))
    else:
        alarms = gates.alarms
        unsure = "; answers that were too unsure are not counted in that" if networks.recipe.abstention else ""
        click.echo(
            f"{summary.derived} with a diagnosis, {summary.flagged} flagged, {summary.failed} failed: {out}\n"
            f"In its own cross-validation, {alarms.either} of {alarms.photographs} training photographs were flagged "
            f"falsely as unlike the others{unsure}."
        )
        if summary.failed:
            click.echo(f"Why files failed stands in {out / 'failures.csv'}; the first: {summary.first_failure}")
    if not summary.derived + summary.flagged:
        context.exit(1)


def _torch(run: Path, device: str, precision: "Precision | None", watch: "Watch") -> tuple["Engine", "Gates"]:
    """Read networks, and read or fit their gates."""
    import torch

    from cvs_med.cli.machine import accelerator
    from cvs_med.prediction import ensemble, gate_file

    networks = ensemble.read(run, device=torch.device(accelerator(device)), precision=precision).fused()
    return networks, gate_file.of_run(run, networks, watch.counted)


def _exported(run: Path, engine: str, device: str, precision: "Precision | None") -> tuple["Engine", "Gates"]:
    """Read an exported model and its gates."""
    from cvs_med.cli.machine import workers
    from cvs_med.prediction import served

    if device == "cuda":
        raise CvsMedError(f"Expected the CPU for --engine {engine}, found --device cuda. Leave --device out.")
    if engine == "openvino":
        return served.read(run, threads=workers(), openvino=precision or "auto")
    if precision == "bf16":
        remedy = "Leave --precision out, or ask for --engine openvino."
        raise CvsMedError(f"Expected 32 bits for --engine onnx, found --precision bf16. {remedy}")
    return served.read(run, threads=workers())
