"""`cvs-med audit`: can the label be guessed without the disease?"""

import sys
from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--dataset", required=True, help="Name of the data set, such as hrf.")
@click.option("--data-dir", type=_FOLDER, help="Its folder.  [default: CVS_MED_DATA, or the user's folder]")
@click.option("--run", type=_FOLDER, help="A finished run of it, whose answers show which labels are in doubt.")
@click.option("--out", type=_FOLDER, help="Folder for the results.  [default: runs/audit-NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print audit.json instead of a table.")
def audit(dataset: str, data_dir: Path | None, run: Path | None, out: Path | None, as_json: bool) -> None:
    """Find out whether the label can be guessed without the disease.

    Probes guess it from the masks' area and style, the files, colours and borders; each guess is cross-validated and
    held against chance. With --run, the labels are listed that the answers of a run contradict. Writes audit.json,
    audit.csv, audit.png and audit.html.
    """
    from cvs_med import audit as audits
    from cvs_med import datasets
    from cvs_med.cli.machine import workers
    from cvs_med.evaluation.doubts import doubts_of_run
    from cvs_med.report import audit as report
    from cvs_med.report import kept_audit

    kind, root = datasets.opened(dataset, data_dir)
    doubts = None
    if run:
        cases = datasets.read(kind, root, folds=2)
        doubts = doubts_of_run(run, kind.name, cases)
        kept_audit.require_same_files(run, cases)
    found = audits.audit(kind, root, workers=workers(), step=_count)
    page = report.write(found, out or Path("runs") / f"audit-{dataset}", doubts)
    if as_json:
        click.echo(report.to_json(found, doubts=doubts), nl=False)
        return
    from rich.console import Console

    report.show(found, Console(), doubts)
    click.echo(f"\nReport: {page}")


def _count(done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done} of {total} images", nl=done == total, err=True)
