"""Photographs at working size from the cache, beside decoding them, and beside MONAI's PersistentDataset."""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from cvs_med import cache, datasets, environment
from cvs_med.benchmark import by_monai
from cvs_med.benchmark.rounds import Ratio, Result, alternate
from cvs_med.protocol import Protocol
from cvs_med.transforms import How


def reading(protocol: Protocol, *, data_dir: Path | None, workers: int, rounds: int) -> Result:
    """Time a data set's way into memory: decoded, from our cache, and from MONAI's of the same squares.

    Ours digests every file of the data set before it trusts what it kept; MONAI's does not. Signs beside the squares
    are left out on all sides.

    Raises:
        CvsMedError: protocol or data are not as they should be.
    """
    kind, root = datasets.opened(protocol.dataset, data_dir)
    cases = datasets.read(kind, root, folds=2)
    images = protocol.images
    how: How = {"size": images.size, "crop": images.crop, "harmonise": images.harmonise}
    with tempfile.TemporaryDirectory() as kept, tempfile.TemporaryDirectory() as theirs:

        def load(folder: Path) -> None:
            cache.load(cases, **how, folder=folder, workers=workers)

        def decoded() -> None:
            with tempfile.TemporaryDirectory() as empty:
                load(Path(empty))

        persistent = by_monai.persistent(cases, how, Path(theirs))
        ways: list[Callable[[], None]] = [lambda: load(Path(kept)), decoded, persistent]
        ours, fresh, other = (1000 * statistics.median(times) for times in alternate(ways, rounds))
    what = f"{len(cases)} images of {images.size} pixels"
    ratios = (
        Ratio(f"cache : decoding ({what})", ours, fresh, fresh / ours, "ms"),
        Ratio(f"cache : MONAI PersistentDataset ({what})", ours, other, other / ours, "ms"),
    )
    return Result(ratios, rounds, environment.describe(torch.device("cpu"), "8 bits"))
