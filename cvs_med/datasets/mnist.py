"""MNIST: 70,000 handwritten digits of 28 x 28 pixels, 60,000 to train on and 10,000 to test on.

The foreground is the paper's binarization: every pixel above threshold 0. See `packed` for how such a data set is read.
"""

from functools import partial
from pathlib import Path

import numpy as np

from cvs_med.datasets import packed
from cvs_med.datasets.archive import Official
from cvs_med.datasets.dataset import DataSet
from cvs_med.datasets.digits import CLASSES, binarize
from cvs_med.datasets.idx import read_idx
from cvs_med.errors import DataError, Problem
from cvs_med.types import Array, Case, Part

SIDE = 28
PARTS: dict[str, Part] = {"train": "train", "t10k": "test"}
"""First word of the files' names, and the part that it stands for."""

ADDRESS = "https://ossci-datasets.s3.amazonaws.com/mnist/"
"""PyTorch's mirror of the authors' files, which are no longer given out at their own address."""

# SHA-256 of the four files in their authors' wrapping, as many public repositories give them.
DOWNLOADS = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def survey(root: Path) -> tuple[list[Case], list[Problem]]:
    """Read the idx files of a folder, each as it is or wrapped by gzip; one of the two parts may be missing."""
    reads = [partial(_read_part, root, word, part) for word, part in PARTS.items()]
    return packed.survey(root, reads, [*DOWNLOADS, "the same without .gz"])


def _read_part(root: Path, word: str, part: Part) -> list[Case]:
    names = f"{word}-images-idx3-ubyte", f"{word}-labels-idx1-ubyte"
    files = [[path for path in (root / name, root / f"{name}.gz") if path.exists()] for name in names]
    if not any(files):
        return []
    problems = [_not_one(root / name, paths) for name, paths in zip(names, files, strict=True) if len(paths) != 1]
    if problems:
        raise DataError(problems)
    (images_path,), (labels_path,) = files
    images, labels = _read_both(images_path, labels_path)
    problems = [*_counts(images_path, labels_path, images, labels), *packed.check_labels(labels_path, labels, 10)]
    problems += _blank(images_path, images)
    if problems:
        raise DataError(problems)
    colour = np.broadcast_to(images[..., None], (*images.shape, 3))
    return packed.cases_of(word, part, colour, labels.tolist(), binarize(images))


def _read_both(images: Path, labels: Path) -> tuple[Array, Array]:
    """Read both files; the faults of both are gathered before raising."""
    arrays: list[Array] = []
    problems: list[Problem] = []
    for path, shape in ((images, (SIDE, SIDE)), (labels, ())):
        try:
            arrays.append(read_idx(path, shape))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return arrays[0], arrays[1]


def _not_one(path: Path, found: list[Path]) -> Problem:
    says = " and ".join(path.name for path in found) or "none"
    absent = "Copy the file from the data set's source; images and labels belong together."
    return Problem(str(path), "one file, as it is or with .gz", says, "Keep one of the two." if found else absent)


def _counts(images_path: Path, labels_path: Path, images: Array, labels: Array) -> list[Problem]:
    if len(images) == len(labels):
        return []
    expected = f"{len(images)} labels, one for each image of {images_path.name}"
    return [Problem(str(labels_path), expected, f"{len(labels)}", "Take both files from the same source.")]


def _blank(path: Path, images: Array) -> list[Problem]:
    (blank,) = np.nonzero(~images.any(axis=(1, 2)))
    if not blank.size:
        return []
    found = f"none in image {blank[0]} of {len(images)}, the first of {blank.size} such images"
    remedy = "Take these digits out; they have no foreground."
    return [Problem(str(path), "pixels above 0 in every image", found, remedy)]


MNIST = DataSet(
    name="mnist",
    title="MNIST, handwritten digits",
    class_names=CLASSES,
    class_codes=CLASSES,
    foreground="strokes",
    licence="CC BY-SA 3.0",
    citation=(
        "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition. "
        "Proceedings of the IEEE 86(11), 1998."
    ),
    notes=("The masks are not an expert's: they are the images' own pixels above zero, the paper's binarization.",),
    survey=survey,
    official=Official(
        name="mnist", downloads={ADDRESS + name: sha256 for name, sha256 in DOWNLOADS.items()}, max_bytes=60_000_000
    ),
)
