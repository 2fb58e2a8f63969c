"""Photographs from caches: MONAI's keeps the same pixels as ours."""

from pathlib import Path

import pytest
import torch

from cvs_med import cache, datasets
from cvs_med.benchmark import by_monai, reading
from cvs_med.protocol import load


def test_the_cache_stands_beside_decoding_and_monai_s(phantom_folder: Path) -> None:
    wanted = load("phantom", ["images.size=32"])
    result = reading.reading(wanted, data_dir=phantom_folder, workers=1, rounds=1)
    assert [ratio.what for ratio in result.ratios] == [
        "cache : decoding (9 images of 32 pixels)", "cache : MONAI PersistentDataset (9 images of 32 pixels)"
    ]  # fmt: skip
    for ratio in result.ratios:
        assert ratio.ratio == pytest.approx(ratio.other / ratio.ours)


def test_monai_s_cache_keeps_the_same_pixels(phantom_folder: Path, tmp_path: Path) -> None:
    cases = datasets.read(datasets.get("phantom"), phantom_folder, folds=2)
    by_monai.persistent(cases, {"size": 32, "crop": "field_of_view"}, tmp_path)()
    kept = [torch.load(file, weights_only=True) for file in sorted(tmp_path.glob("*.pt"))]
    ours = cache.load(cases, size=32, crop="field_of_view", folder=tmp_path / "ours", workers=1)
    assert len(kept) == len(cases)
    left = [image.numpy().tobytes() for image in ours.images]
    assert sorted(left) == sorted(each["image"].numpy().tobytes() for each in kept)
