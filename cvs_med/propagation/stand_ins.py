"""Makes a folder of stand-in masks for a data set that has none by hand."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from cvs_med.datasets import DataSet, masks
from cvs_med.datasets.masks import Origin
from cvs_med.errors import CvsMedError, DataError, Problem
from cvs_med.images import Mask, read_image
from cvs_med.propagation import grabcut
from cvs_med.splits import samples_per_class
from cvs_med.types import Case, Part

Step = Callable[[int, int], None]
"""Told how many masks are done, and of how many."""


def make(
    dataset: DataSet,
    root: Path,
    out: Path,
    *,
    part: Part,
    per_class: int | None,
    seed: int,
    workers: int,
    step: Step,
) -> Origin:
    """Cut the foreground out of images by GrabCut, and write the masks with how they were made.

    Args:
        dataset: has an official train and test part, and no masks.
        root: its folder.
        out: folder to make for the masks.
        part: the part that the images are of.
        per_class: how many of each class, drawn as for training with the same seed; None takes all.
        seed: of the draw and of GrabCut.
        workers: threads that cut.
        step: told of progress.

    Returns:
        How the masks were made.

    Raises:
        CvsMedError: the data set cannot be read or has masks of its own, a class has fewer images, OpenCV is missing,
            or the folder cannot be written.
    """
    cv2 = grabcut.opencv()
    masks.check_new(out)
    cases = _chosen(dataset, root, part, per_class, seed)
    cv2.setNumThreads(1)  # Every thread of ours cuts one image.
    cuts = _cut_all(cases, seed, workers, step)
    origin = Origin(
        method="GrabCut with a centre prior",
        software={"OpenCV": cv2.__version__, "cvs-med": version("cvs-med")},
        settings=grabcut.SETTINGS,
        seed=seed,
        dataset=dataset.name,
        part=part,
        per_class=per_class,
        images={case.id: masks.image_digest(case) for case in cases},
        fallbacks=[name for name, (_, plain) in cuts.items() if plain],
    )
    masks.write(out, {name: mask for name, (mask, _) in cuts.items()}, origin)
    return origin


def _cut_all(cases: Sequence[Case], seed: int, workers: int, step: Step) -> dict[str, tuple[Mask, bool]]:
    """Give each case's id its mask, and whether that is but an ellipse."""
    cuts: dict[str, tuple[Mask, bool]] = {}
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda case: grabcut.cut(read_image(case.image), seed), cases)
        for case, cut in zip(cases, found, strict=True):
            cuts[case.id] = cut
            step(len(cuts), len(cases))
    return cuts


def _chosen(dataset: DataSet, root: Path, part: Part, per_class: int | None, seed: int) -> Sequence[Case]:
    found = dataset.cases(root)
    if any(case.mask for case in found):
        raise CvsMedError(f"Expected a data set without masks, found {dataset.name}, which has its own. Use those.")
    cases = [case for case in found if case.part == part]
    if not cases:
        remedy = "Copy the files of this part there, or ask for the other part."
        raise DataError([Problem(str(root), f"images of the {part} part", "none", remedy)])
    if per_class is None:
        return cases
    drawn = set(samples_per_class(cases, per_class, dataset.class_names, seed))
    return [case for case in cases if case.id in drawn]
