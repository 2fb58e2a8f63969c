"""Foreground found at a finer scale than the encoder sees: thin vessels are thinner than the encoder's pixels.

The finer square is folded: each block of k x k of its pixels is one pixel of k * k channels. So a small network works
at the usual side S, and still answers for every pixel of k S x k S; see Shi et al., arXiv 1609.05158, for the way back.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pixel_shuffle

from cvs_med.networks.context import Contextual
from cvs_med.networks.head import Head
from cvs_med.networks.relu import SignReLU
from cvs_med.types import Output

FINE: Final = -2
"""Number of the folded brightness (B, k * k, S, S), 0 to 1, among the levels of features."""

FOREGROUND: Final = -3
"""Number of the foreground's probability (B, 1, S, S), where it is known already, among the levels of features."""

_SPREAD: Final = 4.0
"""Factor by which brightness around its mean, which is one half, is enlarged for the network: to about one."""

_SURE: Final = 1e-4
"""Probability beyond which a pixel is not surer; a logit must be finite."""


class FineStage(Head):
    """A U-Net on the folded square (Ronneberger, Fischer, Brox, arXiv 1505.04597), with sums for concatenations."""

    def __init__(self, times: int, widths: Sequence[int]) -> None:
        """Build with random weights.

        Args:
            times: k, side of the finer square in multiples of S.
            widths: channels at S, at half of it, and so on.
        """
        super().__init__()
        self.times, self.levels = times, (FINE,)
        inputs = (times**2, *widths[:-1])
        self.down = nn.ModuleList(_twice(before, after) for before, after in zip(inputs, widths, strict=True))
        self.narrow = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths))
        self.up = nn.ModuleList(_twice(width, width) for width in widths[:-1])
        self.out = nn.Conv2d(widths[0], times**2, 1)

    def forward(self, features: Mapping[int, Tensor], inside: Tensor) -> Output:
        """Answer map logits (B, 2, k S, k S), background and foreground, and a class logit (B, 1) of nothing."""
        logits = self.logits(features[FINE])
        return Output(logits.new_zeros(len(logits), 1), torch.cat([torch.zeros_like(logits), logits], dim=1))

    def logits(self, fine: Tensor) -> Tensor:
        """Answer for folded brightness (B, k * k, S, S), 0 to 1: logits of foreground, (B, 1, k S, k S)."""
        x, skips = (fine - 0.5) * _SPREAD, list[Tensor]()
        for number, block in enumerate(self.down):
            x = block(max_pool2d(x, 2) if number else x)
            skips.append(x)
        for block, narrow, skip in reversed(list(zip(self.up, self.narrow, skips[:-1], strict=True))):
            x = block(skip + interpolate(narrow(x), size=skip.shape[-2:], mode="nearest"))
        return pixel_shuffle(self.out(x).float(), self.times)


class FineDecoder(Contextual):
    """Foreground from a `FineStage`, the class within it from the linear part.

    The stage is trained by itself, before the linear part, and stays as it is then. The map's foreground is exactly the
    stage's: the linear part shares it out among the classes.
    """

    def __init__(
        self, channels: Sequence[int], classes: int, *, times: int, widths: Sequence[int], context: Sequence[int]
    ) -> None:
        """Build with random weights; the linear part starts at zero.

        Args:
            channels: channels of every level of the encoder.
            classes: P.
            times: see `FineStage`.
            widths: see `FineStage`.
            context: levels of the linear part.
        """
        super().__init__(channels, classes, context)
        self.levels = tuple(context)
        self.stage = FineStage(times, widths).requires_grad_(False)

    def train(self, mode: bool = True) -> "FineDecoder":
        """Switch to training, except for the stage: its batch norms keep their statistics."""
        super().train(mode)
        self.stage.eval()
        return self

    def finest(self, fine: Tensor) -> Tensor:
        """Give the probability of foreground (B, k S, k S) of folded brightness (B, k * k, S, S)."""
        return self.stage.logits(fine).sigmoid()[:, 0]

    def coarse(self, finest: Tensor) -> Tensor:
        """Give the mean of each block of k x k pixels of (B, k S, k S), as `FOREGROUND`: (B, 1, S, S)."""
        return avg_pool2d(finest[:, None], self.stage.times)

    def forward(self, features: Mapping[int, Tensor]) -> Tensor:
        """Decode levels (B, C, h, w), with `FOREGROUND` among them, to map logits (B, P + 1, S, S)."""
        foreground = features[FOREGROUND].float().clamp(_SURE, 1 - _SURE).logit()
        size = foreground.shape[-2:]
        found = [interpolate(part.float(), size=size, mode="bilinear") for part in self.context.classes(features)]
        classes = torch.stack(found).sum(dim=0).log_softmax(dim=1)
        return torch.cat([torch.zeros_like(foreground), foreground + classes], dim=1)


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with batch norm and ReLU."""
    parts: list[nn.Module] = []
    for before in (inputs, outputs):
        convolution = nn.Conv2d(before, outputs, 3, padding=1, bias=False)
        parts += [convolution, nn.BatchNorm2d(outputs), SignReLU()]
    return nn.Sequential(*parts)
