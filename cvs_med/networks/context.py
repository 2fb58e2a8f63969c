"""The linear part of a decoder: the class, pixel by pixel, as directly as a linear classifier would have it."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

Pooled: TypeAlias = tuple[Tensor, Tensor]
"""Of one level, for n photographs: mean and standard deviation over the field of view, (n, C) each."""


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


class Context(nn.ModuleDict):
    """A `LinearLevel` for each of some levels, by the level's number."""

    def __init__(self, channels: Sequence[int], classes: int, levels: Sequence[int]) -> None:
        """Start at zero.

        Args:
            channels: channels of every level of the encoder.
            classes: P.
            levels: those that are read.
        """
        sources = 2 * sum(channels[level] for level in levels)
        super().__init__({str(level): LinearLevel(channels[level], classes, sources) for level in levels})

    def parts(self) -> list[tuple[int, LinearLevel]]:
        """List the levels by number."""
        return [(int(level), part) for level, part in self.items() if isinstance(part, LinearLevel)]

    def classes(self, features: Mapping[int, Tensor]) -> list[Tensor]:
        """Project every level (B, C, h, w) to (B, P, h, w)."""
        return [part(features[level]) for level, part in self.parts()]


class Contextual(nn.Module):
    """A decoder with a linear part.

    Attributes:
        context: the linear part; of no levels, it is nothing.
        levels: the encoder's levels that are read.
    """

    levels: tuple[int, ...]

    def __init__(self, channels: Sequence[int], classes: int, context: Sequence[int]) -> None:
        """Build the linear part; see `Context`."""
        super().__init__()
        self.context = Context(channels, classes, context)

    def calibrate(self, pooled: Mapping[int, Pooled]) -> None:
        """Fit the standardisation of the linear part.

        Args:
            pooled: for each level the mean features over the field of view and their deviations, (n, C) each: of the
                training photographs only.
        """
        for level, part in self.context.parts():
            part.calibrate(*pooled[level])
