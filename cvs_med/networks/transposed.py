"""The paper's decoder of transposed convolutions: the coarsest map, enlarged to the size of the image."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from torch import Tensor, nn

_WIDTHS: Final = (256, 64)
"""Channels between three transposed convolutions."""


class TransposedDecoder(nn.Module):
    """Transposed convolutions on the coarsest level.

    Where that level still wants its normalisation (Wide-ResNet): batch norm, ReLU, one transposed convolution. Else
    (ResNet): three, with ReLU and batch norm after the first two.
    """

    def __init__(self, channels: Sequence[int], out_channels: int, *, stride: int, activated: bool) -> None:
        """Build with random weights.

        Args:
            channels: channels of every level of the encoder.
            out_channels: maps to predict.
            stride: of the coarsest level: 4, 8, 16 or 32; the answer has the resolution of the image.
            activated: see `Encoder`.
        """
        super().__init__()
        self.levels = (len(channels) - 1,)
        if not activated:
            before = (nn.BatchNorm2d(channels[-1]), nn.ReLU())
            self.layers = nn.Sequential(*before, _enlarging(channels[-1], out_channels, stride))
            return
        widths, strides = (channels[-1], *_WIDTHS, out_channels), _thirds(stride)
        layers = [_enlarging(*pair, factor) for pair, factor in zip(pairwise(widths), strides, strict=True)]
        between = [(nn.ReLU(), nn.BatchNorm2d(width)) for width in _WIDTHS]
        self.layers = nn.Sequential(layers[0], *between[0], layers[1], *between[1], layers[2])

    def forward(self, features: Mapping[int, Tensor]) -> Tensor:
        """Decode the coarsest level (B, C, h, w) to map logits (B, out_channels, stride * h, stride * w)."""
        logits: Tensor = self.layers(features[self.levels[0]])
        return logits


def _enlarging(inputs: int, outputs: int, factor: int) -> nn.ConvTranspose2d:
    """Enlarge by a factor; kernels twice as large overlap evenly: the map has no seams and no chequerboard."""
    return nn.ConvTranspose2d(inputs, outputs, 2 * factor, stride=factor, padding=factor // 2)


def _thirds(stride: int) -> tuple[int, int, int]:
    """Share a stride of 8, 16 or 32 out among three layers, the larger factors first."""
    return {8: (2, 2, 2), 16: (4, 2, 2), 32: (4, 4, 2)}[stride]
