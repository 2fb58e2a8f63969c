"""Networks as protocols describe them."""

import pytest
import torch
from torch import Tensor, nn

from cvs_med import losses
from cvs_med.label_maps import label_map
from cvs_med.networks import Network, build_network
from cvs_med.networks.decoders import CoarseDecoder, SkipDecoder
from cvs_med.networks.heads import CvsHead, LinearHead, MultiTaskHead
from cvs_med.networks.lenet import LeNetHead
from cvs_med.networks.transposed import TransposedDecoder
from cvs_med.protocol import Protocol


def a_protocol(method: str = "cvs", size: int = 64, **network: object) -> Protocol:
    settings = {"backbone": "resnet18", "width": 8, **network}
    return Protocol.model_validate(
        {"dataset": "hrf", "method": method, "images": {"size": size}, "network": settings}
    )


def a_network(method: str = "cvs", seed: int = 0, **network: object) -> Network:
    torch.manual_seed(seed)
    return build_network(a_protocol(method, **network), 3)


@pytest.mark.parametrize("decoder", ["skip", "deeplab"])
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_cvs_answers_a_map_of_the_size_of_the_photograph(decoder: str, output_stride: int) -> None:
    network = a_network(decoder=decoder, output_stride=output_stride, levels=[0, 1, 2]).eval()
    answer = network(torch.rand(2, 3, 64, 64), torch.ones(2, 64, 64))
    assert answer.class_logits.shape == (2, 3)
    assert answer.map_logits.shape == (2, 4, 64, 64)


@pytest.mark.parametrize("method", ["classification", "probe"])
def test_other_methods_answer_no_map(method: str) -> None:
    network = a_network(method).eval()
    answer = network(torch.rand(2, 3, 64, 64), torch.ones(2, 64, 64))
    assert answer.class_logits.shape == (2, 3)
    assert answer.map_logits is None


def test_the_protocol_chooses_the_parts() -> None:
    head = a_network(decoder="skip", levels=[0, 3], context=[4]).head
    assert isinstance(head, CvsHead)
    assert isinstance(head.decoder, SkipDecoder)
    assert head.levels == (0, 3, 4)
    deep = a_network(decoder="deeplab").head
    assert isinstance(deep, CvsHead)
    assert isinstance(deep.decoder, CoarseDecoder)
    assert isinstance(a_network("classification").head, LinearHead)


def test_the_head_answers_for_features_as_the_network_does_for_photographs() -> None:
    network = a_network().eval()
    images, inside = torch.rand(1, 3, 64, 64), torch.ones(1, 64, 64)
    features = network.features(images)
    assert sorted(features) == [0, 1, 2, 3, 4]
    torch.testing.assert_close(network.head(features, inside).class_logits, network(images, inside).class_logits)


def test_photographs_are_normalised_as_imagenet_was() -> None:
    network = a_network().eval()
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = torch.rand(1, 3, 64, 64)
    expected = network.encoder((images - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1))
    for level, feature in network.features(images).items():
        torch.testing.assert_close(feature, expected[level])


def test_the_seed_decides_the_weights() -> None:
    first, second, other = a_network(seed=1), a_network(seed=1), a_network(seed=2)
    state = first.state_dict()
    assert all(torch.equal(state[name], value) for name, value in second.state_dict().items())
    assert not all(torch.equal(state[name], value) for name, value in other.state_dict().items())


def test_the_encoder_of_a_seed_does_not_depend_on_the_head() -> None:
    states = [a_network(method).encoder.state_dict() for method in ("cvs", "classification")]
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())


def test_the_state_holds_what_was_learnt_and_nothing_else() -> None:
    assert {name.split(".")[0] for name in a_network().state_dict()} == {"encoder", "head"}


def test_a_frozen_encoder_is_not_trained_and_keeps_its_statistics() -> None:
    network = a_network(trainable="head").train()
    before = {name: value.clone() for name, value in network.encoder.state_dict().items()}
    answer = network(torch.rand(2, 3, 64, 64), torch.ones(2, 64, 64))
    answer.class_logits.sum().backward()
    assert network.frozen
    assert network.head.training
    assert not any(module.training for module in network.encoder.modules())
    assert all(value.grad is None for value in network.encoder.parameters())
    assert all(torch.equal(before[name], value) for name, value in network.encoder.state_dict().items())


def test_a_trainable_encoder_is_trained() -> None:
    network = a_network(trainable="all").train()
    network(torch.rand(2, 3, 64, 64), torch.ones(2, 64, 64)).class_logits.square().sum().backward()
    assert not network.frozen
    assert network.encoder.training
    conv = network.encoder.get_submodule("conv1")
    assert conv.weight.grad is not None  # type: ignore[union-attr]  # a convolution
    assert not network.eval().encoder.training


# Every network of the paper, small: name, method, side, network settings.
PAPER: dict[str, tuple[str, int, dict[str, object]]] = {
    "CvS, Wide-ResNet": ("cvs", 28, {"backbone": "wideresnet-10-1", "decoder": "transposed", "dropout": 0.3}),
    "CvS, ResNet": ("cvs", 64, {"backbone": "resnet18", "decoder": "deeplab", "output_stride": 8}),
    "linear, Wide-ResNet": ("classification", 28, {"backbone": "wideresnet-10-1"}),
    "linear, ResNet": ("classification", 64, {"backbone": "resnet18"}),
    "multi-task, Wide-ResNet": ("multitask", 28, {"backbone": "wideresnet-10-1", "decoder": "transposed"}),
    "multi-task, ResNet": ("multitask", 64, {"backbone": "resnet18", "decoder": "transposed", "output_stride": 8}),
    "LeNet": ("classification", 28, {"backbone": "lenet5"}),
    "BiT": ("classification", 64, {"backbone": "bit50x1"}),
}
every_network = pytest.mark.parametrize("which", PAPER)


def of_the_paper(which: str, seed: int = 0) -> tuple[Protocol, Network]:
    method, size, network = PAPER[which]
    protocol = Protocol.model_validate(
        {
            "dataset": "hrf",
            "method": method,
            "images": {"size": size},
            "network": {"weights": "none", "trainable": "all", **network},
            "loss": {"class_weight": 1} if method == "multitask" else {},
            "probe": {"level": 1},
        }
    )
    torch.manual_seed(seed)
    return protocol, build_network(protocol, 3)


def one_step(protocol: Protocol, network: Network, rate: float = 0.1) -> float:
    """Train a step on four noisy images and give the loss before it."""
    size, generator = protocol.images.size, torch.Generator().manual_seed(0)
    images, labels = torch.rand(4, 3, size, size, generator=generator), torch.tensor([0, 1, 2, 1])
    inside = torch.ones(4, size, size)
    network.zero_grad()
    output = network.train()(images, inside)
    loss = losses.total(output, label_map(images[:, 0] > 0.5, labels), labels, inside, protocol.loss)["loss"]
    torch.autograd.backward(loss)
    with torch.no_grad():
        for weight in network.parameters():
            weight -= rate * weight.grad
    return loss.item()


@every_network
def test_every_network_of_the_paper_answers(which: str) -> None:
    protocol, network = of_the_paper(which)
    size = protocol.images.size
    with torch.no_grad():
        answer = network.eval()(torch.rand(2, 3, size, size), torch.ones(2, size, size))
    assert answer.class_logits.shape == (2, 3)
    assert answer.class_logits.isfinite().all()
    assert (answer.map_logits is None) == (protocol.method == "classification")
    if answer.map_logits is not None:
        assert answer.map_logits.shape == (2, 4, size, size)


@every_network
def test_every_network_learns_in_half_precision(which: str) -> None:
    protocol, network = of_the_paper(which)
    with torch.autocast("cpu", torch.bfloat16):
        loss = one_step(protocol, network)
    assert torch.tensor(loss).isfinite()
    assert all(weight.dtype == torch.float32 and weight.isfinite().all() for weight in network.parameters())


@every_network
def test_training_reaches_every_weight_of_every_network(which: str) -> None:
    protocol, network = of_the_paper(which)
    if which == "BiT":  # Its classifier begins at zero, and lets nothing through before its first step.
        one_step(protocol, network)
    one_step(protocol, network, rate=0)
    silent = [
        name
        for name, weight in network.named_parameters()
        if weight.grad is None or not weight.grad.isfinite().all() or not weight.grad.abs().max() > 0
    ]
    assert silent == []


@every_network
def test_a_small_step_lowers_the_loss_of_every_network(which: str) -> None:
    protocol, network = of_the_paper(which)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0
    assert one_step(protocol, network, rate=1e-3) > one_step(protocol, network)


@every_network
def test_the_seed_decides_every_network(which: str) -> None:
    def trained(seed: int) -> list[Tensor]:
        protocol, network = of_the_paper(which, seed)
        torch.manual_seed(5)
        one_step(protocol, network)
        return list(network.state_dict().values())

    first = trained(1)
    assert all(map(torch.equal, first, trained(1)))
    assert not all(map(torch.equal, first, trained(2)))


@pytest.mark.parametrize("side", [30, 33, 47])
def test_an_odd_photograph_still_gets_a_map_of_the_head_s_size(side: int) -> None:
    _, network = of_the_paper("CvS, Wide-ResNet")
    with torch.no_grad():
        answer = network.eval()(torch.rand(1, 3, side, side), torch.ones(1, 28, 28))
    assert answer.map_logits.shape == (1, 4, 28, 28)


def test_the_paper_s_heads_are_chosen() -> None:
    heads = {which: of_the_paper(which)[1].head for which in PAPER}
    for which in ("CvS, Wide-ResNet", "multi-task, Wide-ResNet", "multi-task, ResNet"):
        assert isinstance(heads[which].decoder, TransposedDecoder)
    assert isinstance(heads["LeNet"], LeNetHead)
    for which, normalises in (("linear, Wide-ResNet", True), ("linear, ResNet", True), ("BiT", False)):
        assert isinstance(heads[which], LinearHead)
        assert (heads[which].norm is not None) == normalises
    # Multi-task: batch norm and ReLU before pooling only where the last block has none after it.
    for which, normalises in (("multi-task, Wide-ResNet", True), ("multi-task, ResNet", False)):
        assert isinstance(heads[which], MultiTaskHead)
        assert (heads[which].classifier.norm is not None) == normalises


def test_bit_s_classifier_begins_at_zero_as_its_authors_have_it() -> None:
    _, network = of_the_paper("BiT")
    answer = network.eval()(torch.rand(1, 3, 64, 64), torch.ones(1, 64, 64))
    assert answer.class_logits.tolist() == [[0, 0, 0]]


def test_bit_sees_colours_from_minus_one_to_one() -> None:
    _, network = of_the_paper("BiT")
    images = torch.rand(1, 3, 64, 64)
    expected = network.eval().encoder(2 * images - 1)
    torch.testing.assert_close(network.features(images)[0], expected[0])


@pytest.mark.parametrize("decoder", ["skip", "deeplab", "transposed"])
@pytest.mark.parametrize("backbone", ["wideresnet-10-1", "resnet18", "bit50x1"])
@pytest.mark.parametrize("method", ["cvs", "multitask"])
def test_every_decoder_goes_with_every_backbone(method: str, backbone: str, decoder: str) -> None:
    network = {"backbone": backbone, "weights": "none", "trainable": "all", "decoder": decoder, "width": 4}
    content = {"dataset": "hrf", "method": method, "images": {"size": 32}, "network": network}
    built = build_network(Protocol.model_validate({**content, "loss": {"class_weight": 1}}), 3).eval()
    with torch.no_grad():
        assert built(torch.rand(1, 3, 32, 32), torch.ones(1, 32, 32)).map_logits.shape == (1, 4, 32, 32)
