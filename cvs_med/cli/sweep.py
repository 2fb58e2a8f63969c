"""`cvs-med sweep` and `cvs-med table`: accuracy by samples per class, measured, and beside what was published."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cvs_med.cli import spread

if TYPE_CHECKING:
    from cvs_med.sweep_plan import Recipe
    from cvs_med.sweep_table import Samples

_FOLDER = click.Path(path_type=Path, file_okay=False)


class _Names(click.ParamType[tuple[str, ...]]):
    """Words with commas between them."""

    name = "names"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Take them apart, each once."""
        words = value.split(",") if isinstance(value, str) else value
        return tuple(dict.fromkeys(word.strip() for word in words))


class _Samples(click.ParamType["tuple[Samples, ...]"]):
    """Numbers of samples per class with commas between them; `full` is all."""

    name = "numbers"

    def convert(
        self, value: "str | tuple[Samples, ...]", param: click.Parameter | None, ctx: click.Context | None
    ) -> "tuple[Samples, ...]":
        """Take them apart and refuse what is no number."""
        if not isinstance(value, str):
            return value
        return tuple(self._one(word.strip(), param, ctx) for word in value.split(","))

    def _one(self, word: str, param: click.Parameter | None, ctx: click.Context | None) -> "Samples":
        if word == "full":
            return "full"
        if not (word.isascii() and word.isdigit() and int(word) > 0):
            self.fail(f"expected numbers from 1, or full, with commas between them, found {word!r}", param, ctx)
        return int(word)


@click.command()
@click.argument("protocol")
@click.option("--samples-per-class", "samples", type=_Samples(), default="1,5,10", show_default=True,
              help="Training images of each class; full takes all.")
@click.option("--methods", type=_Names(), default="", help="Methods, such as cvs,cvs(seg-10),classification.  "
              "[default: the protocol's]")
@click.option("--augmentation", "recipe", type=click.Choice(["paper", "same"]), default="paper", show_default=True,
              help="Each method's own, or the protocol's for all methods.")
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, help="How many; they are 0, 1, 2 ...")
@click.option("--test-per-class", default="all", show_default=True, help="Test images of each class, or all.")
@click.option("--epochs", type=int, help="Epochs of every training.")
@click.option("--data-dir", type=_FOLDER, help="Folder of the data set.  [default: CVS_MED_DATA, or the user's folder]")
@click.option("--masks", type=_FOLDER, multiple=True, help="Folder of foreground masks, for a data set without; "
              "also one that propagate made, for cvs(seg-10).")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute.")
@spread.options
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change any field: training.batch_size=8.")
@click.option("--out", type=_FOLDER, help="Run folder.  [default: a folder of its own under runs/]")
def sweep(
    protocol: str,
    samples: "tuple[Samples, ...]",
    methods: tuple[str, ...],
    recipe: "Recipe",
    seeds: int,
    test_per_class: str,
    epochs: int | None,
    data_dir: Path | None,
    masks: tuple[Path, ...],
    device: str,
    address: str | None,
    gpus_per_task: float | None,
    changes: tuple[str, ...],
    out: Path | None,
) -> None:
    """Measure accuracy by samples per class: draws of the official train part, tested on the official test part.

    Stopped at any moment, the same command continues; methods, samples and seeds may be added. The run folder holds
    the table as table.md, table.csv and table.json. With --ray all cells are tasks of a cluster whose machines see the
    same OUT, data and weights under the same path.
    """
    from cvs_med.cli.machine import accelerator, cache_folder, workers
    from cvs_med.cli.watch import Watch
    from cvs_med.memory import keep_memory
    from cvs_med.setup import Machine
    from cvs_med.sweep import sweep as run
    from cvs_med.sweep_plan import Plan
    from cvs_med.sweep_plan import methods as find_methods

    given = [*([f"training.epochs={epochs}"] if epochs is not None else []), *changes]
    names = [name for name in methods if name]
    plan = Plan(find_methods(protocol, names, given, recipe), recipe, samples, seeds, _tested(test_per_class))
    folder = out or Path("runs") / f"sweep-{Path(protocol).stem}-{recipe}"
    machine = Machine(cache_folder(), accelerator(device), workers())
    gpus = spread.gpus(gpus_per_task, machine.accelerator)
    keep_memory()
    if address is not None:
        from cvs_med import tasks

        with (
            tasks.cells(plan, folder, data_dir=data_dir, masks_dirs=masks, machine=machine) as found,
            Watch(len(found), quiet=False, noun="Task", alike=False) as watch,
        ):
            spread.compute(found, address, gpus, watch)
    with Watch(len(plan.cells), quiet=False, noun="Cell", alike=False) as watch:
        table = run(plan, folder, data_dir=data_dir, masks_dirs=masks, machine=machine, observer=watch)
    click.echo(f"{table.title}\n")
    _show(*table.grid())
    click.echo(f"\n{table.masks}\nTable: {folder / 'table.md'}")


def _tested(text: str) -> int | None:
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise click.BadParameter(f"expected a number from 1, or all, found {text!r}", param_hint="--test-per-class")
    return int(text)


def _show(header: list[str], rows: list[list[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="SWEEP...",
                type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--reported", "published", is_flag=True, help="Add what the paper published, in columns of its own.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of Markdown.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw them too, to this PNG file.")
def table(runs: tuple[Path, ...], published: bool, as_csv: bool, plot: Path | None) -> None:
    """Print the tables of sweeps side by side, data set by data set."""
    from cvs_med import reported, sweep_table

    sweeps = {run.name or str(run): sweep_table.read(run) for run in runs}
    if len(sweeps) < len(runs):
        raise click.BadParameter("expected run folders of different names, so that columns can be told apart")
    found = reported.compare(sweeps, reported.load().accuracy if published else ())
    if plot is not None:
        from cvs_med.report import sample_curves
        from cvs_med.tables import write_bytes

        write_bytes(plot, sample_curves.draw(found))
    click.echo(reported.csv(found) if as_csv else reported.markdown(found), nl=False)
