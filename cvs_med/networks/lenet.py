"""LeNet-5, the classic network for handwritten digits: two convolutions, then three full layers.

LeCun, Bottou, Bengio, Haffner: "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE, 1998. As in most
later descriptions, every channel of the second convolution reads all six of the first, pooling is a plain mean, and the
last layer is linear.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from cvs_med.networks.encoder import Encoder
from cvs_med.networks.head import Head
from cvs_med.types import Output

_SIDE = 32


class LeNetEncoder(Encoder):
    """The two convolutions, each with its pooling; it reads shades of grey.

    Squares of 28 pixels get a border of two, as MNIST had in the paper.
    """

    def __init__(self) -> None:
        """Build with random weights."""
        super().__init__()
        self.channels, self.strides = (6, 16), (2, 4)
        self.first = nn.Sequential(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2))
        self.second = nn.Sequential(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the two feature maps, of 14 and 5 cells a side: the convolutions are not padded."""
        border = (_SIDE - x.shape[-1]) // 2
        # The edge is repeated: zero is a shade of grey here, and digits stand on black.
        grey = nn.functional.pad(x.mean(dim=1, keepdim=True), (border, border, border, border), mode="replicate")
        first = self.first(grey)
        return first, self.second(first)


class LeNetHead(Head):
    """The three full layers."""

    levels = (1,)

    def __init__(self, classes: int) -> None:
        """Build with random weights."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, classes)
        )

    def forward(self, features: Mapping[int, Tensor], inside: Tensor) -> Output:
        """Answer class logits (B, P) and no map."""
        return Output(self.layers(features[1]), None)
