"""The DeepLab-v3 head, layer by layer and key by key that of torchvision.

Chen, Papandreou, Schroff, Adam: "Rethinking Atrous Convolution for Semantic Image Segmentation", arXiv 1706.05587.
"""

from typing import Final

import torch
from torch import Tensor, nn

from cvs_med.networks.relu import SignReLU

_WIDTH: Final = 256


class DeepLabHead(nn.Sequential):
    """From the coarsest feature map to logits of the same resolution: pyramid, 3x3 convolution, 1x1 classifier."""

    def __init__(self, in_channels: int, out_channels: int, *, output_stride: int) -> None:
        """Build the head with random weights.

        Args:
            in_channels: channels of the coarsest feature map.
            out_channels: maps to predict.
            output_stride: stride of that feature map; it sets the rates of the pyramid: 12, 24, 36 at stride 8,
                6, 12, 18 at stride 16 (3, 6, 9 at stride 32), the same distances in pixels of the photograph.
        """
        rates = tuple(step * 96 // output_stride for step in (1, 2, 3))
        super().__init__(
            Pyramid(in_channels, rates),
            nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False),
            nn.BatchNorm2d(_WIDTH),
            SignReLU(),
            nn.Conv2d(_WIDTH, out_channels, 1),
        )


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling: the same features seen at several distances, side by side, then mixed."""

    def __init__(self, in_channels: int, rates: tuple[int, ...]) -> None:
        """Build a 1x1 branch, a dilated 3x3 branch a rate, and a branch that sees the whole image."""
        super().__init__()
        dilated = (_branch(in_channels, kernel=3, rate=rate) for rate in rates)
        self.convs = nn.ModuleList([_branch(in_channels, kernel=1, rate=1), *dilated, WholeImage(in_channels)])
        self.project = nn.Sequential(
            nn.Conv2d(len(self.convs) * _WIDTH, _WIDTH, 1, bias=False),
            nn.BatchNorm2d(_WIDTH),
            SignReLU(),
            nn.Dropout(0.5),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix the branches: (B, C, h, w) to (B, 256, h, w)."""
        mixed: Tensor = self.project(torch.cat([branch(x) for branch in self.convs], dim=1))
        return mixed


class WholeImage(nn.Sequential):
    """The branch that sees the whole image: its mean, laid out over every cell."""

    def __init__(self, in_channels: int) -> None:
        """Build pooling, 1x1 convolution, normalisation and ReLU."""
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(in_channels, _WIDTH, 1, bias=False),
            SingleValueBatchNorm(_WIDTH),
            SignReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, 256, h, w), constant over each image."""
        pooled = x
        for layer in self:
            pooled = layer(pooled)
        return pooled.expand(-1, -1, *x.shape[2:])


class SingleValueBatchNorm(nn.BatchNorm2d):
    """Batch normalisation that also trains on a batch of one pooled image."""

    # One value has no variance, and PyTorch refuses to train on it. Then the running statistics, as they stand, are the
    # best that is known; training and evaluation agree on them. Normalising after the layout over the cells would not
    # fail, but would subtract each image from itself and wear the running variance down to nothing. Larger batches, the
    # keys and the numbers stay torchvision's, which another normalisation (of groups, of layers) would not keep.
    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (B, C, 1, 1)."""
        if self.training and len(x) > 1:
            return super().forward(x)
        return nn.functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def _branch(in_channels: int, *, kernel: int, rate: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, _WIDTH, kernel, padding=rate * (kernel // 2), dilation=rate, bias=False),
        nn.BatchNorm2d(_WIDTH),
        SignReLU(),
    )
