"""`cvs-med checklist` and `cvs-med card`: what a paper or a repository must say about a run."""

from pathlib import Path
from typing import Literal

import click

_RUN = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command()
@click.argument("run", type=_RUN)
@click.option("--format", "form", type=click.Choice(["md", "csv"]), default="md", help="What to print.")
def checklist(run: Path, form: Literal["md", "csv"]) -> None:
    """Print the items of CLAIM 2024 and TRIPOD+AI, with what a finished run answers filled in.

    What it cannot know is left open: the checklists ask for more than any program can tell.
    """
    from cvs_med.report import checklist as checklists
    from cvs_med.report.facts import gather

    facts = gather(run)
    click.echo(checklists.as_csv(facts) if form == "csv" else checklists.as_markdown(facts), nl=False)


@click.command()
@click.argument("run", type=_RUN)
def card(run: Path) -> None:
    """Print a model card of a finished run as Markdown."""
    from cvs_med.report import card as cards
    from cvs_med.report.facts import gather

    click.echo(cards.as_markdown(gather(run)), nl=False)
