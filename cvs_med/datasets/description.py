"""What a data set holds, counted: sizes, bit depths, masks, groups."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from cvs_med.datasets.dataset import DataSet
from cvs_med.errors import DataError, Problem
from cvs_med.images import Mask, read_field_of_view, read_foreground, read_header, read_image
from cvs_med.types import Array, Case, Packed, file_of


@dataclass(frozen=True, slots=True)
class OfClass:
    """One class.

    Attributes:
        name: for people.
        cases: number of images.
        masks: how many of them have a mask.
        empty_masks: how many of these show nothing.
        share: least, median and largest share of the field of view that the masks cover; None without a mask.
    """

    name: str
    cases: int
    masks: int
    empty_masks: int
    share: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Description:
    """A data set in numbers.

    Attributes:
        dataset: its name.
        title: its full name.
        foreground: what the masks show.
        cases: number of images.
        classes: in the order of the labels.
        sizes: "width x height" to number of images, the most frequent first.
        bits: bits of a channel in the file to number of images.
        formats: ending of the file name to number of images.
        groups: number of patients or sittings; None where they are not known.
        largest_group: images of the group that has most of them.
        notes: what a reader of results must know.
    """

    dataset: str
    title: str
    foreground: str
    cases: int
    classes: tuple[OfClass, ...]
    sizes: dict[str, int]
    bits: dict[int, int]
    formats: dict[str, int]
    groups: int | None
    largest_group: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    size: str
    bits: int
    share: float | None


def describe(
    dataset: DataSet,
    cases: Sequence[Case],
    *,
    workers: int,
    see: Callable[[Case, Array, Mask | None], None] = lambda case, image, mask: None,
) -> Description:
    """Decode every case and count.

    Args:
        dataset: what the data are.
        cases: all of them.
        workers: threads that decode; no more images than that are held at once.
        see: is shown every case, its image (H, W, 3) and its foreground (H, W), in order.

    Raises:
        DataError: files cannot be read; all of them are listed.
    """
    facts = list(_facts(cases, workers, see))
    groups = Counter(case.group for case in cases if case.group)
    return Description(
        dataset=dataset.name,
        title=dataset.title,
        foreground=dataset.foreground,
        cases=len(cases),
        classes=tuple(_of_class(name, cases, facts, label) for label, name in enumerate(dataset.class_names)),
        sizes=dict(Counter(each.size for each in facts).most_common()),
        bits=dict(sorted(Counter(each.bits for each in facts).items())),
        formats=dict(Counter(_format(case) for case in cases).most_common()),
        groups=len(groups) or None,
        largest_group=max(groups.values(), default=None),
        notes=dataset.notes,
    )


def _facts(cases: Sequence[Case], workers: int, see: Callable[[Case, Array, Mask | None], None]) -> Iterator[_Facts]:
    problems: list[Problem] = []
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(cases), workers):
            part = cases[start : start + workers]
            futures = [pool.submit(_decoded, case) for case in part]
            for case, future in zip(part, futures, strict=True):
                try:
                    image, mask, facts = future.result()
                except DataError as error:
                    problems += error.problems
                    continue
                see(case, image, mask)
                yield facts
    if problems:
        raise DataError(problems)


def _decoded(case: Case) -> tuple[Array, Mask | None, _Facts]:
    image = read_image(case.image)
    height, width = image.shape[0], image.shape[1]
    mask, view = read_foreground(case, (height, width)), read_field_of_view(case, (height, width), image)
    share = None if mask is None else float(mask[view].mean())
    bits = 8 if isinstance(case.image, Packed) else read_header(case.image).bits
    return image, mask, _Facts(f"{width} x {height}", bits, share)


def _of_class(name: str, cases: Sequence[Case], facts: Sequence[_Facts], label: int) -> OfClass:
    of_class = [each for case, each in zip(cases, facts, strict=True) if case.label == label]
    shares = [each.share for each in of_class if each.share is not None]
    spread = (min(shares), float(np.median(shares)), max(shares)) if shares else None
    return OfClass(name, len(of_class), len(shares), shares.count(0.0), spread)


def _format(case: Case) -> str:
    path = file_of(case.image)
    if path is None:
        return "packed"
    # A DICOM file may be named by its numbers, whose last part is no ending.
    return path.suffix.lower() if path.suffix[1:].isalpha() else "DICOM without ending"
