"""Heads: a method is a head; every one answers class logits, and a map or none."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, relu

from cvs_med.label_maps import QS, Q, class_logits
from cvs_med.networks.decoders import CoarseDecoder, SkipDecoder
from cvs_med.networks.fibres import FibreEvidence
from cvs_med.networks.heads import CvsHead, LinearHead, MultiTaskHead
from cvs_med.networks.signs import SIGNS
from cvs_med.networks.spots import SpotEvidence

CHANNELS = (4, 6, 8, 10, 12)


def some_levels() -> dict[int, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {n: torch.randn(2, CHANNELS[n], 32 >> n, 32 >> n, generator=generator) for n in range(5)}


def left_half() -> Tensor:
    inside = torch.zeros(2, 64, 64)
    inside[:, :, :32] = 1
    return inside


def a_head(q: Q = "mean", everywhere: bool = False, context: tuple[int, ...] = ()) -> CvsHead:
    torch.manual_seed(0)
    decoder = SkipDecoder(CHANNELS, 4, width=8, levels=(0, 1), context=context)
    return CvsHead(decoder, q=q, size=64, everywhere=everywhere).eval()


@pytest.mark.parametrize("q", QS)
def test_the_class_comes_from_the_map(q: Q) -> None:
    answer = a_head(q)(some_levels(), left_half())
    assert answer.map_logits.shape == (2, 4, 64, 64)
    assert answer.class_logits.shape == (2, 3)
    torch.testing.assert_close(answer.class_logits, class_logits(answer.map_logits, q, left_half()))


def test_only_the_field_of_view_counts_unless_all_is_asked_for() -> None:
    features, inside = some_levels(), left_half()
    seen, everything = a_head()(features, inside), a_head(everywhere=True)(features, inside)
    assert torch.equal(seen.map_logits, everything.map_logits)
    torch.testing.assert_close(seen.class_logits, seen.map_logits[:, 1:, :, :32].mean(dim=(2, 3)))
    torch.testing.assert_close(everything.class_logits, seen.map_logits[:, 1:].mean(dim=(2, 3)))


def test_the_map_is_of_32_bits_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        answer = a_head()(some_levels(), left_half())
    assert answer.map_logits.dtype == answer.class_logits.dtype == torch.float32


def test_a_head_knows_its_levels_and_its_linear_part() -> None:
    head = a_head(context=(3, 4))
    assert head.levels == (0, 1, 3, 4)
    assert [tuple(value.shape) for value in head.linear_parameters()] == [(3, 10)] * 2 + [(3,)] + [(3, 12)] * 2 + [(3,)]
    pooled = {level: (torch.randn(9, channels), torch.rand(9, channels)) for level, channels in enumerate(CHANNELS)}
    head.calibrate(pooled)
    torch.testing.assert_close(head.decoder.context["3"].mean, pooled[3][0].mean(dim=0))


def test_a_deeplab_head_has_no_linear_part() -> None:
    head = CvsHead(CoarseDecoder(CHANNELS, 4, output_stride=32), q="mean", size=64, everywhere=False).eval()
    head.calibrate({})
    assert head.linear_parameters() == []
    assert head(some_levels(), left_half()).map_logits.shape == (2, 4, 64, 64)


def test_the_linear_head_is_the_paper_s_baseline() -> None:
    torch.manual_seed(0)
    head, features = LinearHead(12, 3, level=4).eval(), some_levels()
    reference = nn.Sequential(head.norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head.linear)
    answer = head(features, left_half())
    torch.testing.assert_close(answer.class_logits, reference(features[4]))
    assert answer.map_logits is None
    assert head.levels == (4,)
    assert head.linear_parameters() == []


def test_the_linear_head_pools_after_its_relu() -> None:
    head, features = LinearHead(12, 3, level=4).eval(), {4: torch.randn(1, 12, 4, 4)}
    pooled = adaptive_avg_pool2d(relu(head.norm(features[4])), 1).flatten(1)
    torch.testing.assert_close(head(features, left_half()).class_logits, head.linear(pooled))


def test_a_linear_head_without_normalisation_pools_and_weighs() -> None:
    head, features = LinearHead(10, 3, level=3, normalise=False), some_levels()
    expected = head.linear(adaptive_avg_pool2d(features[3], 1).flatten(1))
    torch.testing.assert_close(head(features, left_half()).class_logits, expected)
    assert set(head.state_dict()) == {"linear.weight", "linear.bias"}


def a_multi_task_head(context: tuple[int, ...] = ()) -> MultiTaskHead:
    torch.manual_seed(0)
    decoder = SkipDecoder(CHANNELS, 4, width=8, levels=(0, 1), context=context)
    return MultiTaskHead(decoder, LinearHead(12, 3, level=4), size=64).eval()


def test_multi_task_is_two_heads_on_the_same_levels() -> None:
    head, features, inside = a_multi_task_head(), some_levels(), left_half()
    answer = head(features, inside)
    map_only = CvsHead(head.decoder, q="mean", size=64, everywhere=True)
    assert torch.equal(answer.map_logits, map_only(features, inside).map_logits)
    assert torch.equal(answer.class_logits, head.classifier(features, inside).class_logits)
    assert head.levels == (0, 1, 4)


def test_the_class_of_multi_task_does_not_follow_from_its_map() -> None:
    head, features = a_multi_task_head(), some_levels()
    before = head(features, left_half())
    nn.init.normal_(head.decoder.out.bias)
    after = head(features, left_half())
    assert torch.equal(before.class_logits, after.class_logits)
    assert not torch.equal(before.map_logits, after.map_logits)


def test_a_multi_task_head_knows_its_decoder_s_linear_part() -> None:
    head = a_multi_task_head(context=(3,))
    assert [tuple(value.shape) for value in head.linear_parameters()] == [(3, 10), (3, 10), (3,)]
    assert a_multi_task_head().linear_parameters() == []


def test_spots_are_added_to_what_follows_from_the_map() -> None:
    plain, features, inside = a_head("foreground"), some_levels(), left_half()
    head = CvsHead(plain.decoder, q="foreground", size=64, everywhere=False, spots=SpotEvidence(3)).eval()
    assert [tuple(value.shape) for value in head.linear_parameters()] == [(3,)]
    nn.init.constant_(head.spots.weight, 0.5)
    nn.init.constant_(plain.decoder.out.bias[:1], 9)  # Next to no foreground: room for spots.
    features[SIGNS] = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    answer = head(features, inside)
    torch.testing.assert_close(answer.map_logits, plain(features, inside).map_logits)
    added = answer.class_logits - plain(features, inside).class_logits
    assert (added.abs() > 1e-3).all()
    torch.testing.assert_close(answer.signs.sum(dim=(2, 3)), added, atol=1e-5, rtol=1e-4)
    assert (answer.signs[..., 32:] == 0).all()


def test_each_sign_reads_its_own_plane() -> None:
    plain, features, inside = a_head("foreground"), some_levels(), torch.ones(2, 64, 64)
    nn.init.constant_(plain.decoder.out.bias[:1], 9)
    spots, fibres = SpotEvidence(3), FibreEvidence(3)
    for part in (spots, fibres):
        nn.init.constant_(part.weight, 0.5)
    planes = torch.rand(2, 2, 64, 64, generator=torch.Generator().manual_seed(1))
    added = []
    both = {"spots": spots, "fibres": fibres}
    for parts, chosen in (({"spots": spots}, [0]), ({"fibres": fibres}, [1]), (both, [0, 1])):
        head = CvsHead(plain.decoder, q="foreground", size=64, everywhere=False, **parts).eval()
        features[SIGNS] = planes[:, chosen]
        answer = head(features, inside)
        added.append(answer.class_logits - plain(features, inside).class_logits)
        torch.testing.assert_close(answer.signs.sum(dim=(2, 3)), added[-1], atol=1e-5, rtol=1e-4)
    assert (added[0] != added[1]).all()
    torch.testing.assert_close(added[2], added[0] + added[1], atol=1e-5, rtol=1e-4)
