"""The optimiser: PyTorch's own steps, without copies of what lies in memory in another order than its axes have."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import Optimizer
from torch.profiler import ProfilerActivity, profile

from cvs_med.networks import Network, build_network
from cvs_med.optimisers import build_optimiser
from cvs_med.protocol import Protocol

every_optimiser = pytest.mark.parametrize("name", ["adamw", "sgd"])


def a_protocol(**training: object) -> Protocol:
    """Make a protocol of a small network; options are of the section `training`."""
    network = {"backbone": "resnet18", "decoder": "skip", "width": 4, "levels": [0, 1, 2]}
    settings = {"dataset": "phantom", "images": {"size": 32}, "network": network, "training": training}
    return Protocol.model_validate(settings)


def a_network(memory: torch.memory_format = torch.channels_last, **network: object) -> Network:
    """Build a network of its own random weights, kept in an order of memory."""
    torch.manual_seed(0)
    protocol = a_protocol()
    settings = protocol.network.model_copy(update={"trainable": "all", **network})
    built = build_network(protocol.model_copy(update={"network": settings}), 2)
    return built.to(memory_format=memory)  # type: ignore[call-overload,no-any-return] # torch's types lack it


def steps(network: nn.Module, optimiser: Optimizer, count: int = 3, *, seed: int = 1) -> None:
    """Take steps down random slopes, each in the order of memory of its weight, as PyTorch gives them."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        for weight in network.parameters():
            slope = torch.randn(weight.shape, generator=generator)
            weight.grad = torch.empty_like(weight).copy_(slope)
        optimiser.step()
        optimiser.zero_grad()


def test_the_linear_part_has_a_rate_and_a_decay_of_its_own() -> None:
    protocol = a_protocol(context_rate=3, context_decay=0.2, weight_decay=0.1, learning_rate=0.5)
    network = a_network(trainable="head", context=(3, 4))
    rest, linear = build_optimiser(network.head, protocol.training).param_groups
    assert (rest["rate"], rest["weight_decay"], len(linear["params"])) == (1, 0.1, 6)
    assert (linear["rate"], linear["weight_decay"]) == (3, 0.2)
    every = {id(value) for value in network.head.parameters()}
    assert {id(value) for group in (rest, linear) for value in group["params"]} == every
    assert len(rest["params"]) + len(linear["params"]) == len(every)


@every_optimiser
@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
def test_fused_steps_are_pytorch_s_own_and_leave_every_weight_as_it_lay(name: str, memory: torch.memory_format) -> None:
    # Fused, it goes through memory as it lies: a gradient in another order than its weight would be taken for another.
    settings = a_protocol(optimiser=name, momentum=0.9, learning_rate=0.01).training
    fused, plain = a_network(memory), a_network(memory)
    before = {key: (value.shape, value.stride()) for key, value in fused.state_dict().items()}
    steps(fused, build_optimiser(fused, settings))
    steps(plain, build_optimiser(plain, settings, fused=None))
    for (key, value), other in zip(fused.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(value, other, atol=1e-5, rtol=1e-4, msg=key)
    assert {key: (value.shape, value.stride()) for key, value in fused.state_dict().items()} == before


@every_optimiser
def test_no_gradient_is_copied(name: str) -> None:
    network = a_network()
    optimiser = build_optimiser(network, a_protocol(optimiser=name).training)
    steps(network, optimiser)
    for weight in network.parameters():
        weight.grad = torch.ones_like(weight)
    with profile(activities=[ProfilerActivity.CPU]) as found:
        optimiser.step()
    names = {event.key for event in found.key_averages()}
    assert any("_fused_" in each for each in names)
    assert "aten::clone" not in names


@every_optimiser
@pytest.mark.parametrize("fused", [True, None])
def test_a_state_that_was_kept_goes_on_as_if_it_had_not_been(name: str, fused: bool | None) -> None:
    settings = a_protocol(optimiser=name, momentum=0.9).training
    undisturbed, resumed = a_network(), a_network()
    first = build_optimiser(undisturbed, settings, fused=fused)
    steps(undisturbed, first, seed=1)
    kept = copy.deepcopy(first.state_dict())
    resumed.load_state_dict(undisturbed.state_dict())
    second = build_optimiser(resumed, settings)
    second.load_state_dict(kept)
    for network, optimiser in ((undisturbed, first), (resumed, second)):
        steps(network, optimiser, seed=2)
    for (key, value), other in zip(undisturbed.named_parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(value, other, atol=0 if fused else 1e-5, rtol=0 if fused else 1e-4, msg=key)
