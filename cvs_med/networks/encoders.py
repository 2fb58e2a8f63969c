"""The encoders by name."""

from typing import Final

from cvs_med import backbones
from cvs_med.errors import ProtocolError
from cvs_med.networks.bit import BitEncoder
from cvs_med.networks.densenet import DenseNetEncoder
from cvs_med.networks.encoder import Encoder
from cvs_med.networks.lenet import LeNetEncoder
from cvs_med.networks.resnet import ResNetEncoder
from cvs_med.networks.wide_resnet import WideResNetEncoder

OUTPUT_STRIDES: Final = (8, 16, 32)


def build_encoder(name: str, *, output_stride: int = 32, dropout: float = 0) -> Encoder:
    """Build an encoder with random weights.

    Args:
        name: see `backbones.find`.
        output_stride: stride of the coarsest feature map of a ResNet or DenseNet: 8, 16 or 32; others have their own.
        dropout: of a Wide-ResNet's blocks.

    Raises:
        ProtocolError: there is no such encoder or output stride.
    """
    try:
        backbone = backbones.find(name)
    except ValueError as error:
        raise ProtocolError(f"Backbone: {error}, found {name!r}. Choose one of them.") from error
    if output_stride not in OUTPUT_STRIDES:
        raise ProtocolError(f"Expected an output stride of 8, 16 or 32, found {output_stride}. Choose one of them.")
    match backbone.family:
        case "resnet":
            return ResNetEncoder(name, output_stride=output_stride)
        case "densenet":
            return DenseNetEncoder(name, output_stride=output_stride)
        case "wideresnet":
            return WideResNetEncoder(backbone.depth, backbone.widening, dropout=dropout)
        case "lenet":
            return LeNetEncoder()
        case "bit":
            return BitEncoder(name)
