"""The backbones by name, and what a protocol must know of each before anything is built."""

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Family: TypeAlias = Literal["resnet", "densenet", "wideresnet", "lenet", "bit"]

_FAMILIES: Final[dict[str, Family]] = {
    "resnet18": "resnet",
    "resnet34": "resnet",
    "resnet50": "resnet",
    "resnet101": "resnet",
    "densenet121": "densenet",
    "densenet169": "densenet",
    "lenet5": "lenet",
    "bit50x1": "bit",
    "bit101x1": "bit",
}
NAMES: Final = tuple(_FAMILIES)
_WIDE: Final = re.compile(r"wideresnet-([0-9]{1,3})-([0-9]{1,2})")
_DEEPEST: Final = 100
_WIDEST: Final = 20
_LENET_SIDES: Final = (28, 32)


@dataclass(frozen=True, slots=True)
class Backbone:
    """One backbone.

    Attributes:
        name: as protocols write it.
        family: which kind of network it is.
        depth: layers of a Wide-ResNet, 6n + 4; zero for others.
        widening: width factor of a Wide-ResNet; zero for others.
    """

    name: str
    family: Family
    depth: int = 0
    widening: int = 0

    @property
    def levels(self) -> int:
        """How many feature maps it gives, from fine to coarse."""
        return {"lenet": 2, "wideresnet": 4}.get(self.family, 5)

    @property
    def dilates(self) -> bool:
        """Whether its last layers can trade their stride for dilation: output strides of 8 and 16."""
        return self.family in ("resnet", "densenet")

    @property
    def published(self) -> bool:
        """Whether weights trained on ImageNet can be downloaded by their checksum."""
        return self.family in ("resnet", "densenet")

    @property
    def weights(self) -> str:
        """What it can start from, in words."""
        if self.family == "bit":
            file = f"BiT-M-R{self.name.removeprefix('bit')}.npz"
            return f"none, or the file {file} of its authors, who publish no checksum to download it by"
        return "imagenet, none, or a file" if self.published else "none or a file: no weights are published for it"

    def stride(self, output_stride: int) -> int:
        """Pixels of the photograph per cell of the coarsest map, along one side."""
        return output_stride if self.dilates else {"lenet": 4, "wideresnet": 4}.get(self.family, 32)

    def fits(self, size: int) -> bool:
        """Whether it takes squares of `size` pixels a side."""
        return size in _LENET_SIDES if self.family == "lenet" else size % self.stride(32) == 0

    @property
    def sizes(self) -> str:
        """What it takes, in words."""
        return " or ".join(map(str, _LENET_SIDES)) if self.family == "lenet" else f"a multiple of {self.stride(32)}"


def find(name: str) -> Backbone:
    """Look a backbone up by its name.

    Raises:
        ValueError: there is none; the message says what there is.
    """
    if name in _FAMILIES:
        return Backbone(name, _FAMILIES[name])
    match = _WIDE.fullmatch(name)
    depth, widening = (int(match[1]), int(match[2])) if match else (0, 0)
    if depth in range(10, _DEEPEST + 1, 6) and 1 <= widening <= _WIDEST:
        return Backbone(f"wideresnet-{depth}-{widening}", "wideresnet", depth, widening)
    raise ValueError(
        f"expected {', '.join(NAMES)}, or wideresnet-DEPTH-WIDTH such as wideresnet-28-10, "
        f"DEPTH being 6n + 4 up to {_DEEPEST} and WIDTH 1 to {_WIDEST}"
    )
