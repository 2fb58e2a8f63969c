"""`cvs-med predict`: a run's networks answer for new photographs."""

import json
from dataclasses import asdict
from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE|FOLDER...")
@click.option("--run", required=True, type=_FOLDER, help="Folder that cv or train wrote.")
@click.option("--out", required=True, type=_FOLDER, help="Folder for the answers.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute.")
@click.option("--precision", type=click.Choice(["auto", "bf16", "fp32"]), help="Numbers to compute with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of sentences.")
@click.pass_context
def predict(
    context: click.Context,
    images: tuple[Path, ...],
    run: Path,
    out: Path,
    device: str,
    precision: str | None,
    as_json: bool,
) -> None:
    """Derive a diagnosis for new photographs, with its map and evidence, by all networks of a run together.

    A photograph unlike the training ones is flagged and gets no diagnosis, and so is one that is too unsure, where the
    run chose thresholds (cv --abstain-at-risk). A file that cannot be used gets a line in
    failures.csv. Stopped at any moment, the same command continues. Exit code: 0 if at least one photograph was
    answered for, flagged ones included; 1 if all files failed; 2 if nothing could be begun.
    """
    import torch

    from cvs_med.cli.machine import accelerator, keep_memory
    from cvs_med.cli.watch import Watch
    from cvs_med.prediction import ensemble, files, gate_file, stream

    keep_memory()
    place = torch.device(accelerator(device))
    found = files.find(images, out)
    with Watch(1, quiet=as_json) as watch:
        watch.stage("Loading the networks")
        networks = ensemble.read(run, device=place, precision=precision)
        watch.stage("Fitting or reading the gates")
        gates = gate_file.of_run(run, networks, watch.counted)
        watch.stage(f"Looking at {len(found)} photographs")
        summary = stream.predict(networks, gates, found, out, run=run, watcher=watch)
    if as_json:
        click.echo(json.dumps({**asdict(summary), "false_alarms": asdict(gates.alarms), "out": str(out)}))
    else:
        alarms = gates.alarms
        click.echo(
            f"{summary.derived} with a diagnosis, {summary.flagged} flagged, {summary.failed} failed: {out}\n"
            f"In its own cross-validation, {alarms.either} of {alarms.photographs} training photographs were flagged "
            "falsely."
        )
    if not summary.derived + summary.flagged:
        context.exit(1)
