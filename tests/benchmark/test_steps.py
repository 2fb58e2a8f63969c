"""Steps beside steps: what they compare is what they say; how fast it is, no test can tell."""

from pathlib import Path

import pytest
import torch

from cvs_med.benchmark import by_monai, sources, steps
from cvs_med.protocol import load

TINY = ("network.backbone=wideresnet-10-1", "training.batch_size=4", "training.precision=fp32")


@pytest.mark.parametrize("method", ["cvs", "classification"])
def test_a_step_is_compared_with_that_of_the_bare_network(mnist: Path, tmp_path: Path, method: str) -> None:
    protocol = load("paper/mnist-wideresnet", [*TINY, f"method={method}"])
    result = steps.step(
        protocol, data_dir=mnist, cache_dir=tmp_path, accelerator="cpu", workers=1, rounds=1
    )
    (ratio,) = result.ratios
    assert ratio.ratio == pytest.approx(ratio.ours / ratio.other)
    assert ratio.what == "training step : bare network (wideresnet-10-1, 4 of 28 pixels, fp32)"


def test_the_bare_network_learns_its_batch(mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []
    real = steps.cross_entropy

    def heard(*given: torch.Tensor) -> torch.Tensor:
        losses.append(real(*given).item())
        return real(*given)

    monkeypatch.setattr(steps, "cross_entropy", heard)
    protocol = load("paper/mnist-wideresnet", [*TINY, "training.learning_rate=0.02"])
    source = sources.training_part(protocol, torch.device("cpu"), mnist, tmp_path, 1)
    assert len(source.labels) == 40  # The train part alone.
    train = steps._bare(protocol, source, "fp32")
    for _ in range(3):
        train()
    assert len(losses) == 12
    assert losses[-1] < losses[0]


def test_the_trainer_beside_ours_takes_as_many_steps_with_the_same_losses(
    mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[float] = []
    real = by_monai.losses.total

    def heard(*given: object) -> dict[str, torch.Tensor]:
        parts = real(*given)
        taken.append(parts["loss"].item())
        return parts

    monkeypatch.setattr(by_monai.losses, "total", heard)
    protocol = load("paper/mnist-wideresnet", [*TINY, "training.learning_rate=0.02", "augmentation.turn=0"])
    source = sources.training_part(protocol, torch.device("cpu"), mnist, tmp_path, 1)
    train = by_monai.supervised_trainer(sources.fresh(protocol, source), protocol, source, 4, 4)
    for _ in range(3):
        train()
    assert len(taken) == 12
    assert sum(taken[-4:]) < sum(taken[:4])
