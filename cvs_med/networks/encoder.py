"""What every encoder gives: feature maps, from fine to coarse."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

Colour = tuple[float, float, float]


class Encoder(nn.Module, ABC):
    """A photograph in, some feature maps out: five of a ResNet, DenseNet or BiT, fewer of networks for small images.

    Attributes:
        channels: channels of each map, fine to coarse.
        strides: pixels of the photograph per cell of each map, along one side. Exact where the sides of the photograph
            are multiples of the largest stride; other sizes are rounded, up or down as the network does.
        mean: red, green and blue that stand for zero; ImageNet's unless pretraining used others.
        deviation: what stands for one.
        activated: whether the coarsest map comes after normalisation and ReLU; if not, that is the head's first step.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    mean: ClassVar[Colour] = (0.485, 0.456, 0.406)
    deviation: ClassVar[Colour] = (0.229, 0.224, 0.225)
    activated: ClassVar[bool] = True

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps.

        Args:
            x: (B, 3, H, W), RGB in [0, 1] normalised by `mean` and `deviation`.

        Returns:
            Tensors (B, channels[i], H / strides[i], W / strides[i]). Those of a network that normalises after its
            convolutions come after their ReLU. A network that normalises before them (Wide-ResNet, BiT) adds up what
            its blocks give, and these sums are its maps.
        """


def widen(convolution: nn.Conv2d, dilation: int) -> None:
    """Let a convolution answer at every cell, its taps `dilation` cells apart; padding keeps the size."""
    reach = tuple(dilation * (side // 2) for side in convolution.kernel_size)
    convolution.stride = (1, 1)
    convolution.dilation = (dilation, dilation)
    convolution.padding = reach
