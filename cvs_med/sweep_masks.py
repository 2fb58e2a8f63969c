"""Which masks each method of a sweep learns from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvs_med.datasets import DataSet, masks
from cvs_med.datasets.masks import Learnt
from cvs_med.errors import CvsMedError
from cvs_med.setup import masked
from cvs_med.sweep_plan import Plan, parts
from cvs_med.types import Case

NO_MASKS = "No masks were learnt from."


@dataclass(frozen=True, slots=True)
class Masked:
    """The cases with the masks of one folder, or with their own.

    Attributes:
        cases: id to case, with masks where there are any.
        origin: of the masks, as a sentence.
        learnt: what the network that made them had learnt; None where each was made for itself.
    """

    cases: Mapping[str, Case]
    origin: str
    learnt: Learnt | None


def read_masks(
    plan: Plan, dataset: DataSet, cases: Sequence[Case], masks_dirs: Sequence[Path], needed: Collection[str]
) -> dict[str, Masked]:
    """Give the cases the masks of each folder.

    Args:
        plan: whose methods ask for masks; `cvs(seg-10)` for those called seg-10.
        dataset: what the cases are of.
        cases: all of them.
        masks_dirs: folders, each of which says what its masks are called, see `masks.Origin.name`.
        needed: ids that must have a mask.

    Returns:
        The cases by what their masks are called: those without brackets by nothing, which have no masks where no method
        without brackets has a map.

    Raises:
        DataError: masks are missing or not as they should be.
        CvsMedError: two folders are called the same, or methods and folders do not agree.
    """
    wanted = {parts(name)[1] for name, each in plan.methods.items() if each.has_map}
    folders = _by_name(masks_dirs, wanted)
    found = {"": Masked({case.id: case for case in cases}, NO_MASKS, None)}
    for name in wanted:
        folder = folders.get(name)
        with_masks, origin = masked(dataset, cases, folder, needed)
        learnt = None if folder is None else masks.learnt_of(folder)
        found[name] = Masked({case.id: case for case in with_masks}, origin, learnt)
    return found


def _by_name(masks_dirs: Sequence[Path], wanted: Collection[str]) -> dict[str, Path]:
    """Find the folder that belongs to each name."""
    folders = {masks.name_of(folder): folder for folder in masks_dirs}
    disagree = {name for name in folders.keys() ^ wanted if name}
    if len(folders) < len(masks_dirs) or disagree:
        listed = ", ".join(f"{folder} ({masks.name_of(folder) or 'not propagated'})" for folder in masks_dirs)
        asked = ", ".join(sorted(name for name in wanted if name))
        raise CvsMedError(
            "Expected a folder of propagated masks for each method in brackets, such as that of seg-10 for "
            "cvs(seg-10), and at most one other for the methods without, "
            f"found {listed or 'none'} for methods that ask for {asked or 'no propagated masks'}. "
            "Change --methods or --masks."
        )
    return folders
