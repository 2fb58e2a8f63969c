"""Fused networks answer what they answered before."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cvs_med.networks.densenet import DenseNetEncoder
from cvs_med.networks.fine import FineStage
from cvs_med.networks.fused import fuse
from cvs_med.networks.resnet import ResNetEncoder


def trained(build: Callable[[], nn.Module]) -> nn.Module:
    """A network whose norms are none that change nothing."""
    torch.manual_seed(3)
    network = build()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values in (norm.weight, norm.running_var):
                values.data.uniform_(0.5, 2)
            for values in (norm.bias, norm.running_mean):
                values.data.normal_()
    return network.eval()


def answers(network: nn.Module) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    with torch.inference_mode():
        if isinstance(network, FineStage):
            return [network.logits(torch.rand(1, 9, 32, 32, generator=generator))]
        return list(network(torch.rand(1, 3, 64, 64, generator=generator)))


@pytest.mark.parametrize(
    "build",
    [lambda: DenseNetEncoder("densenet121"), lambda: ResNetEncoder("resnet18"), lambda: FineStage(3, [8, 8, 8])],
    ids=["densenet", "resnet", "fine"],
)
def test_answers_stay(build: Callable[[], nn.Module]) -> None:
    network = trained(build)
    before = answers(network)
    fuse(network)
    for was, now in zip(before, answers(network), strict=True):
        torch.testing.assert_close(now, was, rtol=1e-3, atol=1e-4 * float(was.abs().max()))


def test_no_norm_is_left_where_each_follows_a_convolution() -> None:
    stage = FineStage(3, [8, 8])
    fuse(stage.eval())
    kinds = {type(module) for module in stage.modules()}
    assert nn.BatchNorm2d not in kinds


def test_norms_before_convolutions_stay() -> None:
    encoder = trained(lambda: DenseNetEncoder("densenet121"))
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())
    fuse(encoder)
    left = sum(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())
    layers = 6 + 12 + 24 + 16
    assert left == norms - layers - 1  # The one within each dense layer, and that of the stem.
