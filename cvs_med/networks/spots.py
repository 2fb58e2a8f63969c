"""Small dark spots beside the foreground, as evidence for the classes: the map says where a spot is none."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

SPOTS: Final = -1
"""Number of the spots (B, 1, H, W) among the levels of features, which count from zero."""

_COUNTED: Final = 8e-5
"""Share of the square's pixels whose mean is the strength of an image's spots: 21 pixels of 512 x 512."""

_WIDENED: Final = 0.004
"""Margin around the foreground in which no spot counts, as a share of the side: vessels have dark edges."""

_SCALE: Final = 2.0
"""Spread of the strength among the training images, in the units of the linear part's features, all of which together
have a spread of one: so one learning rate fits both."""


class SpotEvidence(nn.Module):
    """A class logit that is linear in the mean of an image's strongest spots outside of the widened foreground.

    As for q, that is a weighted mean over pixels, so that each pixel's share of it is exact.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, classes: int) -> None:
        """Start at zero."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))

    def calibrate(self, spots: Tensor, foreground: Tensor, inside: Tensor) -> None:
        """Standardise by training photographs and their masks: spots (n, 1, H, W), the others (n, H, W)."""
        cases = [slice(number, number + 1) for number in range(len(spots))]  # One by one, to need little memory.
        strengths = torch.stack([strength(spots[case], foreground[case], inside[case])[0] for case in cases])
        self.mean.copy_(strengths.mean())
        self.scale.copy_(_SCALE / (strengths.std() + 1e-5))

    def forward(self, spots: Tensor, foreground: Tensor, inside: Tensor) -> Tensor:
        """Give every pixel's share of the class logits, (B, P, H, W).

        Args:
            spots: (B, 1, H, W), how much each pixel looks like a spot.
            foreground: (B, H, W), probability of foreground.
            inside: (B, H, W), one inside the field of view.
        """
        with torch.no_grad():  # Where to look is learnt from the masks alone, as for q.
            found = free(spots, foreground, inside)
            standardised = (found - self.mean) * self.scale * strongest(found, inside)
        return standardised * self.weight[:, None, None]


def strength(spots: Tensor, foreground: Tensor, inside: Tensor) -> Tensor:
    """Give the mean of the strongest spots of each image, (B,); see `SpotEvidence.forward`."""
    found = free(spots, foreground, inside)
    return (found * strongest(found, inside)).sum(dim=(1, 2, 3))


def free(spots: Tensor, foreground: Tensor, inside: Tensor) -> Tensor:
    """Keep the spots (B, 1, H, W) outside of the widened foreground, which is where its probability is one half."""
    margin = max(1, round(_WIDENED * spots.shape[-1]))
    covered = max_pool2d((foreground[:, None] >= 0.5).to(spots.dtype), 2 * margin + 1, stride=1, padding=margin)
    return spots * (1 - covered) * (inside[:, None] >= 0.5)


def strongest(found: Tensor, inside: Tensor) -> Tensor:
    """Weigh the strongest of the spots that are free alike, and all else not at all.

    Spots of the same strength as the weakest one that counts share its weight, so that no order of pixels matters.

    Args:
        found: (B, 1, H, W), see `free`.
        inside: (B, H, W); nothing outside has a weight, not even where there is no spot at all.

    Returns:
        (B, 1, H, W), weights that add up to one in each image.
    """
    count = max(1, round(_COUNTED * found.shape[-1] ** 2))
    ranked = torch.where(inside[:, None] >= 0.5, found, -1)
    weakest = ranked.flatten(1).topk(count, dim=1).values[:, -1:, None, None]
    above, level = (ranked > weakest).to(found.dtype), (ranked == weakest).to(found.dtype)
    missing = count - above.sum(dim=(2, 3), keepdim=True)
    return (above + level * missing / level.sum(dim=(2, 3), keepdim=True)) / count
