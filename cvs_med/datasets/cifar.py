"""CIFAR-10 and CIFAR-100: 60,000 colour images of 32 x 32 pixels each, in their authors' binary version.

A record is one byte for each label, then 1,024 bytes each of red, green and blue, row by row. CIFAR-10 has one label;
CIFAR-100 has a coarse one of 20 and a fine one of 100 classes, of which the fine one counts here. The Python version of
the archives is never read: it holds pickles, which can run code. See `packed` for how such a data set is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cvs_med.datasets import packed
from cvs_med.datasets.archive import Official
from cvs_med.datasets.dataset import DataSet
from cvs_med.errors import DataError, Problem, reason
from cvs_med.types import Array, Case, Part

SIDE = 32
PIXELS = 3 * SIDE * SIDE
MAX_RECORDS = 100_000
"""Most records of one file that are read; the authors' largest has 50,000."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How one of the two data sets lies in its files.

    Attributes:
        files: their names, and the official part of each.
        labels: name and number of classes of each label byte; the last one is the class.
    """

    files: Mapping[str, Part]
    labels: Mapping[str, int]

    @property
    def record(self) -> int:
        """Bytes of a record."""
        return len(self.labels) + PIXELS


def survey(root: Path, layout: Layout) -> tuple[list[Case], list[Problem]]:
    """Read those of the files that are there, each with any number of whole records."""
    reads = [partial(_cases, root / name, part, layout) for name, part in layout.files.items()]
    return packed.survey(root, reads, list(layout.files))


def _cases(path: Path, part: Part, layout: Layout) -> list[Case]:
    if not path.exists():
        return []
    images, labels = read_records(path, layout)
    return packed.cases_of(path.stem, part, images, labels.tolist())


def read_records(path: Path, layout: Layout) -> tuple[Array, Array]:
    """Read one file.

    Returns:
        Images (N, 32, 32, 3) and labels (N,), N at least one.

    Raises:
        DataError: the file cannot be read, is empty, too large, cut within a record, or has labels out of range.
    """
    try:
        size = path.stat().st_size
        _check_size(path, size, layout.record)
        values = np.fromfile(path, dtype=np.uint8, count=size)
    except OSError as error:
        remedy = "Restore it or allow reading."
        raise DataError([Problem(str(path), "a readable file", reason(error), remedy)]) from error
    records = values.reshape(-1, layout.record)
    problems = [
        fault
        for column, (name, classes) in enumerate(layout.labels.items())
        for fault in packed.check_labels(path, records[:, column], classes, name)
    ]
    if problems:
        raise DataError(problems)
    planes = records[:, len(layout.labels) :].reshape(-1, 3, SIDE, SIDE)
    return planes.transpose(0, 2, 3, 1), records[:, len(layout.labels) - 1]


def _check_size(path: Path, size: int, record: int) -> None:
    count, rest = divmod(size, record)
    if 1 <= count <= MAX_RECORDS and not rest:
        return
    expected = f"1 to {MAX_RECORDS:,} whole records of {record} bytes each"
    found = f"{size} bytes, which are {count} records" + (f" and {rest} bytes of another" if rest else "")
    remedy = "Copy the file again from its source; it is cut, or another version of the data set."
    raise DataError([Problem(str(path), expected, found, remedy)])


CIFAR10_LAYOUT = Layout(
    files={**{f"data_batch_{number}.bin": "train" for number in range(1, 6)}, "test_batch.bin": "test"},
    labels={"label": 10},
)
CIFAR100_LAYOUT = Layout(
    files={"train.bin": "train", "test.bin": "test"},
    labels={"coarse label": 20, "fine label": 100},
)

CLASSES_10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CLASSES_100 = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl",
    "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair",
    "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin",
    "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp",
    "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck",
    "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel",
    "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip

CITATION = "Krizhevsky: Learning Multiple Layers of Features from Tiny Images. Report, University of Toronto, 2009."
LICENCE = "no licence is stated; the authors ask for the citation"
NOTES = (
    "The data set has no masks of its own: those that a run is given are not the authors'.",
    "Near-duplicates: 3.25 % of the test images of CIFAR-10 and 10 % of those of CIFAR-100 are found once more, very "
    "similar, in the train or the test part (Barz, Denzler: Do We Train on Test Data? Journal of Imaging 6, 2020).",
)


def _data_set(classes: tuple[str, ...], layout: Layout, sha256: str) -> DataSet:
    """Declare one of the two, which differ in their classes, their files, and their archive's checksum alone."""
    count = len(classes)
    return DataSet(
        name=f"cifar{count}",
        title=f"CIFAR-{count}",
        class_names=tuple(name.replace("_", " ") for name in classes),
        class_codes=classes,
        foreground="objects",
        foreground_shape="regions",
        licence=LICENCE,
        citation=CITATION,
        notes=NOTES,
        survey=partial(survey, layout=layout),
        official=Official(
            name=f"cifar{count}",
            downloads={f"https://www.cs.toronto.edu/~kriz/cifar-{count}-binary.tar.gz": sha256},
            max_bytes=200_000_000,
        ),
    )


# SHA-256 of the archives, as several independent libraries give them; the authors publish their MD5 only:
# c32a1d4ab5d03f1284b67883e8d87530 and 03b5dce01913d631647c71ecec9e9cb8.
CIFAR10 = _data_set(CLASSES_10, CIFAR10_LAYOUT, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")
CIFAR100 = _data_set(CLASSES_100, CIFAR100_LAYOUT, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec")
