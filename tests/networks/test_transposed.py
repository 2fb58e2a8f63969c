"""The paper's transposed convolutions: back to the size of the image, layer by layer as it says."""

import pytest
import torch
from torch import nn

from cvs_med.networks.transposed import TransposedDecoder


def kinds(decoder: TransposedDecoder) -> list[type[nn.Module]]:
    return [type(layer) for layer in decoder.layers]


def test_what_wants_normalising_gets_it_before_one_transposed_convolution() -> None:
    decoder = TransposedDecoder((16, 640), 11, stride=4, activated=False)
    assert kinds(decoder) == [nn.BatchNorm2d, nn.ReLU, nn.ConvTranspose2d]
    assert decoder.levels == (1,)


def test_a_resnet_gets_three_with_relu_and_batch_norm_after_the_first_two() -> None:
    decoder = TransposedDecoder((64, 256, 512, 1024, 2048), 4, stride=8, activated=True)
    step = [nn.ConvTranspose2d, nn.ReLU, nn.BatchNorm2d]
    assert kinds(decoder) == [*step, *step, nn.ConvTranspose2d]
    assert decoder.levels == (4,)


@pytest.mark.parametrize(
    ("stride", "activated", "cells"), [(4, False, 7), (4, False, 8), (8, True, 5), (16, True, 3), (32, True, 1)]
)
def test_the_map_has_the_size_of_the_image(stride: int, activated: bool, cells: int) -> None:
    decoder = TransposedDecoder((8, 12), 5, stride=stride, activated=activated).eval()
    found = decoder({1: torch.randn(2, 12, cells, cells)})
    assert found.shape == (2, 5, stride * cells, stride * cells)


@pytest.mark.parametrize(("stride", "activated"), [(4, False), (8, True), (32, True)])
def test_every_cell_counts_alike_away_from_the_border(stride: int, activated: bool) -> None:
    # Kernels of ones show how often each pixel is reached: unevenly would be seen as a chequerboard in every map.
    decoder = TransposedDecoder((8, 12), 1, stride=stride, activated=activated).eval()
    for layer in decoder.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
    found = decoder({1: torch.ones(1, 12, 9, 9)})[0, 0]
    middle = found[4 * stride : 5 * stride, 4 * stride : 5 * stride]
    torch.testing.assert_close(middle, middle[:1, :1].expand_as(middle))


def test_the_coarsest_level_alone_is_read() -> None:
    torch.manual_seed(0)
    decoder = TransposedDecoder((8, 12), 3, stride=4, activated=False).eval()
    coarse = torch.randn(1, 12, 4, 4)
    torch.testing.assert_close(decoder({1: coarse}), decoder({0: torch.randn(1, 8, 16, 16), 1: coarse}))
