"""The encoders by name."""

from typing import Final

from cvs_med.errors import ProtocolError
from cvs_med.networks.densenet import DENSENETS, DenseNetEncoder
from cvs_med.networks.encoder import Encoder
from cvs_med.networks.resnet import RESNETS, ResNetEncoder

ENCODERS: Final[tuple[str, ...]] = (*RESNETS, *DENSENETS)
OUTPUT_STRIDES: Final = (8, 16, 32)


def build_encoder(name: str, *, output_stride: int = 32) -> Encoder:
    """Build an encoder with random weights.

    Args:
        name: one of `ENCODERS`.
        output_stride: stride of the coarsest feature map: 8, 16 or 32.

    Raises:
        ProtocolError: there is no such encoder or output stride.
    """
    if name not in ENCODERS:
        raise ProtocolError(f"Expected a backbone among {', '.join(ENCODERS)}, found {name!r}. Choose one of them.")
    if output_stride not in OUTPUT_STRIDES:
        raise ProtocolError(f"Expected an output stride of 8, 16 or 32, found {output_stride}. Choose one of them.")
    make = ResNetEncoder if name in RESNETS else DenseNetEncoder
    return make(name, output_stride=output_stride)
