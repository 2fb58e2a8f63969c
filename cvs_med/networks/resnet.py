"""ResNet encoders: MONAI's 2-D network under torchvision's key names, its stride traded for dilation.

He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition", arXiv 1512.03385. Dilation: Chen, Papandreou,
Schroff, Adam: "Rethinking Atrous Convolution for Semantic Image Segmentation", arXiv 1706.05587.
"""

from typing import Final

from monai.networks.nets.resnet import ResNet
from torch import Tensor, nn

from cvs_med.networks.encoder import Encoder, widen
from cvs_med.networks.relu import by_sign

_WIDTHS: Final = (64, 128, 256, 512)
_BLOCKS: Final = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet101": ("bottleneck", (3, 4, 23, 3)),
}
RESNETS: Final = tuple(_BLOCKS)


class ResNetEncoder(Encoder):
    """A ResNet without its classifier; its maps are those of the stem and of the four layers."""

    def __init__(self, name: str, *, output_stride: int = 32) -> None:
        """Build the network with random weights.

        Args:
            name: one of `RESNETS`.
            output_stride: stride of the coarsest map: 8, 16 or 32.
        """
        super().__init__()
        block, layers = _BLOCKS[name]
        net = _monai_resnet(block, layers)
        # Taken out of MONAI's network rather than wrapped, so that the keys of the state are torchvision's.
        self.conv1, self.bn1, self.act, self.maxpool = net.conv1, net.bn1, net.act, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        expansion = 4 if block == "bottleneck" else 1
        self.channels = (_WIDTHS[0], *(width * expansion for width in _WIDTHS))
        self.strides = tuple(min(stride, output_stride) for stride in (2, 4, 8, 16, 32))
        if output_stride <= 16:
            _dilate(self.layer4, before=16 // output_stride)
        if output_stride == 8:
            _dilate(self.layer3, before=1)
        by_sign(self)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the five feature maps; see `Encoder.forward`."""
        stem = self.act(self.bn1(self.conv1(x)))
        first = self.layer1(self.maxpool(stem))
        second = self.layer2(first)
        third = self.layer3(second)
        return stem, first, second, third, self.layer4(third)


def _monai_resnet(block: str, layers: tuple[int, ...]) -> ResNet:
    return ResNet(
        block=block,
        layers=list(layers),
        block_inplanes=list(_WIDTHS),
        spatial_dims=2,
        n_input_channels=3,
        conv1_t_size=7,
        conv1_t_stride=2,
        shortcut_type="B",
        bias_downsample=False,
        feed_forward=False,
    )


def _dilate(layer: nn.Sequential, *, before: int) -> None:
    """Trade the stride of a layer for dilation, so that its values at every second cell stay what they were.

    Args:
        layer: one of the four layers.
        before: dilation of what comes before the layer. Its first 3x3 convolution, the one that had the stride, still
            reads that finer grid; those after it are twice as far apart.
    """
    convolutions = [module for module in layer.modules() if isinstance(module, nn.Conv2d)]
    spatial = [convolution for convolution in convolutions if convolution.kernel_size == (3, 3)]
    for convolution in convolutions:
        widen(convolution, 1)
    for convolution in spatial:
        widen(convolution, before if convolution is spatial[0] else 2 * before)
