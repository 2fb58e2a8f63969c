"""`cvs-med data`: get, make and check data sets."""

from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def data() -> None:
    """Fetch, make and check data sets."""


@data.command()
@click.option("--dataset", required=True, help="Name of the data set: hrf, phantom or digits.")
@click.option("--data-dir", type=_FOLDER, help="Its folder.  [default: CVS_MED_DATA, or the user's folder]")
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds that are planned.")
def check(dataset: str, data_dir: Path | None, folds: int) -> None:
    """List every problem of a data set at once; exit code 2 if there is one."""
    from cvs_med import datasets
    from cvs_med.errors import DataError

    kind = datasets.get(dataset)
    root = datasets.locate(dataset, data_dir)
    cases, _ = kind.survey(root)
    problems = kind.check(root)
    if cases or not problems:
        problems = problems + datasets.check_folds(cases, folds, kind.class_names)
    if problems:
        raise DataError(problems)
    groups = {case.group for case in cases if case.group}
    click.echo(f"{root}: {len(cases)} cases, no problem found.")
    for label, name in enumerate(kind.class_names):
        click.echo(f"  {name}: {sum(case.label == label for case in cases)}")
    click.echo(f"  groups: {len(groups) or 'not known'}")


@data.command()
@click.argument("name", type=click.Choice(["hrf"]))
@click.option("--from", "source", type=click.Path(path_type=Path, exists=True), help="The authors' zip, or a folder.")
@click.option("--out", type=_FOLDER, help="Where to put it.  [default: the user's folder]")
def fetch(name: str, source: Path | None, out: Path | None) -> None:
    """Download a data set, or take it from a file, and verify every file against its checksum."""
    from cvs_med import datasets
    from cvs_med.datasets import archive, location

    target = out or location.user_folder(datasets.get(name))
    archive.fetch_hrf(target, source)
    click.echo(f"{name}: verified and ready in {target}")


@data.command()
@click.argument("name", type=click.Choice(["phantom"]))
@click.option("--out", type=_FOLDER, required=True, help="Folder to write to.")
@click.option("--cases", type=int, default=60, show_default=True, help="How many photographs.")
@click.option("--size", type=int, default=512, show_default=True, help="Height of a photograph in pixels.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which set.")
def make(name: str, out: Path, cases: int, size: int, seed: int) -> None:
    """Write synthetic fundus photographs in the layout of HRF."""
    from cvs_med.datasets import phantom

    phantom.make(out, cases=cases, size=size, seed=seed)
    click.echo(f"{name}: {cases} photographs in {out}")
