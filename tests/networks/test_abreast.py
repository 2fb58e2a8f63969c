"""Heads together answer as one after another."""

import pytest
import torch

from cvs_med.networks import abreast
from cvs_med.networks.decoders import SkipDecoder
from cvs_med.networks.head import Head
from cvs_med.networks.heads import CvsHead, LinearHead
from cvs_med.networks.signs import SIGNS
from cvs_med.networks.spots import SpotEvidence

CHANNELS, SIDES = (8, 12, 16), (16, 8, 4)


def head(seed: int, context: tuple[int, ...], spots: SpotEvidence | None = None) -> CvsHead:
    """Build a head whose norms and linear part are those of photographs of its own."""
    torch.manual_seed(seed)
    decoder = SkipDecoder(CHANNELS, 4, width=5, levels=(0, 1), context=context)
    for module in decoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values in (module.running_mean, module.running_var, module.weight, module.bias):
                torch.nn.init.uniform_(values, 0.5, 2)
    for parameter in (parameter for _, part in decoder.context.parts() for parameter in part.parameters()):
        torch.nn.init.normal_(parameter)
    decoder.calibrate({level: (torch.randn(6, CHANNELS[level]), torch.rand(6, CHANNELS[level])) for level in context})
    return CvsHead(decoder, q="foreground", size=32, everywhere=False, spots=spots).eval()


def given() -> tuple[dict[int, torch.Tensor], torch.Tensor]:
    """Draw levels of two photographs and their fields of view."""
    torch.manual_seed(9)
    levels = {k: torch.randn(2, *shape, shape[1]) for k, shape in enumerate(zip(CHANNELS, SIDES, strict=True))}
    return levels, (torch.rand(2, 32, 32) < 0.8).float()


@pytest.mark.parametrize("context", [(), (2,), (1, 2)])
def test_heads_together_answer_as_one_after_another(context: tuple[int, ...]) -> None:
    heads = [head(seed, context) for seed in range(3)]
    with torch.inference_mode():
        together, apart = (way(heads, *given()) for way in (abreast.outputs, abreast.one_by_one))
    assert len(together) == 3
    for ours, other in zip(together, apart, strict=True):
        torch.testing.assert_close(ours.map_logits, other.map_logits)
        torch.testing.assert_close(ours.class_logits, other.class_logits)
    assert not torch.allclose(together[0].class_logits, together[1].class_logits)


def test_other_heads_answer_one_after_another() -> None:
    heads: list[Head] = [LinearHead(CHANNELS[2], 3, level=2).eval() for _ in range(2)]
    with torch.inference_mode():
        together, apart = (way(heads, *given()) for way in (abreast.outputs, abreast.one_by_one))
    for ours, other in zip(together, apart, strict=True):
        torch.testing.assert_close(ours.class_logits, other.class_logits, rtol=0, atol=0)


def test_heads_together_look_at_spots_as_one_after_another() -> None:
    heads = [head(seed, (2,), SpotEvidence(3)) for seed in range(2)]
    levels, inside = given()
    levels[SIGNS] = torch.rand(2, 1, 32, 32)
    for number, each in enumerate(heads, start=1):
        torch.nn.init.constant_(each.spots.weight, number)
    with torch.inference_mode():
        together, apart = (way(heads, levels, inside) for way in (abreast.outputs, abreast.one_by_one))
    for ours, other in zip(together, apart, strict=True):
        torch.testing.assert_close(ours.class_logits, other.class_logits)
        torch.testing.assert_close(ours.signs, other.signs)
