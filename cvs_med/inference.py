"""A trained network's answer for one case: class logits, label map, and the evidence, which adds up exactly."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cvs_med.augmentation import View
from cvs_med.batches import Source
from cvs_med.label_maps import evidence
from cvs_med.networks import Network
from cvs_med.networks.heads import CvsHead
from cvs_med.precision import computing
from cvs_med.types import Output


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredMap:
    """What a network sees in one case, averaged over the mirrored views.

    Attributes:
        pixels: (P + 1, S, S), probability of background and of each class at every pixel.
        evidence: (P, S, S), every pixel's exact share of every class's score.
        scores: (P,), the classes' scores: the evidence summed over the pixels.
    """

    pixels: Tensor
    evidence: Tensor
    scores: Tensor

    @property
    def foreground(self) -> Tensor:
        """Probability of foreground, (S, S)."""
        return 1 - self.pixels[0]

    @property
    def label_map(self) -> Tensor:
        """Label map, (S, S): foreground where it is more probable than background, then its most probable class."""
        return (self.pixels[0] < 0.5).long() * (self.pixels[1:].argmax(dim=0) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a network says of one case.

    Attributes:
        probabilities: (P,), 64-bit floats that sum to one.
        map: what it rests on; None for a network without a map.
    """

    probabilities: Tensor
    map: AnsweredMap | None = None


def predict(network: Network, source: Source, case: int, *, device: torch.device, precision: str) -> Answer:
    """Answer for one case; of a network with a frozen encoder, the head answers for features.

    Evidence is averaged over the views, and the class follows from the sum of that average: what is shown is what
    decided.
    """
    network.eval()
    model, head = network.head if network.frozen else network, network.head
    outputs = []
    with torch.inference_mode():
        for view, inputs, inside in source.looks(case):
            with computing(device, precision):
                outputs.append((view, model(inputs, inside), inside))
        if isinstance(head, CvsHead):
            return _derive(head, outputs)
        logits = torch.stack([output.class_logits[0].double().cpu() for _, output, _ in outputs])
        return Answer(logits.mean(dim=0).softmax(dim=0))


def _derive(head: CvsHead, outputs: Sequence[tuple[View, Output, Tensor]]) -> Answer:
    """Average maps and evidence over the views, brought back to the plain one, and derive the class."""
    pixels, shares = [], []
    for view, output, inside in outputs:
        if output.map_logits is not None:
            pixels.append(view.undo(output.map_logits.softmax(dim=1))[0].cpu())
            shares.append(view.undo(evidence(output.map_logits, head.q, head.counted(inside)))[0].cpu())
    share = torch.stack(shares).mean(dim=0)
    scores = share.double().sum(dim=(1, 2))
    probabilities = scores / scores.sum() if head.q == "probability" else scores.softmax(dim=0)
    return Answer(probabilities, AnsweredMap(torch.stack(pixels).mean(dim=0), share, scores))
