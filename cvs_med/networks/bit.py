"""Big Transfer (BiT): ResNet-v2 with group norm and weight standardisation, and its published weights' names.

Kolesnikov, Beyer, Zhai, Puigcerver, Yung, Gelly, Houlsby: "Big Transfer (BiT): General Visual Representation Learning",
arXiv 1912.11370. Group norm: Wu, He, arXiv 1803.08494. Weight standardisation: Qiao et al., arXiv 1903.10520.
"""

import re
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, pad

from cvs_med.networks.encoder import Encoder
from cvs_med.networks.relu import rectified

_BLOCKS: Final = {"bit50x1": (3, 4, 6, 3), "bit101x1": (3, 4, 23, 3)}
_WIDTHS: Final = (256, 512, 1024, 2048)
_STEM: Final = 64
_NORM_GROUPS: Final = 32
# One unit's convolution (or that of its shortcut) or norm, as the authors' files name it.
_UNIT: Final = re.compile(r"resnet/block(\d)/unit(\d\d)/([abc])/(proj/)?(standardized_conv2d|group_norm)\w*/(\w+)")


class BitEncoder(Encoder):
    """A BiT network without its classifier.

    Its maps: the first convolution; the sums that the first three blocks give; the last block after norm and ReLU.
    """

    mean = deviation = (0.5, 0.5, 0.5)

    def __init__(self, name: str) -> None:
        """Build the network with random weights; `name` is bit50x1 or bit101x1."""
        super().__init__()
        self.channels = (_STEM, *_WIDTHS)
        self.strides = (2, 4, 8, 16, 32)
        self.conv = StandardConv2d(3, _STEM, 7, stride=2)
        self.blocks = nn.ModuleList(
            _block(units, self.channels[number], outputs, stride=min(number + 1, 2))
            for number, (units, outputs) in enumerate(zip(_BLOCKS[name], _WIDTHS, strict=True))
        )
        self.norm = nn.GroupNorm(_NORM_GROUPS, _WIDTHS[-1])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the five feature maps; see `Encoder.forward`."""
        maps = [self.conv(x)]
        # Zeros at the border rather than the least number: the first convolution has no ReLU, so it matters.
        x = max_pool2d(pad(maps[0], (1, 1, 1, 1)), 3, stride=2)
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return *maps[:-1], rectified(self.norm(x))


class StandardConv2d(nn.Conv2d):
    """A convolution whose kernel has mean zero and deviation one for every channel that it gives."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> None:
        """Build with random weights, padding that keeps the size, and no bias."""
        super().__init__(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x (B, inputs, h, w)."""
        # Two means: four times as fast here as torch.var_mean, which takes longer than all convolutions of 32 pixels.
        centred = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        kernel = centred * (centred.square().mean(dim=(1, 2, 3), keepdim=True) + 1e-10).rsqrt()
        return conv2d(x, kernel, None, self.stride, self.padding)


class BitUnit(nn.Module):
    """Norm, ReLU, convolution, three times (1x1, 3x3, 1x1); the input is added to what comes out."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        """Build with random weights; the 3x3 convolution has the stride."""
        super().__init__()
        inner = outputs // 4
        self.norm1, self.conv1 = nn.GroupNorm(_NORM_GROUPS, inputs), StandardConv2d(inputs, inner, 1)
        self.norm2, self.conv2 = nn.GroupNorm(_NORM_GROUPS, inner), StandardConv2d(inner, inner, 3, stride=stride)
        self.norm3, self.conv3 = nn.GroupNorm(_NORM_GROUPS, inner), StandardConv2d(inner, outputs, 1)
        changes = stride > 1 or inputs != outputs
        self.shortcut = StandardConv2d(inputs, outputs, 1, stride=stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Compute (B, inputs, h, w) to (B, outputs, h / stride, w / stride), rounded up."""
        before = rectified(self.norm1(x))
        kept = x if self.shortcut is None else self.shortcut(before)
        inner = self.conv2(rectified(self.norm2(self.conv1(before))))
        added: Tensor = self.conv3(rectified(self.norm3(inner)))
        return kept + added


def own_name(name: str) -> str:
    """Turn an array's name in an authors' file (BiT-M-R50x1.npz) into the encoder's; other names stay as they are."""
    if name.startswith("resnet/root_block/"):
        return "conv.weight"
    if name.startswith("resnet/group_norm/"):
        return f"norm.{_kind(name.rsplit('/', 1)[1])}"
    match = _UNIT.fullmatch(name)
    if match is None:
        return name
    block, unit, place, shortcut, layer, kind = match.groups()
    number = "abc".index(place) + 1
    part = "shortcut" if shortcut else f"norm{number}" if layer == "group_norm" else f"conv{number}"
    return f"blocks.{int(block) - 1}.{int(unit) - 1}.{part}.{_kind(kind)}"


def own_layout(array: npt.NDArray[np.generic]) -> Tensor:
    """Turn an authors' kernel (height, width, inputs, outputs) into torch's; other arrays keep their shape."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array))


def _kind(name: str) -> str:
    return {"kernel": "weight", "gamma": "weight", "beta": "bias"}.get(name, name)


def _block(units: int, inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
    rest = (BitUnit(outputs, outputs, stride=1) for _ in range(units - 1))
    return nn.Sequential(BitUnit(inputs, outputs, stride=stride), *rest)
