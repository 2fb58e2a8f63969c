"""The heads of several networks on one frozen encoder, computed together: what all of them narrow, they read once.

For answers alone: norms are in evaluation mode, where channels do not meet.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d

from cvs_med.networks.decoders import SkipDecoder
from cvs_med.networks.head import Head
from cvs_med.networks.heads import CvsHead
from cvs_med.networks.relu import rectified
from cvs_med.types import Output

Way: TypeAlias = Callable[[Sequence[Head], Mapping[int, Tensor], Tensor], list[Output]]
"""How K heads answer for levels (B, C, h, w) of fields of view (B, H, W)."""


def one_by_one(heads: Sequence[Head], features: Mapping[int, Tensor], inside: Tensor) -> list[Output]:
    """Let one head answer after another."""
    return [head(features, inside) for head in heads]


def outputs(heads: Sequence[Head], features: Mapping[int, Tensor], inside: Tensor) -> list[Output]:
    """Let heads answer, those of CvS with a skip decoder together: what `one_by_one` gives, up to rounding."""
    alike = [head for head in heads if isinstance(head, CvsHead) and isinstance(head.decoder, SkipDecoder)]
    if len(alike) < len(heads):
        return one_by_one(heads, features, inside)
    decoders = [cast(SkipDecoder, head.decoder) for head in alike]
    levels = [_narrowed([each.narrow[number] for each in decoders], features[level])
              for number, level in enumerate(decoders[0].fine)]  # fmt: skip
    decoded = [
        decoder.mixed([each[number] for each in levels], decoder.context.classes(features))
        for number, decoder in enumerate(decoders)
    ]
    return [head.answer(head.enlarged(found), features, inside) for head, found in zip(alike, decoded, strict=True)]


def _narrowed(units: Sequence[nn.Module], level: Tensor) -> Sequence[Tensor]:
    """Narrow a level for K decoders by one convolution and one norm."""
    parts = [cast(tuple[nn.Conv2d, nn.BatchNorm2d, nn.Module], tuple(unit.children())) for unit in units]
    narrowed = conv2d(level, torch.cat([convolution.weight for convolution, _, _ in parts]))
    norms = [norm for _, norm, _ in parts]
    names = "running_mean", "running_var", "weight", "bias"
    mean, variance, weight, bias = (torch.cat([getattr(norm, name) for norm in norms]) for name in names)
    together = rectified(batch_norm(narrowed, mean, variance, weight, bias, eps=norms[0].eps)).chunk(len(units), dim=1)
    # The next convolution would read channels that lie apart at half the speed.
    return [each.contiguous(memory_format=torch.channels_last) for each in together]
