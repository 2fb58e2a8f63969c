"""A folder of foreground masks for images that come without: one PNG of 0 and 255 for each image, named by its id.

`masks.json` beside them says how they were made, so that a report can say it, and of which pixels: ids alone do not
tell whether the data set that the masks are read for is the one that they were made for. A folder without it is read
too, as masks of unknown origin.
"""

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from cvs_med.datasets.checks import check_cases, check_writable, holds_something
from cvs_med.errors import DataError, Problem
from cvs_med.images import Mask, read_image
from cvs_med.types import Case

ORIGIN = "masks.json"
MAX_BYTES = 100_000_000
"""Most bytes of `masks.json`; 60,000 masks need 4 million."""

MOST_NAMES = 50
"""Most ids that one message lists."""


class Learnt(BaseModel):
    """What a network that predicted masks has learnt from (the paper's segmentation label propagation, Seg-M).

    Attributes:
        per_class: M, masks of each class.
        masks: all of them.
        dataset: name of the data set that they are of.
        backbone: encoder of the network.
        origin: where they come from, as a sentence.
        given: ids of the new folder whose mask is one of them, not predicted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_class: int
    masks: int
    dataset: str
    backbone: str
    origin: str
    given: list[str]


class Origin(BaseModel):
    """How the masks of a folder were made; the content of `masks.json`.

    Attributes:
        method: in words, such as "GrabCut with a centre prior".
        software: name to version of what made them.
        settings: numbers that the method worked with.
        seed: of the draw of the images and of the method.
        dataset: name of the data set that the images are of.
        part: its part that they are of.
        per_class: how many of each class; None for all.
        images: id to the digest of the image's pixels, see `image_digest`.
        fallbacks: ids whose mask is a plain shape or a guess, since the method found nothing.
        learnt: what was learnt from, for masks that a network predicted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    software: dict[str, str]
    settings: dict[str, float]
    seed: int
    dataset: str
    part: str
    per_class: int | None
    images: dict[str, str]
    fallbacks: list[str]
    learnt: Learnt | None = None

    @property
    def name(self) -> str:
        """What a sweep calls these masks: `seg-10` for propagated ones, nothing for others."""
        return f"seg-{self.learnt.per_class}" if self.learnt else ""

    def sentence(self) -> str:
        """Say where the masks come from, for a report."""
        versions = ", ".join(f"{name} {version}" for name, version in self.software.items())
        kind = "guesses where no foreground was found" if self.learnt else "plain ellipses"
        plain = f"; {len(self.fallbacks)} of {len(self.images)} are {kind}" if self.fallbacks else ""
        made = f"Masks by {self.method} ({versions}, seed {self.seed}), not by hand{plain}."
        return f"{made} {self._taught_by(self.learnt)}" if self.learnt else made

    def _taught_by(self, learnt: Learnt) -> str:
        kept = f", {len(learnt.given)} of which are in this folder" if learnt.given else ""
        return f"A {learnt.backbone} learnt from {learnt.masks} masks of {learnt.dataset}{kept}: {learnt.origin}"


def attach(cases: Sequence[Case], folder: Path, needed: Collection[str]) -> list[Case]:
    """Give cases the masks of a folder.

    Args:
        cases: all cases of a data set.
        folder: PNG files named by case id.
        needed: ids that must have a mask, such as those to be trained on.

    Returns:
        The same cases in the same order, with a mask where the folder has one.

    Raises:
        DataError: masks are missing or doubled, belong to no case or to other pixels, have another size than their
            image, are empty or not binary, or the folder cannot be read. All of it is listed.
    """
    paths, origin = _paths(folder), read_origin(folder)
    files = {path.stem: path for path in paths}
    masked = {case.id: replace(case, mask=files[case.id]) for case in cases if case.id in files}
    problems = _check_names(paths, folder, needed, masked)
    problems += check_cases(list(masked.values()), folder)
    problems += _check_images(list(masked.values()), folder, origin)
    if problems:
        raise DataError(problems)
    return [masked.get(case.id, case) for case in cases]


def save(folder: Path, name: str, mask: Mask) -> None:
    """Write one mask (H, W) as `attach` reads it."""
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(folder / f"{name}.png")


def save_origin(folder: Path, origin: Origin) -> None:
    """Write `masks.json`."""
    (folder / ORIGIN).write_text(origin.model_dump_json(indent=1) + "\n", encoding="utf-8")


def write(folder: Path, masks: Mapping[str, Mask], origin: Origin) -> None:
    """Write a new folder of masks, all of it or nothing.

    Args:
        folder: does not exist yet, or is empty; corrections by hand are never overwritten.
        masks: id to mask (H, W).
        origin: how they were made.

    Raises:
        DataError: the folder holds something, or cannot be written.
    """
    check_new(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
        staging = Path(place) / folder.name
        staging.mkdir()
        for name, mask in masks.items():
            save(staging, name, mask)
        save_origin(staging, origin)
        os.replace(staging, folder)


def check_new(folder: Path) -> None:
    """Refuse a folder for new masks that holds something or cannot be written; before the work rather than after it.

    Raises:
        DataError: says which.
    """
    if holds_something(folder):
        remedy = "Name another folder, or move this one away."
        raise DataError([Problem(str(folder), "a new or empty folder for the masks", "something in it", remedy)])
    problems = check_writable(folder, 0)
    if problems:
        raise DataError(problems)


def read_origin(folder: Path) -> Origin | None:
    """Read how the masks of a folder were made; None if nobody wrote it down.

    Raises:
        DataError: there is a `masks.json` that cannot be read.
    """
    path = folder / ORIGIN
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            return Origin.model_validate_json(file.read(MAX_BYTES))
    except (OSError, ValidationError) as error:
        found = str(error).splitlines()[0]
        raise DataError([Problem(str(path), "how the masks were made", found, "Copy the file again.")]) from error


def describe(folder: Path) -> str:
    """Say in one sentence where the masks of a folder come from, for a report.

    Raises:
        DataError: there is a `masks.json` that cannot be read.
    """
    origin = read_origin(folder)
    return origin.sentence() if origin else f"Masks of unknown origin: their folder has no {ORIGIN}."


def name_of(folder: Path) -> str:
    """Give what a sweep calls the masks of a folder, see `Origin.name`; nothing for masks of unknown origin.

    Raises:
        DataError: there is a `masks.json` that cannot be read.
    """
    origin = read_origin(folder)
    return origin.name if origin else ""


def learnt_of(folder: Path) -> Learnt | None:
    """Say what the network had learnt that made the masks of a folder; None where none did.

    Raises:
        DataError: there is a `masks.json` that cannot be read.
    """
    origin = read_origin(folder)
    return origin.learnt if origin else None


def image_digest(case: Case) -> str:
    """Give the first 16 hexadecimal digits of the SHA-256 of an image's pixels.

    Raises:
        DataError: the image cannot be read.
    """
    return hashlib.sha256(read_image(case.image).tobytes()).hexdigest()[:16]


def _paths(folder: Path) -> list[Path]:
    if not folder.is_dir():
        remedy = "Name the folder that holds the masks."
        raise DataError([Problem(str(folder), "a folder of masks", "none", remedy)])
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".png")


def _check_names(paths: Sequence[Path], folder: Path, needed: Collection[str], known: Collection[str]) -> list[Problem]:
    """Say which masks are needed and not there, which belong to no image, and which lie there twice."""
    counts = Counter(path.stem for path in paths)
    doubled = [name for name, count in counts.items() if count > 1]
    return [
        *_fault(
            folder, "a mask ID.png for every image needed", "none for ", set(needed) - counts.keys(),
            "Make these masks too, or ask for fewer images per class.",
        ),
        *_fault(
            folder, "masks named by image ids of the data set", "", counts.keys() - set(known),
            "Take these files out, or name the data set that they belong to.",
        ),
        *_fault(folder, "one mask for each image", "both .png and .PNG for ", doubled, "Keep one of the two."),
    ]  # fmt: skip


def _check_images(cases: Sequence[Case], folder: Path, origin: Origin | None) -> list[Problem]:
    """Say of which masks the images are not those that they were made for."""
    known = origin.images if origin else {}
    other = [case.id for case in cases if case.id in known and known[case.id] != image_digest(case)]
    remedy = "Take the masks that were made for these files of the data set, or make new ones."
    return _fault(folder, "masks made for these very images", "other pixels for ", other, remedy)


def _fault(folder: Path, expected: str, found: str, names: Collection[str], remedy: str) -> list[Problem]:
    """Make one problem of all ids that have it, if any; list them, but no more than a person reads."""
    if not names:
        return []
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    listed = f"{len(names)}: {', '.join(sorted(names)[:MOST_NAMES])}{rest}"
    return [Problem(str(folder), expected, found + listed, remedy)]
