"""`cvs-med propagate`: masks for a whole training part, from a few masks a class."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cvs_med.propagation.segmentation import Propagated

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--dataset", required=True, help="Name of the data set to learn from, such as cifar10.")
@click.option("--manual", type=click.IntRange(1), required=True, help="M: masks of each class to learn from.")
@click.option("--out", type=_FOLDER, required=True, help="Folder for the network, and for a folder of masks in it.")
@click.option("--protocol", help="Protocol by name or file.  [default: that of the data set, else its Wide-ResNet]")
@click.option("--masks", type=_FOLDER, help="Folder of masks to learn from, for a data set without.")
@click.option("--data-dir", type=_FOLDER, help="Folder of the data set.  [default: CVS_MED_DATA, or the user's folder]")
@click.option("--onto", metavar="NAME", help="Make the masks for this other data set.")
@click.option("--onto-dir", type=_FOLDER, help="Its folder.  [default: as for --data-dir]")
@click.option("--per-class", type=click.IntRange(1),
              help="Images of each class that get a mask.  [default: the whole training part]")
@click.option("--beside", type=_FOLDER, multiple=True, help="Another folder of masks to show in examples.png.")
@click.option("--epochs", type=int, help="Epochs of the training.")
@click.option("--seed", type=int, help="Seed of the draw and of the training.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change any field: training.batch_size=8.")
def propagate(
    dataset: str,
    manual: int,
    out: Path,
    protocol: str | None,
    masks: Path | None,
    data_dir: Path | None,
    onto: str | None,
    onto_dir: Path | None,
    per_class: int | None,
    beside: tuple[Path, ...],
    epochs: int | None,
    seed: int | None,
    device: str,
    changes: tuple[str, ...],
) -> None:
    """Learn to segment from M masks a class, and make masks for the rest of the training part (the paper's Seg-M).

    The masks lie in OUT/NAME, NAME being the data set: one PNG for each image, masks.json which says how they were
    made, and masks.csv with the mean confidence of each. OUT/NAME-examples.png shows some of them. Stopped at any
    moment, the same command continues.
    """
    from cvs_med.cli import asked
    from cvs_med.cli.machine import accelerator, cache_folder, workers
    from cvs_med.cli.watch import Watch
    from cvs_med.memory import keep_memory
    from cvs_med.propagation import segmentation
    from cvs_med.protocol import load
    from cvs_med.report import mask_grid
    from cvs_med.setup import Machine

    if onto_dir is not None and onto is None:
        raise click.UsageError("expected --onto NAME with --onto-dir")
    fields = {"dataset": dataset, "training.epochs": epochs, "splits.seed": seed}
    place = accelerator(device)
    resolved = load(protocol or asked.usual(dataset, place), asked.settings(fields, changes))
    keep_memory()
    with Watch(1, quiet=False, noun="Training") as watch:
        made = segmentation.propagate(
            resolved,
            out,
            manual=manual,
            data_dir=data_dir,
            masks_dir=masks,
            onto=(onto, onto_dir) if onto else None,
            per_class=per_class,
            machine=Machine(cache_folder(), place, workers()),
            observer=watch,
        )
    picture = out / f"{made.folder.name}-examples.png"
    reference = mask_grid.title(masks) if masks and not onto else "reference"
    mask_grid.write(picture, made.target.cases, [made.folder, *beside], reference)
    _tell(made, picture)


def _tell(made: "Propagated", picture: Path) -> None:
    """Print what was made and how sure it is."""
    from statistics import fmean

    predicted = [row for row in made.rows if row.source != "given"]
    sure = [row.confidence for row in predicted if row.confidence is not None]
    overlaps = [row.dice for row in predicted if row.dice is not None]
    click.echo(f"{len(made.rows)} masks in {made.folder}: {len(predicted)} predicted, "
               f"{len(made.rows) - len(predicted)} as they were learnt from.")
    click.echo(f"  {made.origin.sentence()}")
    if sure:
        click.echo(f"  mean confidence of the predicted: {fmean(sure):.3f}, from {min(sure):.3f} to {max(sure):.3f}")
    if overlaps:
        click.echo(f"  mean Dice with the reference masks of {len(overlaps)} of them: {fmean(overlaps):.3f}")
    click.echo(f"  examples: {picture}")
