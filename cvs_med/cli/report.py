"""`cvs-med report`: evaluate a finished run again and write its report."""

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False, exists=True))
def report(run: Path) -> None:
    """Evaluate a finished run again, without a network, and write its figures, overlays and report.html."""
    from cvs_med import report as reports

    click.echo(f"Report: {reports.write(run)}")
