"""Benchmarks: what they compare is what they say; how fast it is, no test can tell."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from cvs_med import benchmark, benchmark_monai
from cvs_med.cache import load as load_photographs
from cvs_med.cli import main
from cvs_med.datasets import get
from cvs_med.protocol import load
from cvs_med.protocol_sections import Augmentation

TINY = ("network.backbone=wideresnet-10-1", "training.batch_size=4", "training.precision=fp32")


@pytest.mark.parametrize("method", ["cvs", "classification"])
def test_a_step_is_compared_with_that_of_the_bare_network(mnist: Path, tmp_path: Path, method: str) -> None:
    protocol = load("paper/mnist-wideresnet", [*TINY, f"method={method}"])
    result = benchmark.step(
        protocol, data_dir=mnist, cache_dir=tmp_path, accelerator="cpu", workers=1, rounds=1
    )
    (ratio,) = result.ratios
    assert ratio.ratio == pytest.approx(ratio.ours / ratio.other)
    assert ratio.what == "training step : bare network (wideresnet-10-1, 4 of 28 pixels, fp32)"


def test_the_bare_network_learns_its_batch(mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []
    real = benchmark.cross_entropy

    def heard(*given: torch.Tensor) -> torch.Tensor:
        losses.append(real(*given).item())
        return real(*given)

    monkeypatch.setattr(benchmark, "cross_entropy", heard)
    protocol = load("paper/mnist-wideresnet", [*TINY, "training.learning_rate=0.02"])
    source = benchmark._source(protocol, torch.device("cpu"), mnist, tmp_path, 1)
    assert len(source.labels) == 40  # The train part alone.
    steps = benchmark._bare(protocol, source, "fp32")
    for _ in range(3):
        steps()
    assert len(losses) == 12
    assert losses[-1] < losses[0]


def test_a_loader_passes_every_image_of_the_train_part(mnist: Path, tmp_path: Path) -> None:
    result = benchmark.loader(
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
    benchmark_monai.one_by_one(photographs, [3, 1, 2], Augmentation(flip=()), 2)()
    images, masks = (torch.cat([batch[name] for batch in seen]) for name in ("image", "mask"))
    torch.testing.assert_close(images.as_tensor(), photographs.images[[3, 1, 2]] / 255, atol=1e-5, rtol=0)
    torch.testing.assert_close(masks.as_tensor()[:, 0], photographs.foreground[[3, 1, 2]] / 255, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "command", [("loader",), ("step", "--backbone", "wideresnet-10-1", "--batch-size", "4", "--device", "cpu")]
)
def test_the_commands_print_ratios(mnist: Path, command: tuple[str, ...]) -> None:
    options = ["--dataset", "mnist", "--data-dir", str(mnist), "--rounds", "1"]
    table, numbers = (CliRunner().invoke(main, ["bench", *command, *options, *more]) for more in ((), ("--json",)))
    assert (table.exit_code, numbers.exit_code) == (0, 0), table.output + numbers.output
    assert table.stdout.startswith("| what | ours | other | ratio |")
    assert json.loads(numbers.stdout)["ratios"][0]["ratio"] > 0


def test_a_data_set_that_is_not_known_is_told_so() -> None:
    result = CliRunner().invoke(main, ["bench", "step", "--dataset", "flowers"])
    assert result.exit_code == 2
    assert "Expected one of the data sets" in result.stderr


def test_rounds_alternate_and_the_first_one_warms_up() -> None:
    order: list[str] = []
    functions: list[Callable[[], None]] = [lambda: order.append("a"), lambda: order.append("b")]
    seconds = benchmark._alternate(functions, 2)
    assert order == ["a", "b"] * 3
    assert [len(times) for times in seconds] == [2, 2]


def test_the_trainer_beside_ours_takes_as_many_steps_with_the_same_losses(
    mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[float] = []
    real = benchmark_monai.losses.total

    def heard(*given: object) -> dict[str, torch.Tensor]:
        parts = real(*given)
        taken.append(parts["loss"].item())
        return parts

    monkeypatch.setattr(benchmark_monai.losses, "total", heard)
    protocol = load("paper/mnist-wideresnet", [*TINY, "training.learning_rate=0.02", "augmentation.turn=0"])
    source = benchmark._source(protocol, torch.device("cpu"), mnist, tmp_path, 1)
    steps = benchmark_monai.supervised_trainer(protocol, source, 4, 4)
    for _ in range(3):
        steps()
    assert len(taken) == 12
    assert sum(taken[-4:]) < sum(taken[:4])


def test_the_machine_s_limits_stand_beside_what_a_step_reaches(mnist: Path, tmp_path: Path) -> None:
    result = benchmark.limits(
        load("paper/mnist-wideresnet", TINY), data_dir=mnist, cache_dir=tmp_path, accelerator="cpu", workers=1, rounds=1
    )
    step, products = result.ratios
    assert 0 < step.ratio < 1
    assert step.other == products.other  # The step is of 32 bits.
