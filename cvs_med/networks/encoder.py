"""What every encoder gives: five feature maps, from fine to coarse."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Encoder(nn.Module, ABC):
    """A photograph in, five feature maps out.

    Attributes:
        channels: channels of each of the five maps, fine to coarse.
        strides: pixels of the photograph per cell of each map, along one side. Exact where the sides of the photograph
            are multiples of the largest stride; other sizes are rounded, up or down as the network does.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps.

        Args:
            x: (B, 3, H, W), RGB in [0, 1] normalised with ImageNet's mean and deviation where weights are pretrained.

        Returns:
            Five tensors (B, channels[i], H / strides[i], W / strides[i]), each after its ReLU.
        """


def widen(convolution: nn.Conv2d, dilation: int) -> None:
    """Let a convolution answer at every cell, its taps `dilation` cells apart; padding keeps the size."""
    reach = tuple(dilation * (side // 2) for side in convolution.kernel_size)
    convolution.stride = (1, 1)
    convolution.dilation = (dilation, dilation)
    convolution.padding = reach
