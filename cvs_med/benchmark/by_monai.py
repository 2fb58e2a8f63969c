"""What a user of MONAI would write for the same photographs: a transform for each image, and its SupervisedTrainer."""

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cvs_med import losses
from cvs_med.batches import PhotographBatches
from cvs_med.cache import Photographs
from cvs_med.errors import CvsMedError
from cvs_med.networks import Network
from cvs_med.optimisers import build_optimiser
from cvs_med.protocol import Protocol
from cvs_med.protocol_sections import Augmentation
from cvs_med.transforms import How, prepare
from cvs_med.types import Case, Output


def one_by_one(
    photographs: Photographs, chosen: Sequence[int], settings: Augmentation, size: int
) -> Callable[[], None]:
    """Give a function that passes images through one dictionary transform each, and puts them into batches."""
    batches = _dictionaries(photographs, chosen, settings, size)

    def passing() -> None:
        for _ in batches:
            pass

    return passing


def persistent(cases: Sequence[Case], how: How, folder: Path) -> Callable[[], None]:
    """Give a function that reads all cases at working size through MONAI's cache on disk, filled by the first call."""
    from monai.data.dataset import PersistentDataset
    from monai.transforms.transform import Transform

    class Squared(Transform):  # MONAI keeps only what is a transform of its own.
        def __call__(self, case: Case) -> dict[str, Tensor]:
            found = prepare(case, **how)
            return {"image": found.image, "mask": found.foreground, "inside": found.field_of_view}

    def name(case: Case) -> bytes:
        return hashlib.sha256(case.id.encode()).hexdigest().encode()

    items = PersistentDataset(list(cases), Squared(), cache_dir=folder, hash_func=name)

    def passing() -> None:
        for number in range(len(items)):
            items[number]

    return passing


def supervised_trainer(
    network: Network, protocol: Protocol, source: PhotographBatches, size: int, count: int
) -> Callable[[], None]:
    """Give a function that trains a network for `count` steps of `size` images with MONAI's engine.

    Network and losses are ours, and so is the field of view, which is not transformed; mirroring, turns, zoom, shift
    and noise are the transforms', and colour is left out. The optimiser is PyTorch's as it comes: not the fused one.

    Raises:
        CvsMedError: pytorch-ignite is not installed.
    """
    try:
        import ignite  # noqa: F401 - without it MONAI gives a stand-in that fails only when it is used
        from monai.engines.trainer import SupervisedTrainer
    except ImportError as error:
        raise CvsMedError(
            "Expected pytorch-ignite, which MONAI's trainer rests on, found none. Install cvs-med[bench]."
        ) from error
    network.train()
    optimiser = build_optimiser(network, protocol.training, fused=None)
    batches = _dictionaries(source.photographs, list(range(size)) * count, protocol.augmentation, size)

    def prepare(batch: dict[str, Tensor], device: torch.device, non_blocking: bool, **_: object) -> tuple[Any, ...]:
        labels = source.labels[batch["case"]]
        inside = source.photographs.field_of_view[batch["case"]].float() / 255
        label_map = (batch["mask"].as_tensor()[:, 0] >= 0.5) * (labels + 1)[:, None, None]  # type: ignore[attr-defined]
        return batch["image"].as_tensor(), (label_map, labels, inside), (inside,), {}  # type: ignore[attr-defined]

    def loss(output: Output, target: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        return losses.total(output, *target, protocol.loss)["loss"]

    def steps() -> None:
        SupervisedTrainer(
            device=source.device, max_epochs=1, train_data_loader=batches, network=network, optimizer=optimiser,
            loss_function=loss, prepare_batch=prepare,
        ).run()  # fmt: skip

    return steps


def _dictionaries(photographs: Photographs, chosen: Sequence[int], settings: Augmentation, size: int) -> Any:  # noqa: ANN401 - MONAI ships no types
    """Give a loader of batches of images, masks and numbers of cases, each image with a transform of its own."""
    from monai.data.dataloader import DataLoader
    from monai.data.dataset import Dataset
    from monai.transforms.compose import Compose
    from monai.transforms.intensity.dictionary import RandGaussianNoised, ScaleIntensityRanged
    from monai.transforms.spatial.dictionary import RandAffined, RandFlipd

    keys, side, pixels = ["image", "mask"], photographs.images.shape[-1], photographs.images
    if photographs.signs is not None:
        pixels = torch.cat([pixels, photographs.signs], dim=1)
    axes = [axis for axis, name in enumerate(("vertical", "horizontal")) if name in settings.flip]
    affine = RandAffined(keys, prob=1, rotate_range=math.radians(settings.turn), scale_range=(settings.zoom,) * 2,
                         translate_range=(settings.shift * side,) * 2, padding_mode="zeros")  # fmt: skip
    transform = Compose([
        ScaleIntensityRanged(keys, a_min=0, a_max=255, b_min=0, b_max=1),
        *(RandFlipd(keys, prob=0.5, spatial_axis=axis) for axis in axes),
        *([affine] if settings.turn or settings.zoom or settings.shift else []),
        *([RandGaussianNoised(["image"], prob=1, std=settings.noise)] if settings.noise else []),
    ])  # fmt: skip
    items = [{"image": pixels[case], "mask": photographs.foreground[case][None], "case": case} for case in chosen]
    return DataLoader(Dataset(items, transform), batch_size=size, num_workers=0)
