"""The paper's equations: labels of pixels from the label of an image, and back.

Mojab, Yu, Hallak, Yi: "CvS: Classification via Segmentation For Small Datasets", arXiv 2111.00042, section III.
Shapes: B images, P classes, H x W pixels.

Every q is a weighted mean over pixels: class score (B, P) = sum over pixels of weight (B, 1, H, W) times pixel score
(B, P, H, W). So each product under the sum is, exactly, that pixel's share of the class's score: the evidence.
"""

from typing import Final, Literal, TypeAlias, get_args

import torch
from torch import Tensor

Q: TypeAlias = Literal["mean", "probability", "foreground"]
QS: Final[tuple[Q, ...]] = get_args(Q)

_TINY: Final = 1e-30
"""Keeps a pixel that is background for certain from a division by zero."""


def label_map(mask: Tensor, labels: Tensor) -> Tensor:
    """Label every pixel: 0 for background, c + 1 for the foreground of an image of class c (section III-A).

    Args:
        mask: (B, H, W), non-zero is foreground.
        labels: (B,), 0 to P - 1.

    Returns:
        (B, H, W), 64-bit integers from 0 to P.
    """
    return (mask != 0).long() * (labels.long() + 1)[:, None, None]


def evidence(map_logits: Tensor, q: Q, inside: Tensor | None = None, probabilities: Tensor | None = None) -> Tensor:
    """Give every pixel's exact share of every class's score (section III-B, before the sum).

    Args:
        map_logits: (B, P + 1, H, W).
        q: `mean`, the paper's: logits, every pixel alike. `probability`: the pixels' class probabilities, every pixel
            alike. `foreground`, ours: logits; half the weight on the predicted foreground, half on all pixels alike.
        inside: (B, H, W), one for the pixels that count (the field of view) and zero for the others; None counts all.
        probabilities: (B, P + 1, H, W), the softmax of the logits, where it is at hand.

    Returns:
        (B, P, H, W); its sum over the pixels is the score.
    """
    logits = map_logits.float()
    alike = torch.ones_like(logits[:, :1]) if inside is None else inside[:, None].to(logits.dtype)
    weights = _share(alike)
    if q == "mean":
        return logits[:, 1:] * weights
    if probabilities is None:
        probabilities = logits.softmax(dim=1)
    if q == "probability":
        return probabilities[:, 1:] * weights
    # No gradient passes: where to look is learnt from the masks, and a class cannot be won by looking elsewhere.
    return logits[:, 1:] * _share(weights + _share((1 - probabilities[:, :1].detach()) * alike))


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


def with_signs(probabilities: Tensor, scores: Tensor) -> Tensor:
    """Let a map tell the class that it and signs beside it come to: every pixel's classes weigh what the signs say.

    The logits of the new map are those of the old one and the signs' scores, up to what all classes of a pixel share.
    So with q `mean` or `foreground` its class probabilities are those of the image, signs included.

    Args:
        probabilities: (B, P + 1, H, W), of background and of each class.
        scores: (B, P), what the signs add to the logits of the image.

    Returns:
        (B, P + 1, H, W); the probability of background is as before.
    """
    background, classes = probabilities[:, :1], probabilities[:, 1:]
    # The largest factor is one, so none is too large for 32 bits.
    weighed = classes * (scores - scores.amax(dim=1, keepdim=True)).exp()[..., None, None]
    kept = classes.sum(dim=1, keepdim=True) / weighed.sum(dim=1, keepdim=True).clamp_min(_TINY)
    return torch.cat([background, weighed * kept], dim=1)


def _share(weights: Tensor) -> Tensor:
    """Let weights (B, 1, H, W) add up to one in each image; where all are zero they stay so."""
    return weights / weights.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)
