"""`cvs-med report`: evaluate a finished run again and write its report."""

from pathlib import Path
from typing import Literal

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--format", "form", type=click.Choice(["html", "pdf", "md", "json"]), default="html", help="What to write."
)
@click.option("--prevalence", metavar="CLASS=SHARE", help="Draw a decision curve of a class that is so frequent.")
def report(run: Path, form: Literal["html", "pdf", "md", "json"], prevalence: str | None) -> None:
    """Evaluate a finished run again, without a network, and write its figures, overlays and report."""
    from cvs_med import report as reports
    from cvs_med.report import benefit

    click.echo(f"Report: {reports.write(run, form, benefit.parse(prevalence) if prevalence else None)}")
