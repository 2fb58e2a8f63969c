"""What every head is: it turns an encoder's levels into an `Output`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from cvs_med.networks.context import Pooled
from cvs_med.types import Output


class Head(nn.Module, ABC):
    """What follows the encoder.

    Attributes:
        levels: the encoder's levels that it reads.
    """

    levels: tuple[int, ...]

    @abstractmethod
    def forward(self, features: Mapping[int, Tensor], inside: Tensor) -> Output:
        """Answer for levels (B, C, h, w); `inside` (B, H, W) is the field of view."""

    def calibrate(self, pooled: Mapping[int, Pooled]) -> None:
        """Fit what is standardised by photographs, if anything is; see `LinearLevel.calibrate`."""

    def linear_parameters(self) -> list[nn.Parameter]:
        """List the weights of a decoder's linear part, if there is one."""
        return []
