"""What signs beside the map have in common: evidence that counts only outside of the map's foreground."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

SIGNS: Final = -1
"""Number of the planes of signs (B, K, H, W) among the levels of features, which count from zero."""

_WIDENED: Final = 0.004
"""Margin around the foreground in which no sign counts, as a share of the side: vessels have dark edges."""

_SCALE: Final = 2.0
"""Spread of a strength among the training images, in the units of the linear part's features, all of which together
have a spread of one: so one learning rate fits both."""


class Sign(nn.Module, ABC):
    """A class logit that is linear in the strength of a sign, a weighted sum over pixels: each has its exact share."""

    mean: Tensor
    scale: Tensor

    def __init__(self, classes: int) -> None:
        """Start at zero."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))

    @abstractmethod
    def calibrate(self, cases: Iterable[Sequence[Tensor]]) -> None:
        """Standardise by training photographs and their masks, each the three planes of `forward` with B = 1."""

    @abstractmethod
    def forward(self, sign: Tensor, foreground: Tensor, inside: Tensor) -> Tensor:
        """Give every pixel's share of the class logits, (B, P, H, W).

        Args:
            sign: (B, 1, H, W), what was seen of it in the photograph, over 255.
            foreground: (B, H, W), probability of foreground.
            inside: (B, H, W), one inside the field of view.
        """

    def standardise(self, strengths: Tensor, least: float) -> None:
        """Take mean and spread of training images' strengths; with a smaller spread than `least` they are alike."""
        self.mean.copy_(strengths.mean())
        self.scale.copy_(_SCALE / strengths.std(unbiased=False).clamp(min=least))


def covered(foreground: Tensor) -> Tensor:
    """Give one where the foreground (B, H, W) lies, widened, and zero elsewhere, (B, 1, H, W)."""
    return highest((foreground[:, None] >= 0.5).to(foreground.dtype), reach(_WIDENED, foreground))


def reach(share: float, plane: Tensor) -> int:
    """Give a share of a plane's side in pixels, at least one."""
    return max(1, round(share * plane.shape[-1]))


def highest(plane: Tensor, reach: int) -> Tensor:
    """Give the highest value of the square that reaches so many pixels to each side of every pixel.

    Rows, then columns, pixel by pixel: PyTorch's largest-value pooling, which keeps places too, takes seven times as
    long on a processor.
    """
    padded = pad(plane, (reach,) * 4, value=-torch.inf)
    for axis in (-1, -2):
        side = padded.shape[axis] - 2 * reach
        padded = reduce(torch.maximum, [padded.narrow(axis, shift, side) for shift in range(2 * reach + 1)])
    return padded
