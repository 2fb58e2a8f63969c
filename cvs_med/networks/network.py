"""An encoder and a head, built from a protocol."""

import torch
from torch import Tensor, nn

from cvs_med.networks.decoders import CoarseDecoder, SkipDecoder
from cvs_med.networks.encoder import Encoder
from cvs_med.networks.encoders import build_encoder
from cvs_med.networks.heads import CvsHead, LinearHead
from cvs_med.protocol import Protocol
from cvs_med.types import Output

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


class Network(nn.Module):
    """Photographs in, `Output` out.

    Attributes:
        encoder: five levels of features; stays as loaded, in evaluation mode, if frozen.
        head: the method.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, encoder: Encoder, head: CvsHead | LinearHead, *, frozen: bool) -> None:
        """Put both together."""
        super().__init__()
        self.encoder, self.head, self.frozen = encoder, head, frozen
        self.encoder.requires_grad_(not frozen)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> "Network":
        """Switch to training, except for a frozen encoder: its batch norms keep their statistics."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def features(self, images: Tensor) -> dict[int, Tensor]:
        """Encode images (B, 3, H, W), RGB in 0 to 1, to levels 0 to 4."""
        return dict(enumerate(self.encoder((images - self.mean) / self.deviation)))

    def forward(self, images: Tensor, inside: Tensor) -> Output:
        """Answer for images (B, 3, H, W), RGB in 0 to 1, of which `inside` (B, H, W) is the field of view."""
        output: Output = self.head(self.features(images), inside)
        return output


def build_network(protocol: Protocol, classes: int) -> Network:
    """Build the network of a protocol with random weights; every chance comes from torch's global generator."""
    settings = protocol.network
    encoder = build_encoder(settings.backbone, output_stride=settings.output_stride)
    return Network(encoder, _head(protocol, encoder, classes), frozen=settings.trainable == "head")


def _head(protocol: Protocol, encoder: Encoder, classes: int) -> CvsHead | LinearHead:
    settings = protocol.network
    if protocol.method != "cvs":
        return LinearHead(encoder.channels[-1], classes)
    decoder: SkipDecoder | CoarseDecoder
    if settings.decoder == "deeplab":
        decoder = CoarseDecoder(encoder.channels, classes + 1, output_stride=settings.output_stride)
    else:
        decoder = SkipDecoder(
            encoder.channels, classes + 1, width=settings.width, levels=settings.levels, context=settings.context
        )
    return CvsHead(decoder, q=protocol.q, size=protocol.images.size, everywhere=protocol.within == "image")
