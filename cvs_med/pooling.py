"""Several data sets pooled: images of other folders join every training part, and none of them is ever tested.

Source: the classifier that arXiv 2111.00042, section IV, sets beside its result on HRF was trained on several fundus
data sets.
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from cvs_med import datasets
from cvs_med.datasets import DataSet
from cvs_med.decoding import field_of_view
from cvs_med.duplicates import image_hash
from cvs_med.errors import DataError, Problem
from cvs_med.images import read_image
from cvs_med.squares import square
from cvs_med.types import Array, Case

_MOST_NAMED = 5

_SIDE = 256
_INNER = 0.7
"""Share of the side of the square that lies inside a round field of view. All photographs of eyes share its border."""

_MOST_DIFFERENT = 20
"""Places of 256 in which the inner squares of two copies may differ. Of HRF's photographs no two differ in fewer than
29; one made smaller, brighter, shifted by a hundredth or saved at a JPEG quality of 40 differs in at most 17.
Mirrored or turned by quarters they are as far apart. A copy that was cut, or turned by a few degrees, is not found."""


def gather(dataset: DataSet, own: Sequence[Case], folders: Sequence[str]) -> tuple[DataSet, list[Case]]:
    """Read folders whose cases join every training part.

    Args:
        dataset: the one that is tested.
        own: its cases.
        folders: each a folder of images with labels, as `--dataset folder` reads it. Its classes are found among those
            of `dataset` by name or by code; it need not have all of them.

    Returns:
        The data set, with a note on each folder, and its cases with those of the folders behind them.

    Raises:
        DataError: a folder has faults, a class or no case that `dataset` knows, or a group of the same name.
    """
    found, notes, problems = list(own), list(dataset.notes), list[Problem]()
    for number, name in enumerate(folders, start=1):
        other, root = datasets.opened("folder", Path(name))
        cases, faults = other.survey(root)
        faults += _strange_classes(dataset, other, name) + _common_groups(own, cases, name)
        if not cases and not faults:
            faults = [Problem(name, "labelled images", "none", "Name a folder that --dataset folder can read.")]
        problems += faults
        if not problems:
            labels = [_label(dataset, other, label) for label in range(len(other.class_names))]
            joined = [_renamed(case, number, label) for case in cases if (label := labels[case.label]) is not None]
            notes.append(_note(dataset, other, joined))
            found += joined
    if problems:
        raise DataError(problems)
    return replace(dataset, notes=tuple(notes)), found


def require_no_twins(cases: Sequence[Case], own: int, workers: int) -> None:
    """Refuse images of other folders that show what an image of the data set shows: they would be learnt and tested.

    Args:
        cases: all cases, the data set's own first.
        own: how many are its own.
        workers: threads that decode.

    Raises:
        DataError: names the pairs, or a file cannot be read.
    """
    with ThreadPoolExecutor(workers) as pool:
        hashes = np.stack(list(pool.map(_hashes, cases)))
    # (own, others, ways): places in which an image as it lies differs from another in each of its ways.
    different = np.stack([(hashes[own:] != one[0]).sum(axis=2) for one in hashes[:own]]).min(axis=2)
    pairs = np.argwhere(different <= _MOST_DIFFERENT).tolist()
    if pairs:
        raise DataError([_twin(cases[one], cases[own + other], int(different[one, other])) for one, other in pairs])


def _twin(one: Case, other: Case, different: int) -> Problem:
    return Problem(
        f"{other.id}, from --also-train",
        "an image that the tested data set does not have",
        f"nearly the same as {one.id}, perhaps mirrored or turned ({different} places of its hash differ)",
        "Take it out of the folder: a copy of a test image must not be learnt from.",
    )


def _hashes(case: Case) -> Array:
    """Hash an image as it lies, mirrored, and turned by quarters: (8, 256).

    What is hashed is the inside of a round field of view, found in the pixels, since a copy may come without its mask.
    """
    image = read_image(case.image)
    whole = square(image, field_of_view.find(image), None, size=_SIDE, crop="field_of_view").image
    edge = round(_SIDE * (1 - _INNER) / 2)
    inner = whole[:, edge:-edge, edge:-edge].transpose(1, 2, 0)
    ways = [np.rot90(seen, quarters) for seen in (inner, inner[:, ::-1]) for quarters in range(4)]
    return np.stack([image_hash(np.ascontiguousarray(way)) for way in ways])


def _label(dataset: DataSet, other: DataSet, label: int) -> int | None:
    """Give the label of a folder's class in the data set that is tested."""
    name, code = other.class_names[label], other.class_codes[label]
    if name in dataset.class_names:
        return dataset.class_names.index(name)
    return dataset.class_codes.index(code) if code in dataset.class_codes else None


def _strange_classes(dataset: DataSet, other: DataSet, folder: str) -> list[Problem]:
    strange = [name for label, name in enumerate(other.class_names) if _label(dataset, other, label) is None]
    if not strange:
        return []
    remedy = "Name its classes alike in its dataset.yaml, or take the images of the others out."
    return [Problem(folder, f"classes out of {', '.join(dataset.class_names)}", ", ".join(strange), remedy)]


def _common_groups(own: Sequence[Case], cases: Sequence[Case], folder: str) -> list[Problem]:
    """Two folders of one hospital may hold images of one patient."""
    common = sorted({case.group for case in own if case.group} & {case.group for case in cases if case.group})
    if not common:
        return []
    named = f"{', '.join(common[:_MOST_NAMED])}{' ...' if len(common) > _MOST_NAMED else ''}"
    remedy = (
        "If these are the same patients, put all images into one folder and ask for --splits grouped; if not, give the "
        "groups other names."
    )
    found = f"{len(common)} of both ({named})"
    return [Problem(folder, "groups that the tested data set does not have", found, remedy)]


def _renamed(case: Case, number: int, label: int) -> Case:
    """Give a case a name that no other has, and its label in the data set that is tested."""
    return replace(case, id=f"also-{number}-{case.id}", label=label, group=case.group and f"also-{number}-{case.group}")


def _note(dataset: DataSet, other: DataSet, joined: Sequence[Case]) -> str:
    counts = Counter(case.label for case in joined)
    told = ", ".join(f"{counts[label]} {name}" for label, name in enumerate(dataset.class_names) if counts[label])
    return (
        f"Every training part also holds {len(joined)} images of another folder, '{other.title}' ({told}); none of "
        "them is tested."
    )
