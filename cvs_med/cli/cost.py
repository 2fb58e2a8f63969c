"""`cvs-med cost`: accuracy against what a person spends on annotation."""

from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...",
                type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--seconds-per-label", "label", type=click.FloatRange(0, min_open=True),
              help="What a person needs for the class of an image.  [default: as published: cifar10 3.5, cifar100 8.5]")
@click.option("--seconds-per-mask", "mask", type=click.FloatRange(0),
              help="What a person needs for a mask; 0 where a rule makes it.  [default: as published: 29.52]")
@click.option("--out", type=_FOLDER, default=Path("cost"), show_default=True, help="Folder for cost.png and cost.csv.")
def cost(runs: tuple[Path, ...], label: float | None, mask: float | None, out: Path) -> None:
    """Draw accuracy against annotation time, of sweeps and cross-validations of one data set (the paper's figure 4).

    The time is on a log axis, and the area of a circle is the time of training. Every image that is learnt from costs a
    label; with a map it costs a mask too, or those that the masks were propagated from.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from cvs_med import annotation_cost, reported
    from cvs_med.report import cost as drawing
    from cvs_med.tables import write_bytes

    if len({run.resolve().name for run in runs}) < len(runs):
        raise click.BadParameter("expected run folders of different names, so that circles can be told apart")
    dataset = annotation_cost.one_dataset(runs)
    price = annotation_cost.seconds(dataset, label, mask, reported.load().annotation_seconds)
    found = [each for run in runs for each in annotation_cost.costs(run, price)]
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / "cost.png", drawing.figure(found).png)
    write_bytes(out / "cost.csv", annotation_cost.to_csv(found).encode())
    header, rows = annotation_cost.table(found)
    table = Table(*header, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    click.echo(f"{dataset}: {price.label:g} s a label, {price.mask:g} s a mask. Figure: {out / 'cost.png'}")
