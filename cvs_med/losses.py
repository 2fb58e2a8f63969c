"""What training minimises: a loss on the map, a loss on the derived class, or both."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cvs_med.protocol_sections import Loss
from cvs_med.shares import ALONE, Share
from cvs_med.types import Output


def total(
    output: Output, label_map: Tensor, labels: Tensor, inside: Tensor, settings: Loss, share: Share = ALONE
) -> dict[str, Tensor]:
    """Compute the loss and its parts.

    Args:
        output: class logits (B, P) and map logits (B, P + 1, H, W) or None.
        label_map: (B, H, W), 0 to P.
        labels: (B,), 0 to P - 1; of mixed images (B, P), the share of every class.
        inside: (B, H, W), one inside the field of view and zero outside; pixels outside do not count.
        settings: the parts and their weights.
        share: what these B images are of the batch; the loss is that of the whole batch.

    Returns:
        The sum under `loss`; where the network has a map, its parts under `loss_map` and `loss_class`. Without
        `map_weight` there is no `loss_map`: it takes as long as all else of a step on a frozen encoder.
    """
    of_class = share.mean(cross_entropy(output.class_logits.float(), labels), len(labels))
    if output.map_logits is None:
        return {"loss": of_class}
    if not settings.map_weight:
        return {"loss": settings.class_weight * of_class, "loss_class": of_class}
    of_map = map_loss(output.map_logits.float(), label_map, inside, settings, share)
    loss = settings.map_weight * of_map + settings.class_weight * of_class
    return {"loss": loss, "loss_map": of_map, "loss_class": of_class}


def map_loss(
    map_logits: Tensor, label_map: Tensor, inside: Tensor, settings: Loss, share: Share = ALONE
) -> Tensor:
    """Compute the per-pixel cross-entropy, with `foreground_weight` for foreground pixels, and a share of Dice loss."""
    # One pass over all classes serves both losses: a map is large beside what else a loss reads.
    logs = map_logits.log_softmax(dim=1)
    weights = torch.where(label_map > 0, settings.foreground_weight, 1.0) * inside
    of_label = logs.gather(1, label_map[:, None])[:, 0]
    loss = -share.sum((of_label * weights).sum()) / share.sum(weights.sum()).clamp_min(1)
    if settings.dice_weight:
        loss = loss + settings.dice_weight * dice_loss(1 - logs[:, 0].exp(), label_map, inside, share)
    return loss


def dice_loss(foreground: Tensor, label_map: Tensor, inside: Tensor, share: Share = ALONE) -> Tensor:
    """Compute one minus the soft Dice of foreground (B, H, W), a probability, over the whole batch.

    Milletari, Navab, Ahmadi: "V-Net", 3DV 2016 (squares in the denominator). Classes are left to the cross-entropy: a
    thin vessel is found first and named second.
    """
    predicted = foreground * inside
    gold = (label_map > 0).to(predicted.dtype) * inside
    common = share.sum((predicted * gold).sum())
    return 1 - (2 * common + 1) / (share.sum(predicted.square().sum() + gold.sum()) + 1)
