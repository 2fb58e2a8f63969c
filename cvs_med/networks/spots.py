"""Small dark spots beside the foreground, as evidence for the classes: the map says where a spot is none."""

from collections.abc import Iterable, Sequence
from typing import Final

import torch
from torch import Tensor

from cvs_med.networks.signs import Sign, covered, highest, reach

_COUNTED: Final = 10
"""Number of spots whose mean is the strength of an image's spots."""

_APART: Final = 0.008
"""A spot is the strongest pixel of a square that reaches as far on each side, as a share of the image's side."""

_LEAST_SPREAD: Final = 0.1 / 255
"""Spread of strengths below which images count as alike: a tenth of one step of the 8 bits of a plane of spots."""


class SpotEvidence(Sign):
    """A class logit that is linear in the mean of an image's strongest spots outside of the widened foreground.

    As for q, that is a weighted mean over pixels, so that each pixel's share of it is exact. Each spot counts once,
    however large it is, and for no more than the strongest mean of a training image: a speck of dust is one of ten.
    """

    limit: Tensor

    def __init__(self, classes: int) -> None:
        """Start at zero."""
        super().__init__(classes)
        self.register_buffer("limit", torch.ones(()))

    def calibrate(self, cases: Iterable[Sequence[Tensor]]) -> None:
        """Standardise by training photographs and their masks, each the three planes of `forward` with B = 1."""
        ranked = [_ten(free(*case)) for case in cases]
        self.limit.copy_(torch.stack([each.mean() for each in ranked]).max())
        strengths = torch.stack([each.clamp(max=float(self.limit)).mean() for each in ranked])
        self.standardise(strengths, _LEAST_SPREAD)

    def forward(self, spots: Tensor, foreground: Tensor, inside: Tensor) -> Tensor:
        """Give every pixel's share of the class logits, (B, P, H, W).

        Args:
            spots: (B, 1, H, W), how much each pixel looks like a spot.
            foreground: (B, H, W), probability of foreground.
            inside: (B, H, W), one inside the field of view.
        """
        with torch.no_grad():  # Where to look is learnt from the masks alone, as for q.
            found = free(spots, foreground, inside)
            standardised = (found.minimum(self.limit) - self.mean) * self.scale * strongest(found, inside)
        return standardised * self.weight[:, None, None]


def _ten(found: Tensor) -> Tensor:
    """Give the strength of each spot that counts, (1, n)."""
    return found.flatten(1).topk(_COUNTED, dim=1).values


def free(spots: Tensor, foreground: Tensor, inside: Tensor) -> Tensor:
    """Keep one pixel a spot of (B, 1, H, W), outside of the widened foreground: where its probability is half."""
    uncovered = spots * (1 - covered(foreground).to(spots.dtype)) * (inside[:, None] >= 0.5)
    return uncovered * (uncovered == highest(uncovered, reach(_APART, spots)))


def strongest(found: Tensor, inside: Tensor) -> Tensor:
    """Weigh the strongest of the spots that are free alike, and all else not at all.

    Spots of the same strength as the weakest one that counts share its weight, so that no order of pixels matters.

    Args:
        found: (B, 1, H, W), see `free`.
        inside: (B, H, W), at least ten pixels in each; nothing outside has a weight, not even where there is no spot.

    Returns:
        (B, 1, H, W), weights that add up to one in each image.
    """
    ranked = torch.where(inside[:, None] >= 0.5, found, -1)
    weakest = ranked.flatten(1).topk(_COUNTED, dim=1).values[:, -1:, None, None]
    above, level = (ranked > weakest).to(found.dtype), (ranked == weakest).to(found.dtype)
    missing = _COUNTED - above.sum(dim=(2, 3), keepdim=True)
    return (above + level * missing / level.sum(dim=(2, 3), keepdim=True)) / _COUNTED
