"""`cvs-med compare`: finished runs on the same folds, with paired tests."""

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Write a forest plot to this PNG file.")
def compare(runs: tuple[Path, ...], as_json: bool, plot: Path | None) -> None:
    """Compare methods by finished runs on the same folds: one run for each method and seed, of one kind of split.

    A folder of `cv --repeats` stands for all its seeds.

    Tests: the corrected resampled t-test over the folds of all repeats, and sign flips over the cases, those of a group
    together; these are corrected by Holm for the number of pairs. The mean AUROC are subtracted too, with an interval.
    """
    from cvs_med import comparison

    pairs = comparison.compare(runs)
    if plot is not None:
        from cvs_med.report import pairs as pictures
        from cvs_med.tables import write_bytes

        write_bytes(plot, pictures.draw(pairs))
    if as_json:
        click.echo(json.dumps([asdict(pair) for pair in pairs], indent=2))
        return
    from rich.console import Console

    from cvs_med.report import pairs as words

    words.show(pairs, Console())
