"""`cvs-med report`: evaluate a finished run again and write its report."""

from pathlib import Path
from typing import Literal

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--format", "form", type=click.Choice(["html", "pdf", "md", "json"]), default="html", help="What to write."
)
def report(run: Path, form: Literal["html", "pdf", "md", "json"]) -> None:
    """Evaluate a finished run again, without a network, and write its figures, overlays and report."""
    from cvs_med import report as reports

    click.echo(f"Report: {reports.write(run, form)}")
