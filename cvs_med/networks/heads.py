"""The heads: a method is a head and a loss. Each turns an encoder's levels into an `Output`."""

from collections.abc import Mapping
from typing import TypeAlias

from torch import Tensor, nn
from torch.nn.functional import interpolate

from cvs_med.label_maps import Q, class_logits
from cvs_med.networks.context import Contextual, Pooled
from cvs_med.networks.decoders import CoarseDecoder, SkipDecoder
from cvs_med.networks.fibres import FibreEvidence
from cvs_med.networks.fine import FINE, FOREGROUND, FineDecoder
from cvs_med.networks.head import Head
from cvs_med.networks.relu import rectified
from cvs_med.networks.signs import SIGNS, Sign
from cvs_med.networks.spots import SpotEvidence
from cvs_med.networks.transposed import TransposedDecoder
from cvs_med.types import Output

Decoder: TypeAlias = SkipDecoder | CoarseDecoder | TransposedDecoder | FineDecoder


class MapHead(Head):
    """A head with a decoder, which answers with a map."""

    def __init__(self, decoder: Decoder, *, size: int) -> None:
        """Keep the decoder and the map's side in pixels."""
        super().__init__()
        self.decoder, self.size = decoder, size
        self.levels = decoder.levels

    def map_logits(self, features: Mapping[int, Tensor]) -> Tensor:
        """Decode levels to map logits (B, P + 1, H, W), 32-bit floats."""
        return self.enlarged(self.decoder(features))

    def enlarged(self, decoded: Tensor) -> Tensor:
        """Enlarge what the decoder gave to the map's side."""
        # Whole planes: with its few maps side by side, all that follows would go through a pixel's maps one by one.
        whole = decoded.float().contiguous()
        if whole.shape[-1] == self.size:
            return whole
        return interpolate(whole, size=(self.size, self.size), mode="bilinear")

    def calibrate(self, pooled: Mapping[int, Pooled]) -> None:
        """Fit the standardisation of the decoder's linear part, if it has one; see `Contextual.calibrate`."""
        if isinstance(self.decoder, Contextual):
            self.decoder.calibrate(pooled)

    def linear_parameters(self) -> list[nn.Parameter]:
        """List the weights of the decoder's linear part."""
        return list(self.decoder.context.parameters()) if isinstance(self.decoder, Contextual) else []


class CvsHead(MapHead):
    """Classification via segmentation: map logits from a decoder, class logits from the map by q.

    To them are added the class logits of signs that lie outside of the map's foreground: with `spots` those of small
    dark spots, with `fibres` those of the nerve fibres around the optic disc.
    """

    def __init__(
        self,
        decoder: Decoder,
        *,
        q: Q,
        size: int,
        everywhere: bool,
        spots: SpotEvidence | None = None,
        fibres: FibreEvidence | None = None,
    ) -> None:
        """Keep the decoder, q, the map's side in pixels, and whether q counts pixels outside the field of view."""
        super().__init__(decoder, size=size)
        self.q, self.everywhere, self.spots, self.fibres = q, everywhere, spots, fibres

    @property
    def signs(self) -> list[Sign]:
        """What is looked at beside the map, in the order of the planes of `SIGNS`."""
        return [part for part in (self.spots, self.fibres) if part is not None]

    def forward(self, features: Mapping[int, Tensor], inside: Tensor) -> Output:
        """Answer class logits (B, P) and map logits (B, P + 1, H, W); `inside` (B, H, W) is the field of view."""
        if not isinstance(self.decoder, FineDecoder) or FOREGROUND in features:
            return self.answer(self.map_logits(features), features, inside)
        finest = self.decoder.finest(features[FINE])
        known = {**features, FOREGROUND: self.decoder.coarse(finest)}
        return self.answer(self.map_logits(known), known, inside)._replace(finest=finest)

    def answer(self, map_logits: Tensor, features: Mapping[int, Tensor], inside: Tensor) -> Output:
        """Derive the class from the map, and from the signs that are looked at."""
        derived = class_logits(map_logits, self.q, self.counted(inside))
        if not self.signs:
            return Output(derived, map_logits)
        foreground = 1 - map_logits.float().softmax(dim=1)[:, 0]
        planes = features[SIGNS].float().unbind(1)
        found = [part(plane[:, None], foreground, inside) for part, plane in zip(self.signs, planes, strict=True)]
        shares = sum(found[1:], found[0])
        return Output(derived + shares.sum(dim=(2, 3)), map_logits, shares)

    def linear_parameters(self) -> list[nn.Parameter]:
        """List the weights of the decoder's linear part and of the signs."""
        return super().linear_parameters() + [weight for part in self.signs for weight in part.parameters()]

    def counted(self, inside: Tensor) -> Tensor | None:
        """Give the pixels that count for the class: None for all of them."""
        return None if self.everywhere else inside


class LinearHead(Head):
    """The paper's classification baseline: batch norm, ReLU, average pooling, linear."""

    def __init__(self, channels: int, classes: int, *, level: int, normalise: bool = True) -> None:
        """Build with random weights; without `normalise` it pools the level as it is."""
        super().__init__()
        self.levels = (level,)
        self.norm = nn.BatchNorm2d(channels) if normalise else None
        self.linear = nn.Linear(channels, classes)

    def forward(self, features: Mapping[int, Tensor], inside: Tensor) -> Output:
        """Answer class logits (B, P) and no map."""
        x = features[self.levels[0]]
        if self.norm is not None:
            x = rectified(self.norm(x))
        return Output(self.linear(x.mean(dim=(2, 3))), None)


class MultiTaskHead(MapHead):
    """The paper's multi-task baseline: a map from one head, the class from another, on one encoder.

    The class does not follow from the map, so no pixel has a share of it.
    """

    def __init__(self, decoder: Decoder, classifier: LinearHead, *, size: int) -> None:
        """Keep both heads and the map's side in pixels."""
        super().__init__(decoder, size=size)
        self.classifier = classifier
        self.levels = tuple(sorted({*decoder.levels, *classifier.levels}))

    def forward(self, features: Mapping[int, Tensor], inside: Tensor) -> Output:
        """Answer class logits (B, P) and, apart from them, map logits (B, P + 1, H, W)."""
        return Output(self.classifier(features, inside).class_logits, self.map_logits(features))
