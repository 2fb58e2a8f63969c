"""The layer of nerve fibres around the optic disc as evidence for the classes: vessels, by the map, are left out."""

from collections.abc import Iterable, Sequence
from typing import Final

import torch
from torch import Tensor

from cvs_med.fibres import DARKEST, STEPS, UNIT
from cvs_med.networks.signs import Sign, covered

_SIDES: Final = 0.5, 0.5, -0.5, -0.5
"""What the mean of a sector counts: above, below, left, right."""

_LEAST: Final = 16
"""Pixels that each sector must have: with fewer in one, a photograph is taken for one like the mean of training."""

_LEAST_SPREAD: Final = UNIT / 16
"""Spread of strengths below which images count as alike."""


class FibreEvidence(Sign):
    """A class logit that is linear in how much bluer the fundus is above and below the disc than beside it.

    The strength is a weighted sum over pixels, whose weights add up to nothing, so that each pixel's share is exact. It
    counts for no more and no less than the strengths of training images.
    """

    least: Tensor
    most: Tensor

    def __init__(self, classes: int) -> None:
        """Start at zero."""
        super().__init__(classes)
        self.register_buffer("least", torch.tensor(-torch.inf))
        self.register_buffer("most", torch.tensor(torch.inf))

    def calibrate(self, cases: Iterable[Sequence[Tensor]]) -> None:
        """Standardise by training photographs and their masks, each the three planes of `forward` with B = 1."""
        found = [_compared(*case) for case in cases]
        strengths = torch.cat([(values * weights).sum(dim=(1, 2, 3)) for values, weights in found])
        whole = torch.cat([weights.any().reshape(1) for _, weights in found])
        strengths = strengths[whole] if whole.any() else strengths
        self.least.copy_(strengths.min())
        self.most.copy_(strengths.max())
        self.standardise(strengths, _LEAST_SPREAD)

    def forward(self, fibres: Tensor, foreground: Tensor, inside: Tensor) -> Tensor:
        """Give every pixel's share of the class logits, (B, P, H, W).

        Args:
            fibres: (B, 1, H, W), what `fibres.find` keeps, over 255.
            foreground: (B, H, W), probability of foreground.
            inside: (B, H, W), one inside the field of view.
        """
        with torch.no_grad():  # Where to look is learnt from the masks alone, as for q.
            values, weights = _compared(fibres, foreground, inside)
            shares, alike = values * weights, weights.abs() / 2  # `alike` adds up to one where sectors are compared.
            found = shares.sum(dim=(1, 2, 3), keepdim=True)
            # What lies beyond the limits of training is taken off, and the mean of training, from all pixels alike.
            beyond = found - found.maximum(self.least).minimum(self.most)
            standardised = (shares - (beyond + self.mean) * alike) * self.scale
        return standardised * self.weight[:, None, None]


def _compared(fibres: Tensor, foreground: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Give values and weights, both (B, 1, H, W): of their product the sum is the strength.

    Values are counted from the mean of the sectors, so that a pixel above the disc speaks for fibres if it is bluer
    than that, and one beside the disc if it is less blue. All weights of a photograph that cannot be compared are zero.
    """
    kept = (fibres * 255).round()
    step = kept.remainder(STEPS)
    free = (step >= 1) & (covered(foreground) == 0) & (inside[:, None] >= 0.5)
    sector = torch.where(free, (kept / STEPS).floor(), -1)
    numbers, sides = (torch.tensor(each, device=kept.device)[:, None, None] for each in (range(len(_SIDES)), _SIDES))
    within = (sector == numbers).to(kept.dtype)
    count = within.sum(dim=(2, 3), keepdim=True)
    alike = within / count.clamp(min=1)
    values = DARKEST + (step - 1) * UNIT
    middle = (values * alike).sum(dim=(1, 2, 3), keepdim=True) / len(_SIDES)
    whole = (count >= _LEAST).all(dim=1, keepdim=True)
    return values - middle, (sides * alike).sum(dim=1, keepdim=True) * whole
