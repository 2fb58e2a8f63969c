"""A user's own folder: `images/`, `masks/` of the same names where there are any, and the labels.

Labels come from `labels.csv`, from one subfolder of `images` for each class, or from the file names; `dataset.yaml`
says what the files cannot. `files` lists what is there, `labels` says of which class it is, `settings` reads
dataset.yaml, `first_look` writes one.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cvs_med.datasets.checks import relative, same_content
from cvs_med.datasets.dataset import DataSet
from cvs_med.datasets.folder import files, labels
from cvs_med.datasets.folder.files import Found
from cvs_med.datasets.folder.labels import Label
from cvs_med.datasets.folder.settings import Settings, load
from cvs_med.errors import DataError, Problem
from cvs_med.images import read_header
from cvs_med.types import Case, OwnFile, Picture, Reading

__all__ = ["FOLDER", "survey", "told_by"]


def survey(root: Path) -> tuple[list[Case], list[Problem]]:
    """List what can be read of a folder as cases, and what cannot as problems; decodes no pixels."""
    try:
        settings = load(root)
    except DataError as error:
        return [], list(error.problems)
    images, problems = files.images(root)
    masks, of_masks = files.masks(root)
    found, of_labels = labels.read(root, settings, images) if images else ({}, [])
    codes = labels.codes(found, settings)
    cases = [
        _case(name, images[name], masks.get(name), label, codes, settings)
        for name, label in ((name, found[name]) for name in images if name in found)
        if label.code in codes
    ]
    stray = [
        Problem(f"masks/{file.path.name}", "an image of the same name", "none", "Add it, or take the mask out.")
        for name, file in masks.items()
        if name not in images and images
    ]
    copies = relative(same_content([file.path for file in images.values()]), root)
    return cases, problems + of_masks + of_labels + stray + copies


def told_by(root: Path) -> DataSet:
    """Read from a folder what its data set is: classes, title, and what a reader of results must know.

    Raises:
        DataError: dataset.yaml cannot be understood.
    """
    settings = load(root)
    images, _ = files.images(root)
    found, _ = labels.read(root, settings, images) if images else ({}, [])
    codes = labels.codes(found, settings)
    return replace(
        FOLDER,
        title=settings.title,
        class_names=tuple(settings.classes.get(code, code) for code in codes),
        class_codes=tuple(codes),
        foreground=settings.foreground_name,
        foreground_shape=settings.foreground_shape,
        notes=(*FOLDER.notes, *_notes(images, found, settings)),
        surroundings=settings.field_of_view == "automatic",
        reading=settings.reading,
    )


def _case(name: str, image: Found, mask: Found | None, label: Label, codes: list[str], settings: Settings) -> Case:
    return Case(
        name,
        OwnFile(image.path, settings.reading),
        codes.index(label.code),
        "field" if settings.foreground == "field" else _mask(mask, label.code, settings),
        "automatic" if settings.field_of_view == "automatic" else None,
        label.group,
    )


def _mask(mask: Found | None, code: str, settings: Settings) -> Picture | None:
    reading = Reading(settings.volumes.plane, settings.volumes.slice)
    return None if mask is None else OwnFile(mask.path, reading, settings.empty_of(code))


def _notes(images: Mapping[str, Found], found: Mapping[str, Label], settings: Settings) -> list[str]:
    notes = []
    if not any(label.group for label in found.values()):
        notes.append(
            "No patients are named: two images of one patient may lie on both sides of a split, and then results are "
            "too good."
        )
    deep = _deep(images, settings.reading)
    if deep:
        notes.append(f"{deep} of {len(images)} images have more than 8 bits; they are shown {_shown(settings)}.")
    if settings.foreground == "field":
        notes.append("The whole field of view is the foreground of every image: no mask by hand is learnt from.")
    if settings.empty_masks != "refused":
        notes.append("Masks may be empty: see docs/your-data.md for what is learnt from such an image.")
    return notes


def _shown(settings: Settings) -> str:
    """Say how many bits become eight."""
    if settings.window:
        return f"by the window of dataset.yaml, centre {settings.window.centre:g} and width {settings.window.width:g}"
    return "by the file's own window, or else from the 0.5th to the 99.5th percentile of each image by itself"


def _deep(images: Mapping[str, Found], reading: Reading) -> int:
    """Count the images of more than 8 bits."""
    count = 0
    for file in images.values():
        try:
            count += read_header(OwnFile(file.path, reading)).bits > 8
        except DataError:  # The check says what is wrong with it.
            continue
    return count


FOLDER = DataSet(
    name="folder",
    title="Own images",
    class_names=(),
    class_codes=(),
    foreground="foreground",
    licence="not stated",
    citation="Own images.",
    notes=("A user's own images: what they show, and who labelled them and how, is known to their owner alone.",),
    survey=survey,
    told_by=told_by,
)
