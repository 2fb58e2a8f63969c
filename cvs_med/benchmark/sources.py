"""What the benchmarks compute on: the training part of a protocol's data set."""

from pathlib import Path

import torch

from cvs_med import cache, datasets
from cvs_med.batches import FeatureBatches, PhotographBatches
from cvs_med.errors import CvsMedError
from cvs_med.networks import Network, build_network
from cvs_med.protocol import Protocol


def training_part(
    protocol: Protocol, device: torch.device, data_dir: Path | None, cache_dir: Path, workers: int
) -> PhotographBatches:
    """Load the training part of a protocol's data set."""
    kind, root = datasets.opened(protocol.dataset, data_dir)
    cases = [case for case in kind.cases(root) if case.part != "test"]
    images = protocol.images
    photographs = cache.load(cases, **images.model_dump(), folder=cache_dir, workers=workers)
    labels = torch.tensor([case.label for case in cases])
    return PhotographBatches(photographs, labels, len(kind.class_names), protocol.augmentation, device)


def fresh(protocol: Protocol, source: PhotographBatches) -> Network:
    """Build a network; all that are built of one protocol have the same weights."""
    torch.manual_seed(0)
    return build_network(protocol, source.classes)


def batch_size(protocol: Protocol, source: PhotographBatches | FeatureBatches) -> int:
    """Count the images of a step."""
    return min(protocol.training.batch_size, len(source.labels))


def require_trained_whole(protocol: Protocol) -> None:
    """Refuse a protocol whose training does not run the encoder.

    Raises:
        CvsMedError: the encoder is frozen, and its features are kept.
    """
    if protocol.network.trainable != "all":
        raise CvsMedError("Expected a protocol that trains the whole network, found a frozen encoder. Name another.")
