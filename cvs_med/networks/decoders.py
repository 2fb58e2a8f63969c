"""A decoder with skip connections that can follow a vessel one or two pixels wide."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cvs_med.networks.context import Contextual
from cvs_med.networks.deeplab import DeepLabHead
from cvs_med.networks.relu import SignReLU


class SkipDecoder(Contextual):
    """From coarse to fine: each level is narrowed, added to the enlarged coarser one, and mixed by a 3x3 convolution.

    With a `context` the work is divided, since few images teach a decoder where vessels are but let it learn classes by
    heart: the decoder tells foreground from background, one logit for all classes, and a linear part on standardised
    coarse levels adds to it the class, pixel by pixel, as directly as a linear classifier on a frozen encoder would: it
    reads each channel and its square, so that the mean over pixels knows a channel's mean and how much it varies.
    """

    def __init__(
        self, channels: Sequence[int], out_channels: int, *, width: int, levels: Sequence[int], context: Sequence[int]
    ) -> None:
        """Build with random weights; the linear part starts at zero.

        Args:
            channels: channels of every level of the encoder.
            out_channels: maps to predict.
            width: channels of the decoder.
            levels: levels to read, from fine to coarse; the answer has the resolution of the first.
            context: levels of the linear part; none lets the decoder give all maps.
        """
        super().__init__(channels, out_channels - 1, context)
        self.fine = tuple(levels)
        self.levels = tuple(sorted({*levels, *context}))
        self.narrow = nn.ModuleList(_unit(channels[level], width, kernel=1) for level in levels)
        self.mix = nn.ModuleList(_unit(width, width, kernel=3) for _ in levels)
        self.out = nn.Conv2d(width, 2 if context else out_channels, 1)

    def forward(self, features: Mapping[int, Tensor]) -> Tensor:
        """Decode levels (B, C, h, w) to map logits (B, out_channels, H, W) at the resolution of the finest."""
        narrowed = [narrow(features[level]) for level, narrow in zip(self.fine, self.narrow, strict=True)]
        return self.mixed(narrowed, self.context.classes(features))

    def mixed(self, narrowed: Sequence[Tensor], classes: Sequence[Tensor]) -> Tensor:
        """Go on from narrowed levels (B, width, h, w), from fine to coarse, and what the linear part gave for each."""
        x: Tensor | None = None
        for skip, mix in reversed(list(zip(narrowed, self.mix, strict=True))):
            x = mix(skip if x is None else skip + _enlarge(x, skip))
        logits: Tensor = self.out(x)
        if not classes:
            return logits
        added = torch.stack([_enlarge(found, logits) for found in classes]).sum(dim=0)
        return torch.cat([logits[:, :1], logits[:, 1:] + added], dim=1)


class CoarseDecoder(nn.Module):
    """The DeepLab head on the coarsest level, as in the paper."""

    def __init__(self, channels: Sequence[int], out_channels: int, *, output_stride: int) -> None:
        """Build with random weights; see `DeepLabHead`."""
        super().__init__()
        self.levels = (len(channels) - 1,)
        self.classifier = DeepLabHead(channels[-1], out_channels, output_stride=output_stride)

    def forward(self, features: Mapping[int, Tensor]) -> Tensor:
        """Decode the coarsest level (B, C, h, w) to map logits (B, out_channels, h, w)."""
        logits: Tensor = self.classifier(features[self.levels[0]])
        return logits


def _unit(inputs: int, outputs: int, *, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), SignReLU())


def _enlarge(x: Tensor, target: Tensor) -> Tensor:
    if x.shape[-2:] == target.shape[-2:]:
        return x
    return interpolate(x, size=target.shape[-2:], mode="bilinear")
