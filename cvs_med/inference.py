"""A trained network's answer: class logits, label map, and the evidence, which adds up exactly.

What is said of one case has the shapes that are named here; of a batch, every shape has B before it. Of many cases at
once only the class probabilities, or only the foreground, are asked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import torch
from torch import Tensor

from cvs_med.augmentation import View
from cvs_med.batches import Source
from cvs_med.label_maps import evidence, with_signs
from cvs_med.networks import Network
from cvs_med.networks.head import Head
from cvs_med.networks.heads import CvsHead
from cvs_med.precision import computing
from cvs_med.types import Output


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredMap:
    """What a network sees in one case, averaged over the mirrored views.

    Attributes:
        pixels: (P + 1, S, S), probability of background and of each class at every pixel.
        finest: (k S, k S), probability of foreground at a finer scale; None for a network without one.
    """

    pixels: Tensor
    finest: Tensor | None = None

    @property
    def foreground(self) -> Tensor:
        """Probability of foreground, (S, S)."""
        return 1 - self.pixels[..., 0, :, :]

    def of(self, number: int) -> "AnsweredMap":
        """Take one case out of a batch."""
        return AnsweredMap(self.pixels[number], None if self.finest is None else self.finest[number])


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the class rests on, averaged over the mirrored views.

    Attributes:
        shares: (P, S, S), every pixel's exact share of every class's score.
        scores: (P,), the classes' scores: the shares summed over the pixels.
    """

    shares: Tensor
    scores: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a network says of one case.

    Attributes:
        probabilities: (P,), 64-bit floats that sum to one.
        map: what it sees; None for a network without a map.
        evidence: what the class rests on; None for a network whose class does not follow from a map.
    """

    probabilities: Tensor
    map: AnsweredMap | None = None
    evidence: Evidence | None = None

    def case(self, number: int) -> "Answer":
        """Take one case out of a batch."""
        seen, found = self.map, self.evidence
        return Answer(
            self.probabilities[number],
            None if seen is None else seen.of(number),
            None if found is None else Evidence(found.shares[number], found.scores[number]),
        )


Look: TypeAlias = tuple[View, Sequence[Output], Tensor]
"""What each of K networks gave for one view of a batch, with the field of view seen the same way."""


def predict(network: Network, source: Source, case: int, *, device: torch.device, precision: str) -> Answer:
    """Answer for one case; of a network with a frozen encoder, the head answers for features.

    Evidence is averaged over the views, and the class follows from the sum of that average: what is shown is what
    decided. Where the class does not follow from a map, its logits are averaged.
    """
    with torch.inference_mode():
        outputs = _outputs(network, source, [case], device, precision)
        return conclude([network.head], [(view, [output], inside) for view, output, inside in outputs])[0].case(0)


def _outputs(
    network: Network, source: Source, cases: Sequence[int], device: torch.device, precision: str
) -> Iterator[tuple[View, Output, Tensor]]:
    """Give the network's output for each view of some cases, with the field of view seen the same way."""
    network.eval()
    model = network.head if network.frozen else network
    for view, inputs, inside in source.looks(cases):
        with computing(device, precision):
            output = model(inputs, inside)
        yield view, output, inside


def conclude(heads: Sequence[Head], looks: Sequence[Look]) -> tuple[Answer, Tensor]:
    """Average what K networks of one kind gave for the views of a batch, so that the evidence stays exact.

    The common score is the mean of the networks' scores, the evidence the mean of their evidence, and the probabilities
    follow from the score. Where scores are logits (or there is no evidence) that is the geometric mean of the networks'
    probabilities, scaled to sum to one; with q `probability` it is their plain mean.

    Returns:
        The common answer, and the probabilities of each network, (B, K, P).
    """
    members = torch.stack([_member(head, looks, number) for number, head in enumerate(heads)], dim=1)
    pixels, shares = _average(heads, looks)
    answered = None if pixels is None else AnsweredMap(pixels, _finest(looks))
    if shares is not None:
        found = Evidence(shares, shares.sum(dim=(-2, -1), dtype=torch.float64))
        return Answer(_probabilities(heads[0], found.scores), answered, found), members
    return Answer(members.clamp_min(1e-300).log().mean(dim=1).softmax(dim=-1), answered), members


def _member(head: Head, looks: Sequence[Look], number: int) -> Tensor:
    logits = torch.stack([outputs[number].class_logits.double().cpu() for _, outputs, _ in looks])
    return _mean_over_views(head, logits)


def _average(heads: Sequence[Head], looks: Sequence[Look]) -> tuple[Tensor | None, Tensor | None]:
    """Average map and evidence over the networks and, brought back to the plain one, over the views; None without."""
    maps, shares = list[Tensor](), list[Tensor]()
    for view, outputs, inside in looks:
        logits = [output.map_logits for output in outputs if output.map_logits is not None]
        pixels = [each.softmax(dim=1) for each in logits]
        given = [
            _evidence(head, output, inside, seen)
            for head, output, seen in zip(heads, outputs, pixels, strict=False)
            if isinstance(head, CvsHead)
        ]
        told = [_told(output, seen) for output, seen in zip(outputs, pixels, strict=False)]
        # The networks see a view alike: their mean is brought back once.
        maps += [view.undo(_mean(told)).cpu()] if told else []
        shares += [view.undo(_mean(given)).cpu()] if given else []
    return _mean(maps) if maps else None, _mean(shares) if shares else None


def _told(output: Output, pixels: Tensor) -> Tensor:
    """Give the map that tells the class: with what signs beside it say, if any are looked at."""
    return pixels if output.signs is None else with_signs(pixels, output.signs.sum(dim=(2, 3)))


def _finest(looks: Sequence[Look]) -> Tensor | None:
    """Average the foreground at its finer scale over networks and views, as `_average` does; None without."""
    found = [
        view.undo(_mean([output.finest for output in outputs if output.finest is not None])).cpu()
        for view, outputs, _ in looks
        if outputs[0].finest is not None
    ]
    return _mean(found) if found else None


def _evidence(head: CvsHead, output: Output, inside: Tensor, pixels: Tensor) -> Tensor:
    """Give every pixel's share of the class scores: as part of the map and, where signs count, of a sign."""
    of_map = evidence(cast(Tensor, output.map_logits), head.q, head.counted(inside), pixels)
    return of_map if output.signs is None else of_map + output.signs


def _mean(planes: Sequence[Tensor]) -> Tensor:
    return sum(planes[1:], planes[0]) / len(planes)


def predict_classes(
    network: Network, source: Source, cases: Sequence[int], *, device: torch.device, precision: str
) -> Tensor:
    """Answer for a batch of cases at once: the probabilities of `predict`, without map and evidence.

    Returns:
        (B, P), 64-bit floats; every row sums to one.
    """
    with torch.inference_mode():
        seen = _outputs(network, source, cases, device, precision)
        logits = [output.class_logits.double().cpu() for _, output, _ in seen]
    return _mean_over_views(network.head, torch.stack(logits))


def predict_foreground(
    network: Network, source: Source, cases: Sequence[int], *, device: torch.device, precision: str
) -> Tensor:
    """Answer for a batch of cases at once: where the foreground of `predict` is, without class and evidence.

    Returns:
        (B, S, S), the probability of foreground, averaged over the mirrored views; zero outside the field of view. Of
        networks with a finer scale (B, k S, k S).

    Raises:
        TypeError: the network has no map.
    """
    found: list[Tensor] = []
    with torch.inference_mode():
        for view, output, inside in _outputs(network, source, cases, device, precision):
            if output.map_logits is None:
                raise TypeError("Expected a network with a map.")
            finest = output.finest
            foreground = 1 - output.map_logits.float().softmax(dim=1)[:, 0] if finest is None else finest
            found.append(view.undo(foreground * enlarged(inside, foreground)).cpu())
    return torch.stack(found).mean(dim=0)


def enlarged(inside: Tensor, like: Tensor) -> Tensor:
    """Repeat the pixels of a field of view (..., S, S) until there are as many as in (..., k S, k S)."""
    times = like.shape[-1] // inside.shape[-1]
    return inside.repeat_interleave(times, dim=-1).repeat_interleave(times, dim=-2)


def _mean_over_views(head: Head, logits: Tensor) -> Tensor:
    """Average class logits (V, B, P), or the probabilities that they are the logarithms of: (B, P)."""
    if isinstance(head, CvsHead) and head.q == "probability":
        shares = logits.exp().mean(dim=0)
        return shares / shares.sum(dim=1, keepdim=True)
    return logits.mean(dim=0).softmax(dim=1)


def _probabilities(head: Head, scores: Tensor) -> Tensor:
    if isinstance(head, CvsHead) and head.q == "probability":
        return scores / scores.sum(dim=-1, keepdim=True)
    return scores.softmax(dim=-1)
