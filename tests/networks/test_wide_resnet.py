"""Wide-ResNet, against published counts and the paper's block written out once more."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d

from cvs_med.networks.heads import LinearHead
from cvs_med.networks.wide_resnet import WideBlock, WideResNetEncoder


# Published by other implementations for whole networks with their linear head.
@pytest.mark.parametrize(
    ("depth", "widening", "classes", "parameters"),
    [(16, 10, 10, 17_116_634), (28, 10, 10, 36_479_194), (28, 10, 100, 36_536_884), (40, 8, 10, 35_748_314)],
)
def test_it_has_as_many_parameters_as_published(depth: int, widening: int, classes: int, parameters: int) -> None:
    with torch.device("meta"):
        encoder = WideResNetEncoder(depth, widening)
        head = LinearHead(encoder.channels[-1], classes, level=3)
    assert sum(weight.numel() for part in (encoder, head) for weight in part.parameters()) == parameters


@pytest.mark.parametrize("depth", [10, 16, 28])
def test_it_is_as_deep_as_its_name(depth: int) -> None:
    # The 1x1 convolutions of shortcuts are not counted, the head's linear layer is.
    encoder = WideResNetEncoder(depth, 1)
    deep = [module for module in encoder.modules() if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)]
    assert len(deep) == depth - 3


@pytest.mark.parametrize("side", [16, 28, 32, 33, 45])
def test_every_size_goes_through(side: int) -> None:
    encoder = WideResNetEncoder(10, 2).eval()
    with torch.no_grad():
        maps = encoder(torch.randn(2, 3, side, side))
    halves = (side, side, -(-side // 2), -(-side // 4))
    assert [tuple(found.shape) for found in maps] == [
        (2, channels, cells, cells) for channels, cells in zip((16, 32, 64, 128), halves, strict=True)
    ]
    assert encoder.channels == (16, 32, 64, 128)
    assert encoder.strides == (1, 1, 2, 4)


def norm(x: Tensor, layer: nn.BatchNorm2d) -> Tensor:
    return batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias).clamp_min(0)


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(8, 8, 1), (8, 12, 1), (8, 8, 2), (8, 12, 2)])
def test_a_block_is_the_paper_s(inputs: int, outputs: int, stride: int) -> None:
    torch.manual_seed(0)
    block = WideBlock(inputs, outputs, stride=stride, dropout=0.3).eval()
    for layer in (block.norm1, block.norm2):
        nn.init.normal_(layer.running_mean)
        nn.init.uniform_(layer.running_var, 0.5, 2)
        nn.init.normal_(layer.weight)
    x = torch.randn(2, inputs, 9, 9)
    before = norm(x, block.norm1)
    inner = norm(conv2d(before, block.conv1.weight, stride=stride, padding=1), block.norm2)
    added = conv2d(inner, block.conv2.weight, padding=1)
    kept = x if block.shortcut is None else conv2d(before, block.shortcut.weight, stride=stride)
    assert (block.shortcut is None) == (stride == 1 and inputs == outputs)
    torch.testing.assert_close(block(x), kept + added)


def test_dropout_stands_between_the_convolutions_of_a_block() -> None:
    torch.manual_seed(0)
    plain, dropping = WideBlock(4, 4, stride=1, dropout=0), WideBlock(4, 4, stride=1, dropout=0.5)
    dropping.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(plain.eval()(x), dropping.eval()(x))
    assert not torch.equal(plain.train()(x), dropping.train()(x))
    nn.init.zeros_(dropping.conv1.weight)
    nn.init.zeros_(plain.conv1.weight)
    torch.testing.assert_close(plain(x), dropping(x))  # Nothing is left to drop, and x itself is kept.


def test_dropout_is_in_every_block() -> None:
    encoder = WideResNetEncoder(16, 1, dropout=0.3)
    assert [module.p for module in encoder.modules() if isinstance(module, nn.Dropout)] == [0.3] * 6


def test_a_cell_sees_what_its_convolutions_reach() -> None:
    # Depth 10: one pixel, then two 3x3 convolutions a group at strides 1, 2 (its first at 1), 4 (its first at 2).
    encoder = WideResNetEncoder(10, 1).eval().double()
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64, requires_grad=True)
    encoder(x)[-1][0, :, 8, 8].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(dim=0).nonzero()
    reach = 1 + (1 + 1) + (1 + 2) + (2 + 4)
    assert seen.min().item() >= 32 - reach
    assert seen.max().item() <= 32 + reach
    assert (seen.max() - seen.min()).item() > reach


def test_every_weight_is_trained_by_the_coarsest_map() -> None:
    encoder = WideResNetEncoder(10, 1, dropout=0.1)
    encoder(torch.randn(4, 3, 28, 28))[-1].square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in encoder.parameters())
