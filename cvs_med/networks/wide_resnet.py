"""Wide-ResNet encoders for small images: three groups of wide residual blocks at the image's own resolution.

Zagoruyko, Komodakis: "Wide Residual Networks", arXiv 1605.07146.
"""

from torch import Tensor, nn

from cvs_med.networks.encoder import Encoder
from cvs_med.networks.relu import rectified

_STEM = 16


class WideResNetEncoder(Encoder):
    """A Wide-ResNet without its head; its maps are those of the first convolution and of the three groups.

    The batch norm and ReLU that follow the last group belong to the head.
    """

    activated = False

    def __init__(self, depth: int, widening: int, *, dropout: float = 0) -> None:
        """Build the network with random weights.

        Args:
            depth: convolutions and the head, 6n + 4 for n blocks a group.
            widening: how many times wider a group is than that of a ResNet of 16, 32 and 64 channels.
            dropout: share of the values between the two convolutions of a block that training drops.
        """
        super().__init__()
        blocks = (depth - 4) // 6
        self.channels = (_STEM, *(_STEM * widening << group for group in range(3)))
        self.strides = (1, 1, 2, 4)
        self.conv = _convolution(3, _STEM, 3, 1)
        self.groups = nn.ModuleList(
            _group(blocks, self.channels[number], self.channels[number + 1], stride, dropout)
            for number, stride in enumerate((1, 2, 2))
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the four feature maps; see `Encoder.forward`."""
        maps = [self.conv(x)]
        for group in self.groups:
            maps.append(group(maps[-1]))
        return tuple(maps)


class WideBlock(nn.Module):
    """Batch norm, ReLU, 3x3 convolution, twice, with dropout in between; the input is added to what comes out.

    Where stride or width change, the input is brought to the new shape by a 1x1 convolution after the first ReLU.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int, dropout: float) -> None:
        """Build with random weights; see `WideResNetEncoder`."""
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), _convolution(inputs, outputs, 3, stride)
        self.dropout = nn.Dropout(dropout)
        self.norm2, self.conv2 = nn.BatchNorm2d(outputs), _convolution(outputs, outputs, 3, 1)
        changes = stride > 1 or inputs != outputs
        self.shortcut = _convolution(inputs, outputs, 1, stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Compute (B, inputs, h, w) to (B, outputs, h / stride, w / stride), rounded up."""
        before = rectified(self.norm1(x))
        kept = x if self.shortcut is None else self.shortcut(before)
        added: Tensor = self.conv2(rectified(self.norm2(self.dropout(self.conv1(before)))))
        return kept + added


def _group(blocks: int, inputs: int, outputs: int, stride: int, dropout: float) -> nn.Sequential:
    first = WideBlock(inputs, outputs, stride=stride, dropout=dropout)
    rest = (WideBlock(outputs, outputs, stride=1, dropout=dropout) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution
