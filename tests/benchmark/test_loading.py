"""Batches beside single images: both pass the same pixels."""

from pathlib import Path

import pytest
import torch

from cvs_med.benchmark import by_monai, loading
from cvs_med.cache import load as load_photographs
from cvs_med.datasets import get
from cvs_med.protocol import load
from cvs_med.protocol_sections import Augmentation


def test_a_loader_passes_every_image_of_the_train_part(mnist: Path, tmp_path: Path) -> None:
    result = loading.loader(
        load("paper/mnist-wideresnet"), data_dir=mnist, cache_dir=tmp_path, workers=1, rounds=1
    )
    (ratio,) = result.ratios
    assert ratio.what == "40 images in batches : MONAI one by one"
    assert ratio.ratio == pytest.approx(ratio.ours / ratio.other)


def test_without_any_change_both_ways_give_the_same_pixels(
    mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monai.data.dataloader import DataLoader

    seen: list[dict[str, torch.Tensor]] = []
    real = DataLoader.__iter__

    def heard(self: DataLoader) -> object:
        for batch in real(self):
            seen.append(batch)
            yield batch

    monkeypatch.setattr(DataLoader, "__iter__", heard)
    cases = [case for case in get("mnist").cases(mnist) if case.part == "train"]
    photographs = load_photographs(cases, size=28, crop="none", folder=tmp_path, workers=1)
    by_monai.one_by_one(photographs, [3, 1, 2], Augmentation(flip=()), 2)()
    images, masks = (torch.cat([batch[name] for batch in seen]) for name in ("image", "mask"))
    torch.testing.assert_close(images.as_tensor(), photographs.images[[3, 1, 2]] / 255, atol=1e-5, rtol=0)
    torch.testing.assert_close(masks.as_tensor()[:, 0], photographs.foreground[[3, 1, 2]] / 255, atol=1e-5, rtol=0)
