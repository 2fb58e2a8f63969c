"""The training loop: resumed bit by bit, honest about damage, and gentle with a frozen encoder."""

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import Generator, Tensor

from cvs_med.batches import Batch, Look
from cvs_med.errors import DataError, RunError
from cvs_med.networks import Network, build_network
from cvs_med.protocol import Protocol
from cvs_med.training import Epoch, fit

SIZE, CASES = 32, 6


class Noise:
    """A source of noisy squares, two classes: the vessel is a bright row or a bright column."""

    def __init__(self, spoilt: bool = False) -> None:
        self.spoilt = spoilt
        self.asked: list[list[int]] = []

    def training(self, cases: Sequence[int], generator: Generator) -> Batch:
        """Give the squares with fresh noise."""
        self.asked.append(list(cases))
        labels = torch.tensor([case % 2 for case in cases])
        mask = torch.zeros(len(cases), SIZE, SIZE, dtype=torch.bool)
        mask[labels == 0, SIZE // 2] = True
        mask[labels == 1, :, SIZE // 2] = True
        images = 0.3 * torch.rand(len(cases), 3, SIZE, SIZE, generator=generator) + 0.6 * mask[:, None]
        if self.spoilt:
            images = images * float("nan")
        return Batch(images, mask.long() * (labels + 1)[:, None, None], labels, torch.ones(len(cases), SIZE, SIZE))

    def looks(self, cases: Sequence[int]) -> list[Look]:
        """Give nothing: training does not look."""
        pytest.fail("training looked at a case")


class Levels(Noise):
    """The same squares as a frozen encoder sees them."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def training(self, cases: Sequence[int], generator: Generator) -> Batch:
        """Give the levels of the squares."""
        batch = super().training(cases, generator)
        assert isinstance(batch.inputs, Tensor)
        with torch.no_grad():
            return batch._replace(inputs=self.network.eval().features(batch.inputs))


def a_protocol(**training: object) -> Protocol:
    """Make a small protocol; options are of the section `training`."""
    settings: dict[str, object] = {"epochs": 4, "batch_size": 2, "learning_rate": 0.01, **training}
    return Protocol.model_validate(
        {
            "dataset": "phantom",
            "images": {"size": SIZE},
            "network": {
                "backbone": "resnet18", "trainable": "all", "decoder": "skip", "width": 4, "levels": [0, 1, 2],
            },
            "loss": {"dice_weight": 1, "class_weight": 1},
            "training": settings,
        }
    )  # fmt: skip


def a_network(protocol: Protocol, **network: object) -> Network:
    torch.manual_seed(7)
    changed = protocol.network.model_copy(update=network)
    return build_network(protocol.model_copy(update={"network": changed}), 2)


def train(
    model: torch.nn.Module,
    source: Noise,
    protocol: Protocol,
    checkpoint: Path,
    *,
    cases: int = CASES,
    seed: int = 0,
    precision: str = "fp32",
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    say: Callable[[str], None] = pytest.fail,
) -> list[Epoch]:
    return fit(
        model,  # type: ignore[arg-type]  # a network or a head
        source,
        list(range(cases)),
        protocol,
        fabric=Fabric(accelerator="cpu", devices=1),
        precision=precision,
        seed=seed,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
        say=say,
    )


def assert_same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pt"


@pytest.mark.parametrize(
    ("training", "network"),
    [
        ({"optimiser": "sgd"}, {}),
        ({"optimiser": "adamw", "schedule": "constant"}, {}),
        ({"optimiser": "sgd"}, {"decoder": "deeplab"}),
    ],
    ids=["sgd", "adamw, constant rate", "with dropout"],
)
def test_resumed_training_is_undisturbed_training_bit_by_bit(
    checkpoint: Path, tmp_path: Path, training: dict[str, object], network: dict[str, object]
) -> None:
    protocol = a_protocol(epochs=3, **training)
    undisturbed, killed, resumed = (a_network(protocol, **network) for _ in range(3))
    expected = train(undisturbed, Noise(), protocol, tmp_path / "other.pt")

    def stop(epoch: Epoch) -> None:
        if epoch.number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(killed, Noise(), protocol, checkpoint, on_epoch=stop)
    torch.manual_seed(99)  # Chance outside of training must not matter.
    told: list[int] = []
    found = train(resumed, Noise(), protocol, checkpoint, on_epoch=lambda epoch: told.append(epoch.number))
    assert told == [2]
    assert_same(resumed.state_dict(), undisturbed.state_dict())
    assert [epoch.parts for epoch in found] == [epoch.parts for epoch in expected]


def test_finished_training_is_read_and_not_repeated(checkpoint: Path) -> None:
    protocol = a_protocol(epochs=1)
    first, second, source = a_network(protocol), a_network(protocol), Noise()
    history = train(first, Noise(), protocol, checkpoint)
    before = checkpoint.read_bytes()
    assert train(second, source, protocol, checkpoint) == history
    assert_same(second.state_dict(), first.state_dict())
    assert source.asked == []
    assert checkpoint.read_bytes() == before


def test_the_seed_decides_the_training(checkpoint: Path, tmp_path: Path) -> None:
    protocol = a_protocol(epochs=1)
    networks = [a_network(protocol) for _ in range(3)]
    for number, (network, seed) in enumerate(zip(networks, (0, 0, 1), strict=True)):
        train(network, Noise(), protocol, tmp_path / f"{number}.pt", seed=seed)
    assert_same(networks[0].state_dict(), networks[1].state_dict())
    assert not torch.equal(networks[0].state_dict()["head.decoder.out.weight"],
                           networks[2].state_dict()["head.decoder.out.weight"])  # fmt: skip


def test_every_epoch_shows_every_case_once_in_an_order_of_its_own(checkpoint: Path) -> None:
    protocol, source = a_protocol(epochs=3, batch_size=4), Noise()
    train(a_network(protocol), source, protocol, checkpoint)
    assert [len(batch) for batch in source.asked] == [3, 3] * 3  # Batches of equal size, none of a single case.
    epochs = [source.asked[n] + source.asked[n + 1] for n in (0, 2, 4)]
    assert all(sorted(epoch) == list(range(CASES)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


@pytest.mark.parametrize(
    ("cases", "batch_size", "sizes"),
    [
        (5, 2, [3, 2]), (3, 2, [3]), (2, 2, [2]), (7, 3, [3, 2, 2]), (5, 4, [3, 2]), (9, 4, [3, 3, 3]), (9, 8, [5, 4]),
        (33, 32, [17, 16]), (3, 100, [3]),
    ],
)  # fmt: skip
def test_no_case_is_left_alone_in_a_batch(checkpoint: Path, cases: int, batch_size: int, sizes: list[int]) -> None:
    # Level 4 of 32 pixels is a single cell: batch norm could not train on one of them.
    protocol, source = a_protocol(epochs=1, batch_size=batch_size), Noise()
    train(a_network(protocol, levels=(3, 4)), source, protocol, checkpoint, cases=cases)
    assert [len(batch) for batch in source.asked] == sizes


@pytest.mark.parametrize("decoder", ["skip", "deeplab"])
def test_a_batch_of_one_trains_where_the_coarsest_map_has_several_cells(checkpoint: Path, decoder: str) -> None:
    source, protocol = Noise(), a_protocol(epochs=1)
    single = protocol.model_copy(update={"training": protocol.training.model_copy(update={"batch_size": 1})})
    train(a_network(protocol, decoder=decoder, output_stride=8), source, single, checkpoint, cases=3)
    assert [len(batch) for batch in source.asked] == [1, 1, 1]


@pytest.mark.parametrize("cases", [0, 1])
def test_nothing_is_learnt_from_a_single_case(checkpoint: Path, cases: int) -> None:
    protocol = a_protocol()
    with pytest.raises(DataError, match=f"training part: expected at least 2 cases to learn from, found {cases}"):
        train(a_network(protocol), Noise(), protocol, checkpoint, cases=cases)
    assert not checkpoint.exists()


def test_steps_end_the_training_within_an_epoch(checkpoint: Path) -> None:
    protocol, source = a_protocol(epochs=1, steps=7, batch_size=2), Noise()
    history = train(a_network(protocol), source, protocol, checkpoint)
    assert len(source.asked) == 7
    assert [(epoch.number, epoch.epochs) for epoch in history] == [(0, 3), (1, 3), (2, 3)]


@pytest.mark.parametrize(("least", "steps"), [(1, 6), (6, 6), (7, 7), (20, 20)])
def test_few_cases_are_learnt_for_more_epochs(checkpoint: Path, least: int, steps: int) -> None:
    protocol, source = a_protocol(epochs=2, least_steps=least, batch_size=2), Noise()
    history = train(a_network(protocol), source, protocol, checkpoint)
    assert len(source.asked) == steps
    assert len(history) == history[-1].epochs == -(-steps // 3)


def test_the_hyperrule_sets_the_rate_of_every_step(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    original = torch.optim.SGD.step

    def step(self: torch.optim.SGD, closure: None = None) -> None:
        rates.append(self.param_groups[0]["lr"])
        original(self, closure)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    protocol = a_protocol(steps=25, batch_size=6, learning_rate=0.01)
    shaped = protocol.model_copy(update={"training": protocol.training.model_copy(update={"schedule": "hyperrule"})})
    network = a_network(protocol, trainable="head")
    train(network.head, Levels(network), shaped, checkpoint)
    assert rates[:6] == pytest.approx([0, 0.002, 0.004, 0.006, 0.008, 0.01])
    assert [rates[step] for step in (10, 11, 16, 21, 24)] == pytest.approx([1e-2, 1e-3, 1e-4, 1e-5, 1e-5])


def test_something_is_learnt(checkpoint: Path) -> None:
    protocol = a_protocol(epochs=8, optimiser="adamw", batch_size=2, learning_rate=0.03)
    history = train(a_network(protocol, width=8), Noise(), protocol, checkpoint)
    assert set(history[0].parts) == {"loss", "loss_map", "loss_class"}
    assert history[-1].parts["loss"] < 0.5 * history[0].parts["loss"]
    assert all(epoch.images_per_second > 0 for epoch in history)


def test_bf16_trains_weights_of_32_bits(checkpoint: Path) -> None:
    protocol = a_protocol(epochs=1)
    network = a_network(protocol)
    train(network, Noise(), protocol, checkpoint, precision="bf16")
    assert {value.dtype for value in network.parameters()} == {torch.float32}


def test_a_damaged_checkpoint_is_said_and_the_one_before_it_gone_on_from(checkpoint: Path) -> None:
    protocol = a_protocol(epochs=3)
    undisturbed, again = a_network(protocol), a_network(protocol)
    train(undisturbed, Noise(), protocol, checkpoint)
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content)
    said: list[str] = []
    told: list[int] = []
    train(again, Noise(), protocol, checkpoint, on_epoch=lambda epoch: told.append(epoch.number), say=said.append)
    assert told == [2]
    assert len(said) == 1
    assert "Going on from the state before it." in said[0]
    assert_same(again.state_dict(), undisturbed.state_dict())


def test_the_checkpoint_of_another_network_is_refused(checkpoint: Path) -> None:
    protocol = a_protocol(epochs=1)
    train(a_network(protocol), Noise(), protocol, checkpoint)
    with pytest.raises(RunError, match="expected the state of this training"):
        train(a_network(protocol, width=8), Noise(), protocol, checkpoint)


def test_a_loss_that_is_no_number_ends_the_training(checkpoint: Path) -> None:
    protocol = a_protocol()
    with pytest.raises(RunError, match=r"found nan in epoch 1: the training diverged.*lower training\.learning_rate"):
        train(a_network(protocol), Noise(spoilt=True), protocol, checkpoint)
    assert not checkpoint.exists()


def test_an_absurd_rate_is_noticed(checkpoint: Path) -> None:
    protocol = a_protocol(learning_rate=1e30, schedule="constant", epochs=3)
    with pytest.raises(RunError, match="diverged"):
        train(a_network(protocol), Noise(), protocol, checkpoint)


def test_a_frozen_encoder_stays_as_it_was_with_its_statistics(checkpoint: Path) -> None:
    protocol = a_protocol(epochs=2)
    network = a_network(protocol, trainable="head", context=(3,))
    network.head.calibrate({3: (torch.randn(4, 256), torch.rand(4, 256))})
    before = copy.deepcopy(network.state_dict())
    train(network.head, Levels(network), protocol, checkpoint)
    after = network.state_dict()
    encoder = [name for name in before if name.startswith("encoder.")]
    assert any(name.endswith("running_mean") for name in encoder)
    assert_same({name: before[name] for name in encoder}, {name: after[name] for name in encoder})
    assert not torch.equal(before["head.decoder.out.weight"], after["head.decoder.out.weight"])
    assert not torch.equal(before["head.decoder.context.3.weight"], after["head.decoder.context.3.weight"])


def test_a_frozen_encoder_stays_as_it_was_when_the_whole_network_trains_around_it(checkpoint: Path) -> None:
    protocol = a_protocol(epochs=1)
    network = a_network(protocol, trainable="head")
    before = copy.deepcopy(network.encoder.state_dict())
    train(network, Noise(), protocol, checkpoint)
    assert_same(network.encoder.state_dict(), before)
    assert not network.encoder.training


def test_one_cycle_rises_and_falls_and_constant_does_not(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rates(schedule: str) -> list[float]:
        found: list[float] = []
        original = torch.optim.SGD.step

        def step(self: torch.optim.SGD, closure: None = None) -> None:
            found.append(self.param_groups[0]["lr"])
            original(self, closure)

        protocol = a_protocol(schedule=schedule, epochs=5, batch_size=6, learning_rate=0.01)
        with monkeypatch.context() as patch:
            patch.setattr(torch.optim.SGD, "step", step)
            network = a_network(protocol, trainable="head")
            train(network.head, Levels(network), protocol, checkpoint.with_name(f"{schedule}.pt"))
        return found

    assert rates("constant") == [0.01] * 5
    cycle = rates("one_cycle")
    assert len(cycle) == 5
    top = cycle.index(max(cycle))
    assert top == 1
    assert cycle[: top + 1] == sorted(cycle[: top + 1])
    assert cycle[top:] == sorted(cycle[top:], reverse=True)
    assert max(cycle) == pytest.approx(0.01)
    assert cycle[-1] < 0.002


def test_the_batch_size_may_follow_the_number_of_cases() -> None:
    content = {"batch_size": 128, "smaller_batches": {500: 16, 100: 8}}
    settings = Protocol.model_validate({"dataset": "hrf", "training": content}).training
    assert [settings.batch_for(cases) for cases in (1, 100, 101, 500, 501)] == [8, 8, 16, 16, 128]
