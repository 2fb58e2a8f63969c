"""DenseNet encoders: MONAI's 2-D network under torchvision's key names, its pooling traded for dilation.

Huang, Liu, van der Maaten, Weinberger: "Densely Connected Convolutional Networks", arXiv 1608.06993.
"""

from collections import OrderedDict
from typing import Final

import torch
from monai.networks.nets.densenet import DenseNet
from torch import Tensor, nn

from cvs_med.networks.encoder import Encoder, widen
from cvs_med.networks.relu import by_sign

_GROWTH: Final = 32
_STEM: Final = 64
_LAYERS: Final = {"densenet121": (6, 12, 24, 16), "densenet169": (6, 12, 32, 32)}
DENSENETS: Final = tuple(_LAYERS)


class DenseNetEncoder(Encoder):
    """A DenseNet without its classifier.

    Its maps: the stem; the first three dense blocks, each after the normalisation and ReLU of the transition that
    follows it (what the next layer reads, before its 1x1 convolution); the last block after `norm5` and ReLU.
    """

    def __init__(self, name: str, *, output_stride: int = 32) -> None:
        """Build the network with random weights.

        Args:
            name: one of `DENSENETS`.
            output_stride: stride of the coarsest map: 8, 16 or 32.
        """
        super().__init__()
        net = DenseNet(
            spatial_dims=2,
            in_channels=3,
            out_channels=1,
            init_features=_STEM,
            growth_rate=_GROWTH,
            block_config=_LAYERS[name],
        )
        self.features = net.features
        self.relu5 = net.class_layers.get_submodule("relu")
        for number in (1, 2, 3, 4):
            _flatten(self.features.get_submodule(f"denseblock{number}"))
        self.channels = _channels(_LAYERS[name])
        self.strides = tuple(min(stride, output_stride) for stride in (2, 4, 8, 16, 32))
        for number, stride in ((3, 16), (4, 32)):
            if stride > output_stride:
                self._trade_pooling(number, stride // output_stride)
        by_sign(self)

    def _trade_pooling(self, number: int, dilation: int) -> None:
        """Let dense block `number` keep the grid of the block before it, its 3x3 taps `dilation` cells apart."""
        # A 2x2 mean at every cell would keep the trained values exactly, but moves the map by half a cell a pooling;
        # ridge probes on 500 images of CIFAR-10 at output stride 8 see no gain in it (85.2 % with, 87.0 % without).
        self.features.get_submodule(f"transition{number - 1}").add_module("pool", nn.Identity())
        for module in self.features.get_submodule(f"denseblock{number}").modules():
            if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
                widen(module, dilation)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the five feature maps; see `Encoder.forward`."""
        maps: list[Tensor] = []
        for name, module in self.features.named_children():
            if name.startswith("transition"):
                norm, relu, conv, pool = module.children()
                maps.append(relu(norm(x)))
                x = pool(conv(maps[-1]))
            else:
                x = module(x)
                maps.extend([x] if name == "relu0" else [])
        return *maps, self.relu5(x)


class DenseLayer(nn.Sequential):
    """MONAI's dense layer one level flatter (`norm1`, not `layers.norm1`): the key names become torchvision's."""

    def forward(self, x: Tensor) -> Tensor:
        """Append the layer's new channels to x."""
        added = x
        for layer in self:
            added = layer(added)
        return torch.cat([x, added], dim=1)


def _flatten(block: nn.Module) -> None:
    for name, layer in list(block.named_children()):
        block.add_module(name, DenseLayer(OrderedDict(layer.get_submodule("layers").named_children())))


def _channels(layers: tuple[int, ...]) -> tuple[int, ...]:
    """Channels of the stem and of every dense block; a transition halves them in between."""
    channels, entering = [_STEM], _STEM
    for count in layers:
        channels.append(entering + count * _GROWTH)
        entering = channels[-1] // 2
    return tuple(channels)
