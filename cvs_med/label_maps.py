"""The paper's equations: labels of pixels from the label of an image, and back.

Mojab, Yu, Hallak, Yi: "CvS: Classification via Segmentation For Small Datasets", arXiv 2111.00042, section III.
Shapes: B images, P classes, H x W pixels.

Every q is a weighted mean over pixels: class score (B, P) = sum over pixels of weight (B, 1, H, W) times pixel score
(B, P, H, W). So each product under the sum is, exactly, that pixel's share of the class's score: the evidence.
"""

from typing import Final, Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

Q: TypeAlias = Literal["mean", "probability", "foreground"]
QS: Final[tuple[Q, ...]] = get_args(Q)

WIDENING: Final = 1 / 16
"""How far `foreground` looks beyond the predicted foreground, as a share of the map's side."""


def label_map(mask: Tensor, labels: Tensor) -> Tensor:
    """Label every pixel: 0 for background, c + 1 for the foreground of an image of class c (section III-A).

    Args:
        mask: (B, H, W), non-zero is foreground.
        labels: (B,), 0 to P - 1.

    Returns:
        (B, H, W), 64-bit integers from 0 to P.
    """
    return (mask != 0).long() * (labels.long() + 1)[:, None, None]


def evidence(map_logits: Tensor, q: Q, inside: Tensor | None = None) -> Tensor:
    """Give every pixel's exact share of every class's score (section III-B, before the sum).

    Args:
        map_logits: (B, P + 1, H, W).
        q: `mean`, the paper's: logits, every pixel alike. `probability`: the pixels' class probabilities, every pixel
            alike. `foreground`, ours: logits, weighted to the predicted foreground and its surroundings.
        inside: (B, H, W), one for the pixels that count (the field of view) and zero for the others; None counts all.

    Returns:
        (B, P, H, W); its sum over the pixels is the score.
    """
    probabilities = map_logits.float().softmax(dim=1)
    scores = probabilities[:, 1:] if q == "probability" else map_logits.float()[:, 1:]
    weights = _near_foreground(probabilities[:, :1]) if q == "foreground" else torch.ones_like(scores[:, :1])
    if inside is not None:
        weights = weights * inside[:, None]
    return scores * (weights / weights.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6))


def class_logits(map_logits: Tensor, q: Q, inside: Tensor | None = None) -> Tensor:
    """Derive the class of the image from its map: the paper's q (section III-B, equation 2).

    The softmax of what is returned gives the class probabilities. For `mean` and `foreground` the score is a logit;
    for `probability` it is a mean probability, and its logarithm is the logit.

    Args:
        map_logits: (B, P + 1, H, W).
        q: see `evidence`.
        inside: see `evidence`.

    Returns:
        (B, P).
    """
    scores = evidence(map_logits, q, inside).sum(dim=(2, 3))
    return scores.clamp_min(1e-12).log() if q == "probability" else scores


def _near_foreground(background: Tensor) -> Tensor:
    """Widen the foreground by a moving average of its probability, (B, 1, H, W); never zero everywhere.

    No gradient passes: where to look is learnt from the masks, and a class cannot be won by looking elsewhere.
    """
    reach = max(1, round(WIDENING * background.shape[-1] / 2))
    # Rows, then columns: the same average as over the square, and at 512 pixels sixteen times faster.
    rows = avg_pool2d(1 - background.detach(), (1, 2 * reach + 1), stride=1, padding=(0, reach))
    return avg_pool2d(rows, (2 * reach + 1, 1), stride=1, padding=(reach, 0)) + 1e-6
