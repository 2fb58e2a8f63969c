"""`cvs-med data`: get, make and check data sets, and make masks for those that have none."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cvs_med.datasets import DataSet
    from cvs_med.datasets.phantom.shortcuts import Shortcut
    from cvs_med.types import Case, Part

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def data() -> None:
    """Fetch, make and check data sets, and make masks for those that have none."""


@data.command()
@click.option("--dataset", required=True, help="Name of the data set, such as hrf or mnist.")
@click.option("--data-dir", type=_FOLDER, help="Its folder.  [default: CVS_MED_DATA, or the user's folder]")
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds that are planned.")
def check(dataset: str, data_dir: Path | None, folds: int) -> None:
    """List every problem of a data set at once; exit code 2 if there is one."""
    from cvs_med import datasets
    from cvs_med.errors import DataError

    kind, root = datasets.opened(dataset, data_dir)
    cases, problems = kind.check(root)
    learnt = [case for case in cases if case.part != "test"]
    if learnt or not problems:
        problems = problems + datasets.check_folds(learnt, folds, kind.class_names)
    if problems:
        raise DataError(problems)
    click.echo(f"{root}: {len(cases)} cases, no problem found.")
    for line in [*_packed(cases), *_published(kind, root), *_classes(kind, cases)]:
        click.echo(f"  {line}")
    groups = {case.group for case in cases if case.group}
    click.echo(f"  groups: {len(groups) or 'not known'}")
    for note in [*_unmasked(cases), *kind.notes]:
        click.echo(f"  note: {note}")


def _unmasked(cases: Sequence["Case"]) -> list[str]:
    """Say which methods cannot be trained for want of masks."""
    without = sum(case.mask is None for case in cases)
    if not without:
        return []
    return [f"{without} of {len(cases)} have no mask; cvs and multitask need all, classification and probe none."]


@data.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--force", is_flag=True, help="Write over a dataset.yaml that is there.")
def init(folder: Path, force: bool) -> None:
    """Look at a folder of your own images, say what is there, and write a dataset.yaml to be corrected.

    FOLDER holds images, masks of the same names where there are any, and labels.csv or a subfolder of images for each
    class.
    """
    from cvs_med.datasets.folder import first_look

    for line in first_look.write(folder, force=force):
        click.echo(line)


@data.command()
@click.option("--dataset", required=True, help="Name of the data set, such as hrf or folder.")
@click.option("--data-dir", type=_FOLDER, help="Its folder.  [default: CVS_MED_DATA, or the user's folder]")
@click.option("--out", type=_FOLDER, required=True, help="Folder to write to.")
def describe(dataset: str, data_dir: Path | None, out: Path) -> None:
    """Count images, sizes, bit depths, masks and groups, and draw a contact sheet with the outlines of the masks.

    Writes description.json and contact-sheet.png.
    """
    from cvs_med import datasets
    from cvs_med.cli.machine import workers
    from cvs_med.report import description

    kind, root = datasets.opened(dataset, data_dir)
    found = description.write(kind, kind.cases(root), out, workers=workers())
    for line in description.lines(found):
        click.echo(line)
    click.echo(f"Written: {out / description.JSON}, {out / description.SHEET}")


def _packed(cases: Sequence["Case"]) -> list[str]:
    """Say how many images each packed file holds."""
    counts = Counter(case.id.rpartition("-")[0] for case in cases if case.part)
    return [f"{file}: {count} images" for file, count in counts.items()]


def _published(kind: "DataSet", root: Path) -> list[str]:
    """Say which files are as the authors published them."""
    from cvs_med.datasets.manifest import compare

    if kind.official is None:
        return []
    matches = compare(root, kind.official.promises(), max_bytes=kind.official.max_bytes)
    lines = [f"{list(matches.values()).count('same')} of {len(matches)} files as published"]
    for match, meaning in {"other": "of other content than published", "missing": "not there"}.items():
        names = [name for name, found in matches.items() if found == match]
        if names:
            lines.append(f"{meaning}: {', '.join(names[:6])}{' ...' if len(names) > 6 else ''}")
    return lines


def _classes(kind: "DataSet", cases: Sequence["Case"]) -> list[str]:
    """Count the cases of each class, in each official part where there are any."""
    counts = Counter((case.label, case.part) for case in cases)
    parts = {case.part for case in cases}
    return [
        f"{name}: "
        + ", ".join(f"{counts[label, part]} {part or ''}".strip() for part in ("train", "test", None) if part in parts)
        for label, name in enumerate(kind.class_names)
    ]


@data.command()
@click.argument("name", type=click.Choice(["hrf", "mnist", "cifar10", "cifar100"]))
@click.option("--from", "source", type=click.Path(path_type=Path, exists=True), help="Their archive, or a folder.")
@click.option("--out", type=_FOLDER, help="Where to put it.  [default: the user's folder]")
def fetch(name: str, source: Path | None, out: Path | None) -> None:
    """Download a data set, or take it from a file or folder, and verify every file against its checksum."""
    from cvs_med import datasets
    from cvs_med.datasets import location

    target = out or location.user_folder(datasets.get(name))
    location.fetch(datasets.get(name), target, source)
    click.echo(f"{name}: verified and ready in {target}")


@data.command()
@click.argument("name", type=click.Choice(["phantom"]))
@click.option("--out", type=_FOLDER, required=True, help="Folder to write to.")
@click.option("--cases", type=int, default=60, show_default=True, help="How many photographs.")
@click.option("--size", type=int, default=512, show_default=True, help="Height of a photograph in pixels.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which set.")
@click.option(
    "--shortcut",
    type=click.Choice(["none", "mask-area", "compression", "colour"]),
    default="none",
    show_default=True,
    help="What gives the healthy class away.",
)
def make(name: str, out: Path, cases: int, size: int, seed: int, shortcut: "Shortcut") -> None:
    """Write synthetic fundus photographs in the layout of HRF."""
    from cvs_med.datasets import phantom

    phantom.make(out, cases=cases, size=size, seed=seed, shortcut=shortcut)
    click.echo(f"{name}: {cases} photographs in {out}")


@data.command()
@click.option("--dataset", required=True, help="Name of the data set: cifar10 or cifar100.")
@click.option("--data-dir", type=_FOLDER, help="Its folder.  [default: CVS_MED_DATA, or the user's folder]")
@click.option("--out", type=_FOLDER, required=True, help="New folder for the masks.")
@click.option("--method", type=click.Choice(["grabcut"]), default="grabcut", show_default=True, expose_value=False,
              help="How to cut; there is one way.")
@click.option("--per-class", type=click.IntRange(1), help="Images of each class, drawn at random.  [default: all]")
@click.option("--part", type=click.Choice(["train", "test"]), default="train", show_default=True, help="Of which part.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draw and of GrabCut.")
def masks(dataset: str, data_dir: Path | None, out: Path, per_class: int | None, part: "Part", seed: int) -> None:
    """Make stand-in foreground masks by GrabCut for a data set without masks, one PNG for each image.

    They are guesses of an algorithm, not masks by hand; masks.json beside them says how they were made.
    """
    from cvs_med import datasets
    from cvs_med.cli.machine import workers
    from cvs_med.propagation import stand_ins

    kind, root = datasets.opened(dataset, data_dir)
    origin = stand_ins.make(kind, root, out, part=part, per_class=per_class, seed=seed, workers=workers(), step=_count)
    click.echo(f"{dataset}: {len(origin.images)} masks by GrabCut in {out}; not by hand.")
    click.echo(f"  plain ellipses, where the cut found next to nothing or nearly all: {len(origin.fallbacks)}")


def _count(done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done} of {total} masks", nl=done == total, err=True)
