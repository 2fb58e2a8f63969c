"""The stage at a finer scale: its answer's pixels, the map that has exactly its foreground, and what learns when."""

import pytest
import torch
from torch import Generator, Tensor

from cvs_med.augmentation import View
from cvs_med.batches import folded
from cvs_med.networks.fine import FINE, FOREGROUND, FineDecoder, FineStage
from cvs_med.networks.heads import CvsHead

TIMES, SIDE, CLASSES, CHANNELS = 3, 16, 3, (4, 6)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=Generator().manual_seed(seed))


def decoder() -> FineDecoder:
    torch.manual_seed(0)
    made = FineDecoder(CHANNELS, CLASSES, times=TIMES, widths=(8, 12), context=[1])
    torch.nn.init.normal_(made.context.parts()[0][1].weight, std=3)
    return made.eval()


def head() -> CvsHead:
    return CvsHead(decoder(), q="foreground", size=SIDE, everywhere=False)


def features(count: int = 2) -> dict[int, Tensor]:
    return {1: drawn(count, CHANNELS[1], 4, 4), FINE: drawn(count, TIMES**2, SIDE, SIDE)}


def test_the_stage_answers_for_every_pixel_of_the_finer_square() -> None:
    torch.manual_seed(0)
    output = FineStage(TIMES, (8, 12)).eval()(features(), torch.ones(2, SIDE, SIDE))
    assert output.map_logits is not None
    assert output.map_logits.shape == (2, 2, TIMES * SIDE, TIMES * SIDE)
    assert output.class_logits.shape == (2, 1)


def test_an_answer_lies_where_its_pixels_lie() -> None:
    """A change of one fine pixel changes nothing far away, and most near by."""
    torch.manual_seed(0)
    stage, fine = FineStage(TIMES, (8,)).eval(), drawn(1, TIMES**2, SIDE, SIDE)
    changed = fine.clone()
    changed[0, 4, 3, 12] += 1  # The middle of the block of rows 9 to 11 and columns 36 to 38.
    difference = (stage.logits(changed) - stage.logits(fine)).abs()[0, 0]
    near = difference[9 - 6 : 12 + 6, 36 - 6 : 39 + 6]
    assert difference.max() > 0
    assert near.sum() == difference.sum()


def test_the_foreground_of_the_map_is_that_of_the_stage() -> None:
    answer = head()(features(), torch.ones(2, SIDE, SIDE))
    assert answer.finest is not None
    assert answer.map_logits is not None
    foreground = 1 - answer.map_logits.softmax(dim=1)[:, 0]
    blocks = answer.finest.reshape(2, SIDE, TIMES, SIDE, TIMES).mean(dim=(2, 4))
    torch.testing.assert_close(foreground, blocks, atol=1e-5, rtol=1e-4)
    assert answer.map_logits[:, 1:].std(dim=1).max() > 0.1


def test_a_foreground_that_is_known_gives_the_same_answer() -> None:
    found = head()(features(), torch.ones(2, SIDE, SIDE))
    assert found.finest is not None
    known = features() | {FOREGROUND: decoder().coarse(found.finest)}
    again = head()(known, torch.ones(2, SIDE, SIDE))
    torch.testing.assert_close(again.class_logits, found.class_logits)
    assert again.finest is None


def test_the_stage_does_not_learn_with_the_head_nor_do_its_norms() -> None:
    made = head().train()
    assert not any(module.training for module in made.decoder.stage.modules())
    before = {name: value.clone() for name, value in made.decoder.stage.state_dict().items()}
    made(features(), torch.ones(2, SIDE, SIDE)).class_logits[:, 0].sum().backward()
    assert all(parameter.grad is None for parameter in made.decoder.stage.parameters())
    assert made.decoder.context.parts()[0][1].weight.grad is not None
    for name, value in made.decoder.stage.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("view", [View(horizontal=True), View(vertical=True), View(horizontal=True, vertical=True)])
def test_a_folded_square_is_mirrored_in_its_own_pixels(view: View) -> None:
    whole = drawn(2, 1, TIMES * SIDE, TIMES * SIDE)
    fold = torch.nn.functional.pixel_unshuffle
    assert torch.equal(folded(view, fold(whole, TIMES)), fold(view.apply(whole), TIMES))
