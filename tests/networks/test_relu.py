"""ReLU by the sign bit, against torch's own."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cvs_med.networks.encoder import Encoder
from cvs_med.networks.encoders import build_encoder
from cvs_med.networks.relu import SignReLU, by_sign, rectified

EVERY = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.bfloat16)
"""Every bfloat16."""


def numbers() -> Tensor:
    return EVERY[~EVERY.isnan()].clone()


def test_every_number_becomes_what_torch_makes_of_it() -> None:
    torch.testing.assert_close(rectified(numbers()), numbers().relu(), rtol=0, atol=0)


def test_it_works_in_place() -> None:
    given = numbers()
    assert rectified(given) is given


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_other_numbers_are_left_to_torch(kind: torch.dtype) -> None:
    values = torch.tensor([-1.5, -0.0, 0.0, 2.5], dtype=kind)
    torch.testing.assert_close(rectified(values.clone()), values.relu(), rtol=0, atol=0)


def gradient(rectify: Callable[[Tensor], Tensor], values: Tensor, weights: Tensor) -> Tensor:
    leaf = values.clone().requires_grad_()
    (rectify(leaf * 1) * weights).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_gradients_are_torch_s(memory: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(2)
    values, weights = (torch.randn(2, 6, 5, 7, generator=generator).bfloat16() for _ in range(2))
    values[0, 0, 0, :2] = torch.tensor([0.0, -0.0])
    values = values.contiguous(memory_format=memory)
    torch.testing.assert_close(
        gradient(rectified, values, weights), gradient(torch.relu, values, weights), rtol=0, atol=0
    )


def test_no_gradient_passes_where_none_is_asked_for() -> None:
    leaf = torch.ones(3, dtype=torch.bfloat16, requires_grad=True)
    with torch.no_grad():
        assert not rectified(leaf * 1).requires_grad


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_a_network_learns_as_with_torch_s(name: str) -> None:
    found = [learnt(build_encoder(name)), learnt(with_torch_s(build_encoder(name)))]
    assert any(isinstance(module, SignReLU) for module in build_encoder(name).modules())
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def with_torch_s(encoder: Encoder) -> Encoder:
    for parent in list(encoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SignReLU):
                setattr(parent, name, nn.ReLU(inplace=True))
    return encoder


def learnt(encoder: Encoder) -> list[Tensor]:
    """Give the gradients of all weights after one pass in bfloat16."""
    generator = torch.Generator().manual_seed(7)
    for values in encoder.parameters():
        values.data.copy_(0.1 * torch.randn(values.shape, generator=generator))
    encoder.train()
    with torch.autocast("cpu", torch.bfloat16):
        maps = encoder(torch.rand(2, 3, 64, 64, generator=generator))
    torch.stack([each.float().square().mean() for each in maps]).sum().backward()
    return [values.grad for values in encoder.parameters() if values.grad is not None]


def test_what_does_not_work_in_place_stays() -> None:
    layers = nn.Sequential(nn.ReLU(), nn.ReLU(inplace=True))
    by_sign(layers)
    assert [type(layer) for layer in layers] == [nn.ReLU, SignReLU]
