"""`cvs-med review`: what readers said of a run, and the masks they corrected, as files."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cvs_med.review.run import FinishedRun
    from cvs_med.review.store import Store

_FOLDER = click.Path(path_type=Path, file_okay=False)
_RUN = click.option("--run", type=click.Path(path_type=Path, file_okay=False, exists=True), required=True, help="Run.")
_STORE = click.option("--store", help="Database URL of the reviews.  [default: in the run folder]")
_DATA = click.option("--data-dir", type=_FOLDER, help="Folder of its data set.  [default: as for cv]")


@click.group()
def review() -> None:
    """Take answers and corrected masks out of the store that `cvs-med app` writes, add others, and check it."""


@review.command()
@_RUN
@_STORE
@_DATA
@click.option("--out", type=_FOLDER, required=True, help="New folder for the masks.")
def masks(run: Path, store: str | None, data_dir: Path | None, out: Path) -> None:
    """Write the newest corrected masks so that training reads them.

    For a fundus data set OUT is a whole data set for --data-dir, with the corrected masks in place of its own; for
    small images it is a folder of masks.
    """
    from cvs_med.review import corrections

    finished, opened = _open(run, store, data_dir)
    written = corrections.write(finished, opened, out)
    click.echo(f"{out}: {len(written)} corrected masks: {', '.join(written[:10])}{' ...' if len(written) > 10 else ''}")


@review.command()
@_RUN
@_STORE
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write; .csv has the answers, .json everything, .pdf the summary.",
)
def export(run: Path, store: str | None, out: Path) -> None:
    """Write the answers, or the summary, of all readers."""
    from cvs_med.review import exports, summary
    from cvs_med.tables import write_bytes

    kind = out.suffix.lower()
    if kind not in (".csv", ".json", ".pdf"):
        raise click.BadParameter("expected a file that ends in .csv, .json or .pdf", param_hint="--out")
    finished, opened = _open(run, store)
    answers = opened.answers(finished.digest)
    if kind == ".csv":
        content = exports.as_csv(answers)
    elif kind == ".json":
        content = exports.as_json(finished, opened)
    else:
        content = exports.as_pdf(finished, summary.summarise(finished, answers))
    write_bytes(out, content)
    click.echo(f"{out}: {len(answers)} answers")


@review.command("import")
@_RUN
@_STORE
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="File that `review export` wrote as .json.",
)
def take_in(run: Path, store: str | None, source: Path) -> None:
    """Add the reviews of an exported file; what is there already is not added twice."""
    from cvs_med.review import taking_in

    added = taking_in.from_file(*_open(run, store), source)
    click.echo(f"{added.answers} answers and {added.masks} masks were new.")


@review.command()
@_RUN
@_STORE
@click.option("--from", "source", required=True, help="Database URL, or folder of reviews, to take them from.")
def merge(run: Path, store: str | None, source: str) -> None:
    """Add the reviews of this run in another store; what is there already is not added twice."""
    from cvs_med.review import taking_in
    from cvs_med.review.store import open_other

    finished, opened = _open(run, store)
    added = taking_in.from_store(finished, opened, open_other(source, run / "reviews"))
    click.echo(f"{added.answers} answers and {added.masks} masks were new.")


@review.command()
@_RUN
@_STORE
def verify(run: Path, store: str | None) -> None:
    """Check that no stored answer or mask was changed or taken out; exit code 2 if one was."""
    from cvs_med.errors import ReviewError

    _, opened = _open(run, store)
    faults = opened.verify()
    if faults:
        raise ReviewError("\n".join(["The store was tampered with:", *(f"  {fault}" for fault in faults)]))
    click.echo("The store is whole.")


def _open(run: Path, store: str | None, data_dir: Path | None = None) -> "tuple[FinishedRun, Store]":
    from cvs_med.review.run import open_run
    from cvs_med.review.store import open_store

    return open_run(run, data_dir), open_store(run / "reviews", store)
