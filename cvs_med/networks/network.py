"""An encoder and a head, built from a protocol."""

import torch
from torch import Tensor, nn

from cvs_med.networks.bit import BitEncoder
from cvs_med.networks.decoders import CoarseDecoder, SkipDecoder
from cvs_med.networks.encoder import Encoder
from cvs_med.networks.encoders import build_encoder
from cvs_med.networks.fibres import FibreEvidence
from cvs_med.networks.fine import FINE, FineDecoder
from cvs_med.networks.head import Head
from cvs_med.networks.heads import CvsHead, Decoder, LinearHead, MultiTaskHead
from cvs_med.networks.lenet import LeNetEncoder, LeNetHead
from cvs_med.networks.signs import SIGNS
from cvs_med.networks.spots import SpotEvidence
from cvs_med.networks.transposed import TransposedDecoder
from cvs_med.protocol import Protocol
from cvs_med.types import Output


class Network(nn.Module):
    """Photographs in, `Output` out.

    Attributes:
        encoder: levels of features, fine to coarse; stays as loaded, in evaluation mode, if frozen.
        head: the method.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, encoder: Encoder, head: Head, *, frozen: bool) -> None:
        """Put both together."""
        super().__init__()
        self.encoder, self.head, self.frozen = encoder, head, frozen
        self.encoder.requires_grad_(not frozen)
        self.register_buffer("mean", torch.tensor(encoder.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(encoder.deviation).view(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> "Network":
        """Switch to training, except for a frozen encoder: its batch norms keep their statistics."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def features(self, images: Tensor) -> dict[int, Tensor]:
        """Encode images (B, 3, H, W), RGB in 0 to 1, to its levels by number.

        What lies behind the colours joins them: planes of signs, and the finer square, folded; see `squares.Square`.
        """
        levels = dict(enumerate(self.encoder((images[:, :3] - self.mean) / self.deviation)))
        plain = 3 + (len(self.head.signs) if isinstance(self.head, CvsHead) else 0)
        levels |= {SIGNS: images[:, 3:plain]} if plain > 3 else {}
        return levels | ({FINE: images[:, plain:]} if images.shape[1] > plain else {})

    def forward(self, images: Tensor, inside: Tensor) -> Output:
        """Answer for images (B, 3 or more, H, W), see `features`, of which `inside` (B, H, W) is the field of view."""
        output: Output = self.head(self.features(images), inside)
        return output


def build_network(protocol: Protocol, classes: int) -> Network:
    """Build the network of a protocol with random weights; every chance comes from torch's global generator."""
    settings = protocol.network
    encoder = build_encoder(settings.backbone, output_stride=settings.output_stride, dropout=settings.dropout)
    return Network(encoder, _head(protocol, encoder, classes), frozen=settings.trainable == "head")


def _head(protocol: Protocol, encoder: Encoder, classes: int) -> Head:
    if isinstance(encoder, LeNetEncoder):
        return LeNetHead(classes)
    size = protocol.images.size
    if protocol.method == "cvs":
        everywhere = protocol.within == "image"
        spots = SpotEvidence(classes) if protocol.images.finer else None
        fibres = FibreEvidence(classes) if protocol.images.fibres else None
        decoder = _decoder(protocol, encoder, classes + 1)
        return CvsHead(decoder, q=protocol.q, size=size, everywhere=everywhere, spots=spots, fibres=fibres)
    if protocol.method == "multitask":
        classifier = _classifier(encoder, classes, normalise=not encoder.activated)
        return MultiTaskHead(_decoder(protocol, encoder, classes + 1), classifier, size=size)
    return _classifier(encoder, classes, normalise=True)


def _classifier(encoder: Encoder, classes: int, *, normalise: bool) -> LinearHead:
    """Build the linear head; that of BiT begins at zero on what its own last norm gives, as its authors have it."""
    is_bit = isinstance(encoder, BitEncoder)
    level = len(encoder.channels) - 1
    head = LinearHead(encoder.channels[level], classes, level=level, normalise=normalise and not is_bit)
    if is_bit:
        nn.init.zeros_(head.linear.weight)
        nn.init.zeros_(head.linear.bias)
    return head


def _decoder(protocol: Protocol, encoder: Encoder, maps: int) -> Decoder:
    settings, channels, stride = protocol.network, encoder.channels, encoder.strides[-1]
    if settings.decoder == "deeplab":
        return CoarseDecoder(channels, maps, output_stride=stride)
    if settings.decoder == "transposed":
        return TransposedDecoder(channels, maps, stride=stride, activated=encoder.activated)
    if settings.decoder == "fine":
        times, widths = protocol.images.finer, protocol.fine.widths
        return FineDecoder(channels, maps - 1, times=times, widths=widths, context=settings.context)
    return SkipDecoder(channels, maps, width=settings.width, levels=settings.levels, context=settings.context)
