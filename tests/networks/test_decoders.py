"""Decoders: they follow thin vessels, keep the division of work, and standardise by what they are shown."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from cvs_med.networks.context import LinearLevel
from cvs_med.networks.decoders import CoarseDecoder, SkipDecoder

CHANNELS = (4, 6, 8, 10, 12)
SIDE = 64


def some_levels(seed: int = 0, batch: int = 2) -> dict[int, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sides = [SIDE // 2**level for level in range(1, 6)]
    return {
        level: torch.randn(batch, channels, side, side, generator=generator)
        for level, (channels, side) in enumerate(zip(CHANNELS, sides, strict=True))
    }


def a_decoder(levels: tuple[int, ...] = (0, 1, 2), context: tuple[int, ...] = (), maps: int = 4) -> SkipDecoder:
    torch.manual_seed(0)
    return SkipDecoder(CHANNELS, maps, width=8, levels=levels, context=context).eval()


@pytest.mark.parametrize("levels", [(0,), (1, 3), (0, 1, 2, 3, 4)])
@pytest.mark.parametrize("context", [(), (3,), (1, 4)])
def test_the_answer_has_the_resolution_of_the_finest_level(levels: tuple[int, ...], context: tuple[int, ...]) -> None:
    decoder = a_decoder(levels, context)
    assert decoder(some_levels()).shape == (2, 4, SIDE // 2 ** (levels[0] + 1), SIDE // 2 ** (levels[0] + 1))


@pytest.mark.parametrize(("levels", "context"), [((0, 2), ()), ((0, 2), (1, 3)), ((2,), (0,))])
def test_the_levels_named_are_the_levels_read(levels: tuple[int, ...], context: tuple[int, ...]) -> None:
    decoder, features = a_decoder(levels, context), some_levels()
    for weight in decoder.context.parameters():
        torch.nn.init.normal_(weight)
    assert decoder.levels == tuple(sorted({*levels, *context}))
    expected = decoder(features)
    torch.testing.assert_close(decoder({level: features[level] for level in decoder.levels}), expected)
    for level in decoder.levels:
        changed = features | {level: some_levels(1)[level]}
        assert not torch.allclose(decoder(changed), expected)


def test_a_detail_of_the_finest_level_stays_where_it_is() -> None:
    decoder, features = a_decoder(), some_levels(batch=1)
    changed = {level: feature.clone() for level, feature in features.items()}
    changed[0][:, :, 10, 20] += 3
    difference = (decoder(changed) - decoder(features)).abs().sum(dim=(0, 1))
    assert difference[9:12, 19:22].sum() > 0
    difference[9:12, 19:22] = 0
    assert difference.sum() == 0


def test_a_fresh_linear_part_leaves_classes_alike() -> None:
    logits = a_decoder(context=(1, 3))(some_levels())
    assert torch.equal(logits[:, 1], logits[:, 2])
    assert torch.equal(logits[:, 1], logits[:, 3])
    assert not torch.allclose(logits[:, 0], logits[:, 1])


def test_the_linear_part_moves_classes_and_never_the_background() -> None:
    decoder, features = a_decoder(context=(3,)), some_levels()
    before = decoder(features)
    torch.nn.init.normal_(decoder.context["3"].weight)  # type: ignore[arg-type]  # a LinearLevel
    after = decoder(features)
    assert torch.equal(after[:, 0], before[:, 0])
    assert not torch.allclose(after[:, 1:], before[:, 1:])


def photographs(levels: tuple[int, ...] = (3,), count: int = 20, pixels: int = 16) -> dict[int, Tensor]:
    """Draw features whose mean and spread differ by photograph: level to (n, C, pixels, 1)."""
    generator = torch.Generator().manual_seed(0)
    drawn = {}
    for level in levels:
        shape = count, CHANNELS[level], 1, 1
        middle, spread = 5 + 3 * torch.randn(shape, generator=generator), 1 + torch.rand(shape, generator=generator)
        drawn[level] = middle + spread * torch.randn(count, CHANNELS[level], pixels, 1, generator=generator)
    return drawn


def pooled(features: dict[int, Tensor]) -> dict[int, tuple[Tensor, Tensor]]:
    return {
        level: (values.mean(dim=(2, 3)), values.std(dim=(2, 3), correction=0)) for level, values in features.items()
    }


def test_the_mean_of_the_linear_part_is_a_linear_classifier_on_standardised_means_and_squares() -> None:
    features = photographs()[3]
    part = LinearLevel(10, 3, sources=20)
    part.calibrate(*pooled({3: features})[3])
    for weight in part.parameters():
        torch.nn.init.normal_(weight)
    means = features.mean(dim=(2, 3))
    squares = (features - means.mean(dim=0)[None, :, None, None]).square().mean(dim=(2, 3))
    weights = [weight.detach().numpy() for weight in (part.weight, part.square_weight)]
    # scikit-learn divides by the deviation of the sample, we by the estimate for the population, and by root 20.
    standard = [StandardScaler().fit_transform(values) for values in (means, squares)]
    scores = standard[0] @ weights[0].T + standard[1] @ weights[1].T
    expected = scores * (19 / 20 / 20) ** 0.5 + part.bias.detach().numpy()
    np.testing.assert_allclose(part(features).mean(dim=(2, 3)).detach().numpy(), expected, atol=1e-3)


def test_standardised_features_have_a_mean_square_sum_near_one() -> None:
    decoder = a_decoder(context=(2, 4))
    features = photographs((2, 4), count=50)
    decoder.calibrate(pooled(features))
    total = torch.zeros(50)
    for level in (2, 4):
        part = decoder.context[str(level)]
        centred = features[level] - part.mean[:, None, None]  # type: ignore[index]  # a buffer
        squares = centred.square() - part.square_mean[:, None, None]  # type: ignore[index]
        for values, scale in ((centred, part.scale), (squares, part.square_scale)):
            total += (values.mean(dim=(2, 3)) * scale).square().sum(dim=1)
    assert total.mean().item() == pytest.approx(1, abs=0.05)


def test_the_linear_part_tells_photographs_apart_that_differ_only_in_how_much_they_vary() -> None:
    quiet, loud = torch.full((1, 10, 8, 1), 2.0), torch.tensor([1.0, 3.0] * 4).view(1, 1, 8, 1).expand(1, 10, 8, 1)
    part = LinearLevel(10, 2, sources=20)
    part.calibrate(torch.tensor([[2.0], [2.0]]).expand(2, 10), torch.tensor([[0.0], [1.0]]).expand(2, 10))
    torch.nn.init.ones_(part.weight)
    assert torch.equal(part(quiet).mean(dim=(2, 3)), part(loud).mean(dim=(2, 3)))
    torch.nn.init.ones_(part.square_weight)
    assert (part(loud).mean(dim=(2, 3)) > part(quiet).mean(dim=(2, 3))).all()


def test_a_channel_that_is_always_zero_says_nothing() -> None:
    part = LinearLevel(3, 2, sources=6)
    part.calibrate(torch.zeros(5, 3), torch.zeros(5, 3))
    torch.nn.init.ones_(part.weight)
    assert torch.equal(part(torch.zeros(1, 3, 2, 2)), torch.zeros(1, 2, 2, 2))


def test_the_standardisation_is_part_of_the_state() -> None:
    decoder, other = a_decoder(context=(3,)), a_decoder(context=(3,))
    decoder.calibrate(pooled(photographs()))
    other.load_state_dict(decoder.state_dict())
    assert torch.equal(other.context["3"].mean, decoder.context["3"].mean)  # type: ignore[arg-type]
    assert torch.equal(other.context["3"].scale, decoder.context["3"].scale)  # type: ignore[arg-type]


def test_every_weight_is_learnt_from() -> None:
    decoder = a_decoder((0, 1, 2), (3,)).train()
    decoder(some_levels()).square().sum().backward()
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in decoder.parameters())


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_the_coarse_decoder_answers_from_the_coarsest_level_alone(output_stride: int) -> None:
    torch.manual_seed(0)
    decoder = CoarseDecoder(CHANNELS, 4, output_stride=output_stride).eval()
    features = some_levels()
    assert decoder.levels == (4,)
    assert decoder({4: features[4]}).shape == (2, 4, 2, 2)
