"""Batches of changed images, beside one transform for each image."""

import statistics
from pathlib import Path

import torch

from cvs_med import environment
from cvs_med.benchmark import by_monai
from cvs_med.benchmark.rounds import Ratio, Result, alternate
from cvs_med.benchmark.sources import training_part
from cvs_med.protocol import Protocol

_ONE_BY_ONE = 1000
"""Images that one round passes through per-image transforms; all of them would take minutes."""


def loader(protocol: Protocol, *, data_dir: Path | None, cache_dir: Path, workers: int, rounds: int) -> Result:
    """Time a pass of a training part through our batches, against one MONAI dictionary transform for each image.

    Both begin with the images at working size in memory and end with batches of images and masks. The transform turns,
    zooms, shifts, mirrors and adds noise as the protocol says; colour and crops are left to ours alone.

    Raises:
        CvsMedError: protocol or data are not as they should be.
    """
    source = training_part(protocol, torch.device("cpu"), data_dir, cache_dir, workers)
    count, size = len(source.labels), protocol.training.batch_size
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(0)).tolist()
    some = chosen[:_ONE_BY_ONE]

    def ours() -> None:
        generator = torch.Generator().manual_seed(0)
        for start in range(0, count, size):
            source.training(chosen[start : start + size], generator)

    single_file = by_monai.one_by_one(source.photographs, some, protocol.augmentation, size)
    seconds = alternate([ours, single_file], rounds)
    batched, single = (statistics.median(times) for times in seconds)
    rates = count / batched, len(some) / single
    ratio = Ratio(f"{count} images in batches : MONAI one by one", *rates, rates[0] / rates[1], "images/s")
    return Result((ratio,), rounds, environment.describe(source.device, "fp32"))
