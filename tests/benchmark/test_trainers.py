"""Trainers beside each other: all take as many steps, and only the other one encodes in each of them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cvs_med.benchmark import trainers
from cvs_med.benchmark.steps import STEPS
from cvs_med.networks import Network
from cvs_med.observers import Observer
from cvs_med.protocol import load

FROZEN = ("network.trainable=head", "network.context=[1]", "images.finer=2", "augmentation.colour=0")


class Quiet(Observer):
    """An observer that keeps the stages it was told of."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)


def measured(
    folder: Path, cache: Path, settings: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[trainers.Ratio], Counter[tuple[bool, int]], set[bool | None]]:
    """Measure one round; give the ratios, how often a network saw how many images, and how optimisers were built."""
    seen: Counter[tuple[bool, int]] = Counter()
    fused: set[bool | None] = set()
    features, step = Network.features, torch.optim.AdamW.step

    def heard(self: Network, images: Tensor) -> dict[int, Tensor]:
        seen[self.frozen, len(images)] += 1
        return features(self, images)

    def stepped(self: torch.optim.AdamW, closure: None = None) -> None:
        fused.add(self.param_groups[0]["fused"])
        step(self, closure)

    monkeypatch.setattr(Network, "features", heard)
    monkeypatch.setattr(torch.optim.AdamW, "step", stepped)
    result = trainers.train(
        load("phantom", settings), data_dir=folder, cache_dir=cache, workers=1, rounds=1, observer=Quiet()
    )
    return list(result.ratios), seen, fused


def test_all_layers_are_trained_in_four_ways(
    phantom_folder: Path, tmp_path: Path, small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    ratios, seen, fused = measured(phantom_folder, tmp_path, small, monkeypatch)
    assert [ratio.unit for ratio in ratios] == ["images/s", "images/s", "ms"]
    assert all("MONAI" not in ratio.what or "frozen" not in ratio.what for ratio in ratios)
    assert seen == {(False, 4): 4 * 2 * STEPS}  # The first round warms up.
    assert fused == {True, None}


@pytest.mark.parametrize("more", [(), ("network.decoder=fine", "images.fibres=true", "loss.map_weight=0")])
def test_a_frozen_encoder_runs_once_for_ours_and_in_every_step_of_the_other(
    phantom_folder: Path, tmp_path: Path, small: tuple[str, ...], more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    ratios, seen, _ = measured(phantom_folder, tmp_path, [*small, *FROZEN, *more], monkeypatch)
    assert seen == {(False, 4): 4 * 2 * STEPS, (True, 1): 4 * 9, (True, 4): 2 * STEPS}
    step, fold = ratios[3:]
    assert step.ratio == pytest.approx(step.ours / step.other)
    assert fold.ratio == pytest.approx(fold.other / fold.ours)
    assert "the 4 steps of one fold" in fold.what  # Six of nine photographs in batches of four, two epochs.
    assert fold.other == pytest.approx(4 * 4 / step.other)
    assert fold.ours > 4 * 4 / step.ours  # What the features cost is counted.
    assert not list(tmp_path.glob("features-*"))  # They were computed, not found.
