"""One training on two processes: the model of one process, to rounding, and the same one each time."""

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from lightning_fabric import Fabric

from cvs_med import devices, protocol, training
from cvs_med.batches import PhotographBatches
from cvs_med.cache import Photographs
from cvs_med.cli import main
from cvs_med.errors import CvsMedError, RunError
from cvs_med.networks import Network, build_network
from cvs_med.protocol import Protocol
from cvs_med.training import Epoch

SIZE, CASES = 32, 10

two_processors = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two processors")


def asked(*settings: str) -> Protocol:
    return protocol.load(
        "phantom",
        [
            f"images.size={SIZE}", "network.backbone=resnet18", "network.weights=none", "network.width=4",
            "network.trainable=all", "network.levels=[0,1,2]", "network.context=[]", "training.epochs=2",
            "training.batch_size=4", "training.precision=fp32", "training.learning_rate=0.01", "loss.dice_weight=1",
            "loss.class_weight=1", *settings,
        ],
    )  # fmt: skip


def squares(wanted: Protocol) -> PhotographBatches:
    """Noise with a bright row or a bright column, two classes."""
    labels = torch.arange(CASES) % 2
    mask = torch.zeros(CASES, SIZE, SIZE, dtype=torch.uint8)
    mask[labels == 0, SIZE // 2] = 255
    mask[labels == 1, :, SIZE // 2] = 255
    noise = torch.randint(0, 100, (CASES, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0))
    images = noise.byte() + mask[:, None] // 2
    inside = torch.full_like(mask, 255)
    photographs = Photographs(images, mask, inside, (True,) * CASES, (), tuple(map(str, range(CASES))), "key")
    return PhotographBatches(photographs, labels, 2, wanted.augmentation, torch.device("cpu"))


@dataclass
class Trained:
    """A network after its training, and what was told of it."""

    network: Network
    history: list[Epoch]
    heard: list[int] = field(default_factory=list)


def train(wanted: Protocol, folder: Path, count: int, then: Callable[[], None] = lambda: None) -> Trained:
    """Train on one or two processes; after the first epoch something may be done."""
    torch.manual_seed(0)
    found = Trained(build_network(wanted, 2), [])

    def on_epoch(epoch: Epoch) -> None:
        found.heard.append(epoch.number)
        if not epoch.number:
            then()

    given = found.network, squares(wanted), list(range(CASES)), wanted
    options = {"seed": 3, "checkpoint": folder / "checkpoint.pt", "on_epoch": on_epoch, "say": pytest.fail}
    folder.mkdir(exist_ok=True)
    if count == 1:
        fabric = Fabric(accelerator="cpu", devices=1)
        found.history = training.fit(*given, fabric=fabric, precision="fp32", **options)
    else:
        found.history = devices.fit(*given, count=count, accelerator="cpu", precision="fp32", **options)
    return found


def assert_same(first: Network, second: Network) -> None:
    one, other = first.state_dict(), second.state_dict()
    assert list(one) == list(other)
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.slow
@two_processors
def test_two_devices_with_shared_norms_train_the_model_of_one(tmp_path: Path) -> None:
    # Ten cases make batches of 4, 3 and 3, so that shares differ in size; and a whole network has a level that its
    # head does not read.
    wanted = asked("training.shared_norms=true", "training.steps=2")
    one, two = train(wanted, tmp_path / "one", 1), train(wanted, tmp_path / "two", 2)
    assert [epoch.parts for epoch in two.history] == [pytest.approx(e.parts, rel=1e-4) for e in one.history]
    for (name, first), second in zip(one.network.named_parameters(), two.network.parameters(), strict=True):
        start = dict(build(wanted).named_parameters())[name]
        moved = (first - start).norm()
        assert (first - second).norm() <= 1e-3 * moved + 1e-6, name
    assert two.heard == [0]


def build(wanted: Protocol) -> Network:
    torch.manual_seed(0)
    return build_network(wanted, 2)


@pytest.mark.slow
@two_processors
def test_two_devices_give_the_same_model_each_time_also_when_a_process_is_killed(tmp_path: Path) -> None:
    wanted = asked("training.batch_size=6", "training.epochs=6")
    whole = train(wanted, tmp_path / "whole", 2)

    def kill() -> None:
        multiprocessing.active_children()[-1].kill()

    with pytest.raises(RunError, match=r"found one of its processes lost \(SIGKILL\)"):
        train(wanted, tmp_path / "stopped", 2, kill)
    assert multiprocessing.active_children() == []

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(asked("training.batch_size=6", "training.epochs=30"), tmp_path / "other", 2, stop)
    assert multiprocessing.active_children() == []
    resumed = train(wanted, tmp_path / "stopped", 2)
    assert 0 not in resumed.heard
    assert whole.heard == list(range(6))
    assert_same(whole.network, resumed.network)
    # The checkpoint is a whole one: also one device goes on from it, and finds nothing left to do.
    assert_same(whole.network, train(wanted, tmp_path / "whole", 1).network)


@pytest.mark.slow
@two_processors
def test_a_fault_in_a_process_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the training diverged"):
        train(asked("training.batch_size=6", "training.learning_rate=1e30"), tmp_path / "diverged", 2)


FINE = [
    "network.trainable=head", "network.decoder=fine", "network.context=[3]", "images.finer=2", "augmentation.colour=0",
]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "count", "said"),
    [
        (["training.batch_size=5"], 2, "found training.batch_size 5. Ask for --set training.batch_size=6"),
        (["method=probe"], 2, "found `method: probe`"),
        ([], 1000, r"Expected 1000 processors, one for each process, for --devices 1000, found \d+"),
        (["training.batch_size=8", "training.smaller_batches={20: 3}"], 2, "found training.batch_size 3"),
        (FINE, 2, "found fine.batch_size 1. Ask for --set fine.batch_size=2"),
    ],
)
def test_what_several_devices_cannot_do_is_refused(settings: list[str], count: int, said: str) -> None:
    with pytest.raises(CvsMedError, match=said):
        devices.require(asked(*settings), count, "cpu")


def test_a_share_of_a_single_image_is_refused_unless_norms_are_shared() -> None:
    with pytest.raises(CvsMedError, match=r"found 1: the 10 training cases make batches of 3"):
        devices._require_shares(asked(), 10, 2)
    devices._require_shares(asked("training.shared_norms=true"), 10, 2)
    devices._require_shares(asked("training.batch_size=2"), 10, 2)
    with pytest.raises(CvsMedError, match="found 0"):
        devices._require_shares(asked("training.batch_size=2", "training.shared_norms=true"), 2, 4)


def test_both_ways_to_use_several_devices_are_refused_together(phantom_folder: Path, tmp_path: Path) -> None:
    command = ["cv", "--dataset", "phantom", "--data-dir", str(phantom_folder), "--device", "cpu"]
    result = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "run"), "--ray", "--devices", "2"])
    assert result.exit_code == 2
    assert "Expected --ray or --devices, found both" in result.stderr


@pytest.mark.slow
@two_processors
@pytest.mark.parametrize("trainable", ["all", "head"])
def test_a_cross_validation_on_two_devices_is_that_of_one_to_rounding(
    trainable: str, phantom_folder: Path, small: tuple[str, ...], tmp_path: Path
) -> None:
    from cvs_med.tables import read_predictions

    given = [*small, f"network.trainable={trainable}", "augmentation.colour=0", "training.shared_norms=true"]
    given += ["training.epochs=1", "network.context=[]", "splits.folds=2"]
    options = [part for setting in given for part in ("--set", setting)]
    for count in ("1", "2"):
        command = ["cv", "--dataset", "phantom", "--data-dir", str(phantom_folder), "--device", "cpu", *options]
        result = CliRunner().invoke(main, [*command, "--devices", count, "--out", str(tmp_path / count)])
        assert result.exit_code == 0, result.output
    names = ("healthy", "diabetic retinopathy", "glaucoma")
    one, two = (read_predictions(tmp_path / count / "predictions.csv", names) for count in ("1", "2"))
    assert [row.case_id for row in one] == [row.case_id for row in two]
    for first, second in zip(one, two, strict=True):
        assert first.probabilities == pytest.approx(second.probabilities, abs=1e-2)
    facts = [(tmp_path / count / "environment.json").read_text() for count in ("1", "2")]
    assert '"devices": 2' in facts[1]
    assert "devices" not in facts[0].split('"command"')[1].split("\n", 1)[1]
