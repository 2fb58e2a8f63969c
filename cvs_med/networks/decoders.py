"""A decoder with skip connections that can follow a vessel one or two pixels wide."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

from cvs_med.networks.deeplab import DeepLabHead

Pooled: TypeAlias = tuple[Tensor, Tensor]
"""Of one level, for n photographs: mean and standard deviation over the field of view, (n, C) each."""


class SkipDecoder(nn.Module):
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
        super().__init__()
        self.fine = tuple(levels)
        self.levels = tuple(sorted({*levels, *context}))
        self.narrow = nn.ModuleList(_unit(channels[level], width, kernel=1) for level in levels)
        self.mix = nn.ModuleList(_unit(width, width, kernel=3) for _ in levels)
        self.out = nn.Conv2d(width, 2 if context else out_channels, 1)
        sources = 2 * sum(channels[level] for level in context)
        self.context = nn.ModuleDict(
            {str(level): LinearLevel(channels[level], out_channels - 1, sources) for level in context}
        )

    def calibrate(self, pooled: Mapping[int, Pooled]) -> None:
        """Fit the standardisation of the linear part.

        Args:
            pooled: for each level the mean features over the field of view and their deviations, (n, C) each: of the
                training photographs only.
        """
        for level, part in self.linear():
            part.calibrate(*pooled[level])

    def forward(self, features: Mapping[int, Tensor]) -> Tensor:
        """Decode levels (B, C, h, w) to map logits (B, out_channels, H, W) at the resolution of the finest."""
        narrowed = [narrow(features[level]) for level, narrow in zip(self.fine, self.narrow, strict=True)]
        return self.mixed(narrowed, [part(features[level]) for level, part in self.linear()])

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

    def linear(self) -> list[tuple[int, "LinearLevel"]]:
        """List the linear part's levels, with their numbers."""
        return [(int(level), part) for level, part in self.context.items() if isinstance(part, LinearLevel)]


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


class LinearLevel(nn.Module):
    """A 1x1 projection of standardised features and of their standardised squares."""

    mean: Tensor
    scale: Tensor
    square_mean: Tensor
    square_scale: Tensor

    def __init__(self, channels: int, out_channels: int, sources: int) -> None:
        """Start at zero; `sources` channels and squares in all share the linear part."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_channels, channels))
        self.square_weight = nn.Parameter(torch.zeros(out_channels, channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.sources = sources
        for name in ("mean", "square_mean"):
            self.register_buffer(name, torch.zeros(channels))
        for name in ("scale", "square_scale"):
            self.register_buffer(name, torch.ones(channels))

    def calibrate(self, means: Tensor, deviations: Tensor) -> None:
        """Take mean and deviation over photographs (n, C) rather than pixels: classes differ by photograph.

        Args:
            means: mean of each photograph.
            deviations: standard deviation within each photograph; with the mean it gives the mean square around
                the mean of all photographs.
        """
        squares = deviations.square() + (means - means.mean(dim=0)).square()
        for name, values in (("", means), ("square_", squares)):
            getattr(self, f"{name}mean").copy_(values.mean(dim=0))
            # Dividing by the root of the number of channels keeps the sum of squares near one, so that one learning
            # rate fits any encoder.
            getattr(self, f"{name}scale").copy_(1 / ((values.std(dim=0) + 1e-5) * self.sources**0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Project (B, C, h, w) to (B, out_channels, h, w)."""
        centred = x - self.mean[:, None, None]  # The mean has 32 bits, so the difference has.
        squares = centred.square().sub_(self.square_mean[:, None, None])
        kernels = self.weight * self.scale, self.square_weight * self.square_scale
        of_values, of_squares = (kernel[:, :, None, None] for kernel in kernels)
        return conv2d(centred, of_values, self.bias) + conv2d(squares, of_squares)


def _unit(inputs: int, outputs: int, *, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _enlarge(x: Tensor, target: Tensor) -> Tensor:
    if x.shape[-2:] == target.shape[-2:]:
        return x
    return interpolate(x, size=target.shape[-2:], mode="bilinear")
