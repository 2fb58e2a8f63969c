"""The heads: a method is a head and a loss. Each turns an encoder's levels into an `Output`."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from cvs_med.label_maps import Q, class_logits
from cvs_med.networks.decoders import CoarseDecoder, Pooled, SkipDecoder
from cvs_med.types import Output


class CvsHead(nn.Module):
    """Classification via segmentation: map logits from a decoder, class logits from the map by q."""

    def __init__(self, decoder: SkipDecoder | CoarseDecoder, *, q: Q, size: int, everywhere: bool) -> None:
        """Keep the decoder, q, the map's side in pixels, and whether q counts pixels outside the field of view."""
        super().__init__()
        self.decoder, self.q, self.size, self.everywhere = decoder, q, size, everywhere
        self.levels = decoder.levels

    def forward(self, features: Mapping[int, Tensor], inside: Tensor) -> Output:
        """Answer class logits (B, P) and map logits (B, P + 1, H, W); `inside` (B, H, W) is the field of view."""
        map_logits = interpolate(self.decoder(features).float(), size=(self.size, self.size), mode="bilinear")
        return Output(class_logits(map_logits, self.q, self.counted(inside)), map_logits)

    def calibrate(self, pooled: Mapping[int, Pooled]) -> None:
        """Fit the standardisation of the decoder's linear part, if it has one; see `SkipDecoder.calibrate`."""
        if isinstance(self.decoder, SkipDecoder):
            self.decoder.calibrate(pooled)

    def linear_parameters(self) -> list[nn.Parameter]:
        """List the weights of the decoder's linear part."""
        return list(self.decoder.context.parameters()) if isinstance(self.decoder, SkipDecoder) else []

    def counted(self, inside: Tensor) -> Tensor | None:
        """Give the pixels that count for the class: None for all of them."""
        return None if self.everywhere else inside


class LinearHead(nn.Module):
    """The paper's classification baseline: batch norm, ReLU, average pooling, linear."""

    levels = (4,)

    def __init__(self, channels: int, classes: int) -> None:
        """Build with random weights."""
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.linear = nn.Linear(channels, classes)

    def forward(self, features: Mapping[int, Tensor], inside: Tensor) -> Output:
        """Answer class logits (B, P) and no map."""
        return Output(self.linear(relu(self.norm(features[4])).mean(dim=(2, 3))), None)

    def calibrate(self, pooled: Mapping[int, Pooled]) -> None:
        """Do nothing: this head normalises by the batch."""

    def linear_parameters(self) -> list[nn.Parameter]:
        """List no weights: this head trains as a whole."""
        return []
