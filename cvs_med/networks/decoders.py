"""A decoder with skip connections that can follow a vessel one or two pixels wide."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

from cvs_med.networks.deeplab import DeepLabHead


class SkipDecoder(nn.Module):
    """From coarse to fine: each level is narrowed, added to the enlarged coarser one, and mixed by a 3x3 convolution.

    With a `context` the work is divided, since few images teach a decoder where vessels are but let it learn classes by
    heart: the decoder tells foreground from background, one logit for all classes, and a linear part on standardised
    coarse levels adds to it the class, pixel by pixel, as directly as a linear classifier on a frozen encoder would.
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
        sources = sum(channels[level] for level in context)
        self.context = nn.ModuleDict(
            {str(level): LinearLevel(channels[level], out_channels - 1, sources) for level in context}
        )

    def calibrate(self, pooled: Mapping[int, Tensor]) -> None:
        """Fit the standardisation of the linear part.

        Args:
            pooled: for each level its mean features over the field of view, (n, C): the training photographs only.
        """
        for level, part in self._linear():
            part.calibrate(pooled[level])

    def forward(self, features: Mapping[int, Tensor]) -> Tensor:
        """Decode levels (B, C, h, w) to map logits (B, out_channels, H, W) at the resolution of the finest."""
        x: Tensor | None = None
        for level, narrow, mix in reversed(list(zip(self.fine, self.narrow, self.mix, strict=True))):
            skip = narrow(features[level])
            x = mix(skip if x is None else skip + _enlarge(x, skip))
        logits: Tensor = self.out(x)
        if not self.context:
            return logits
        classes = torch.stack([_enlarge(part(features[level]), logits) for level, part in self._linear()]).sum(dim=0)
        return torch.cat([logits[:, :1], logits[:, 1:] + classes], dim=1)

    def _linear(self) -> list[tuple[int, "LinearLevel"]]:
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
    """A 1x1 projection of standardised features, the standardisation folded into the kernel."""

    mean: Tensor
    scale: Tensor

    def __init__(self, channels: int, out_channels: int, sources: int) -> None:
        """Start at zero; `sources` channels in all share the linear part."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_channels, channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.sources = sources
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def calibrate(self, pooled: Tensor) -> None:
        """Take mean and deviation over photographs (n, C) rather than pixels: classes differ by photograph.

        Dividing by the root of the number of channels keeps the sum of squares near one, so that one learning rate
        fits any encoder.
        """
        self.mean.copy_(pooled.mean(dim=0))
        self.scale.copy_(1 / ((pooled.std(dim=0) + 1e-5) * self.sources**0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Project (B, C, h, w) to (B, out_channels, h, w)."""
        kernel = self.weight * self.scale
        return conv2d(x, kernel[:, :, None, None], self.bias - kernel @ self.mean)


def _unit(inputs: int, outputs: int, *, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _enlarge(x: Tensor, target: Tensor) -> Tensor:
    if x.shape[-2:] == target.shape[-2:]:
        return x
    return interpolate(x, size=target.shape[-2:], mode="bilinear")
