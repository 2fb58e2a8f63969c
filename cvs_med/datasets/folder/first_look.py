"""Looks at a user's own folder for the first time, and writes a dataset.yaml that says what was found and guessed."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cvs_med.datasets.folder import files, labels, patterns
from cvs_med.datasets.folder.files import Found
from cvs_med.datasets.folder.labels import Label
from cvs_med.datasets.folder.settings import FILE, Settings
from cvs_med.decoding import field_of_view
from cvs_med.errors import DataError, fault, printable, reason
from cvs_med.images import read_image, read_mask
from cvs_med.types import OwnFile

_CLASS_IN_NAME = (r"[_ -]([A-Za-z]+)[0-9]*$", r"^([A-Za-z]+)[_ -]?[0-9]")
"""Where a class often stands in a name: 07_dr, dr_07."""
_PATIENT_IN_NAME = r"^([^_ -]*[0-9][^_ -]*)[_ -]"
_MOST_CLASSES = 20

_LOOKED_AT = 8
"""Images that are decoded to see whether they have dark surroundings."""
_SURROUNDED = (0.4, 0.97)
"""Shares of an image that a field of view between dark surroundings covers; a round one in a square covers 0.79."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is there.

    Attributes:
        settings: where the labels come from.
        counts: images of each class, as the labels write it, in natural order.
        masks: number of masks.
        empty: the classes with an empty mask among them.
        grouped: groups named in labels.csv.
        pattern: a guess how the patient stands in the file names.
        columns: columns of labels.csv that may tell the patient, where no group is named.
        looked_at: images that were decoded.
        surrounded: those of them with dark surroundings.
    """

    settings: Settings
    counts: Mapping[str, int]
    masks: int
    empty: tuple[str, ...]
    grouped: int
    pattern: str | None
    columns: tuple[str, ...]
    looked_at: int
    surrounded: int

    @property
    def finds_field_of_view(self) -> bool:
        """Whether dark surroundings are left out: where all images that were looked at have some."""
        return self.surrounded == self.looked_at > 0


def write(root: Path, *, force: bool) -> list[str]:
    """Write dataset.yaml.

    Args:
        root: the folder.
        force: write over one that is there.

    Returns:
        What was found and guessed, as lines for people.

    Raises:
        DataError: there are no images or no labels to be seen, or a dataset.yaml is there.
    """
    target = root / FILE
    if not force and (target.exists() or target.is_symlink()):
        raise fault(FILE, "no such file yet", "one", "Correct it by hand, or have it written anew with --force.")
    look, problems = _look(root)
    temporary = root / f".{FILE}.{os.getpid()}"
    try:
        temporary.write_text(_text(look), encoding="utf-8")
        os.replace(temporary, target)
    except OSError as error:
        remedy = "Allow writing to the folder, or work on a copy of it."
        raise fault(root, f"to write {FILE} here", reason(error), remedy) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    said = [f"Written: {target}. Read and correct it.", *_said(look)]
    if problems:
        said.append(f"There are problems ({problems}): run `cvs-med data check --dataset folder` with this folder.")
    return said


def _look(root: Path) -> tuple[Look, int]:
    images, problems = files.images(root)
    if not images:
        raise DataError(problems)
    settings = _source(root, images)
    found, of_labels = labels.read(root, settings, images)
    if not found:
        raise DataError(of_labels)
    masks, of_masks = files.masks(root)
    counts = Counter(label.code for label in found.values())
    look = Look(
        settings,
        {code: counts[code] for code in labels.codes(found, settings)},
        len(masks),
        _empty(masks, found),
        len({label.group for label in found.values() if label.group}),
        _patients(images, found),
        _columns(root, settings, found),
        *_surrounded(images),
    )
    return look, len(problems + of_labels + of_masks)


def _source(root: Path, images: Mapping[str, Found]) -> Settings:
    """Settle where the labels come from."""
    if (root / labels.FILE).is_file():
        return Settings(labels="csv")
    if any(file.folder for file in images.values()):
        return Settings(labels="folders")
    for pattern in _CLASS_IN_NAME:
        counts = Counter(patterns.find(pattern, name) for name in images)
        if None not in counts and 2 <= len(counts) <= _MOST_CLASSES and min(counts.values()) > 1:
            return Settings(labels="names", label_pattern=pattern)
    remedy = (
        "Write labels.csv with a line `case_id,label` and one for each image, or sort the images into images/CLASS."
    )
    raise fault(root, "labels", "no labels.csv, no subfolders of images, no class in the names", remedy)


def _empty(masks: Mapping[str, Found], found: Mapping[str, Label]) -> tuple[str, ...]:
    """List the classes with empty masks."""
    classes = set()
    for name, mask in masks.items():
        with suppress(DataError):  # The check says what is wrong with it.
            if name in found and not read_mask(OwnFile(mask.path, empty="allowed")).any():
                classes.add(found[name].code)
    return tuple(sorted(classes))


def _surrounded(images: Mapping[str, Found]) -> tuple[int, int]:
    """Decode a few images: how many, and how many of these have dark surroundings."""
    found = list(images.values())
    least, most = _SURROUNDED
    shares = []
    for file in found[:: -(-len(found) // _LOOKED_AT)]:
        with suppress(DataError):  # The check says what is wrong with it.
            shares.append(float(field_of_view.find(read_image(OwnFile(file.path))).mean()))
    return len(shares), sum(least <= share <= most for share in shares)


def _patients(images: Mapping[str, Found], found: Mapping[str, Label]) -> str | None:
    """Guess that names such as P07_left begin with the patient, if some beginnings come again but not all are one."""
    if any(label.group for label in found.values()):
        return None
    counts = Counter(patterns.find(_PATIENT_IN_NAME, name) for name in images)
    return _PATIENT_IN_NAME if None not in counts and 2 <= len(counts) < len(images) else None


def _columns(root: Path, settings: Settings, found: Mapping[str, Label]) -> tuple[str, ...]:
    """List the columns of labels.csv whose use is not known, if no group is named."""
    if settings.labels != "csv" or any(label.group for label in found.values()):
        return ()
    return tuple(name for name in labels.columns(root) if name not in ("", "case_id", "label", "group"))


def _said(look: Look) -> list[str]:
    total = sum(look.counts.values())
    places = {"csv": "labels.csv", "folders": "the subfolders of images", "names": "the file names (a guess)"}
    counts = ", ".join(f"{printable(code)} {count}" for code, count in look.counts.items())
    lines = [
        f"  {total} images; classes from {places[look.settings.labels or 'csv']}: {counts}",
        f"  masks: {look.masks}",
    ]
    if look.finds_field_of_view:
        lines.append(f"  dark surroundings in all of {look.looked_at} images: left out; see field_of_view in {FILE}")
    if look.empty:
        lines.append(f"  empty masks in: {', '.join(map(printable, look.empty))}; see empty_masks in {FILE}")
    if look.grouped:
        lines.append(f"  groups in labels.csv: {look.grouped}")
    elif look.pattern:
        lines.append(f"  the file names may begin with the patient (a guess, not used): see group in {FILE}")
    elif look.columns:
        lines.append(
            f"  columns of labels.csv that may tell the patient (a guess, not used): "
            f"{', '.join(map(printable, look.columns))}; see group in {FILE}"
        )
    else:
        lines.append("  patients: not known")
    return lines


def _text(look: Look) -> str:
    """Compose the file; text in quotes as JSON writes it, which is YAML."""
    classes = [f"  {_quoted(code)}: {_quoted(code)}  # {count} images" for code, count in look.counts.items()]
    pattern = look.settings.label_pattern
    return "\n".join(
        [
            "# What the files of this folder cannot say. Written by `cvs-med data init`; correct it, then run",
            "# `cvs-med data check --dataset folder --data-dir DIR`. Every field may be left out.",
            "",
            'title: "Own images"',
            "",
            "# A class as the labels write it, and its name for people. Their order is that of all tables.",
            "classes:",
            *classes,
            "",
            "# What the masks show, in the plural.",
            'foreground_name: "foreground"',
            "",
            "# regions (organs, lesions) are also measured along their outlines, lines (vessels) along their middle.",
            "foreground_shape: regions",
            "",
            "# Where labels come from: csv (labels.csv), folders (subfolders of images), names (label_pattern below).",
            f"labels: {look.settings.labels}",
            f"label_pattern: {_quoted(pattern)}" if pattern else "# label_pattern: '_([a-z]+)$'",
            "",
            "# What tells the patient, so that nobody is learnt from and tested: a column of labels.csv, or a regular",
            "# expression whose first group is found in the file name.",
            *_group_lines(look),
            "",
            "# masks: the foreground is what the masks show. field: it is the whole field of view of every image.",
            "foreground: masks",
            "",
            "# A mask without foreground is refused, allowed (nothing is foreground), or field (all of the field is).",
            *_empty_lines(look),
            "",
            "# automatic: the dark surroundings of an image do not count. none: all pixels do.",
            f"field_of_view: {'automatic' if look.finds_field_of_view else 'none'}",
            "",
            "# Slice of a NIfTI volume: middle, or a number from 0 (from the patient's right, front or feet).",
            "volumes: {plane: axial, slice: middle}",
            "",
            "# Values that are shown, instead of what a DICOM file says, and for NIfTI and 16-bit images.",
            "# window: {centre: 40, width: 400}",
            "",
        ]
    )


def _group_lines(look: Look) -> list[str]:
    if look.grouped:
        return ["group: {column: group}"]
    if look.columns and not look.pattern:
        return [
            "# A guess; take the # away if it is right.",
            *(f"# group: {{column: {_quoted(column)}}}" for column in look.columns),
        ]
    guess = look.pattern or _PATIENT_IN_NAME
    return [
        *(["# A guess; take the # away if it is right."] if look.pattern else []),
        f"# group: {{pattern: '{guess}'}}",
    ]


def _empty_lines(look: Look) -> list[str]:
    if not look.empty:
        return ["empty_masks: refused"]
    return ["empty_masks:", *(f"  {_quoted(code)}: allowed" for code in look.empty)]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
