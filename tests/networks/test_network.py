"""Networks as protocols describe them."""

import pytest
import torch

from cvs_med.networks import Network, build_network
from cvs_med.networks.decoders import CoarseDecoder, SkipDecoder
from cvs_med.networks.heads import CvsHead, LinearHead
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
