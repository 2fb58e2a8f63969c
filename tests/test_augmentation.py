"""Random changes: one draw for image and masks, nothing without being asked, and views that can be undone."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, kstest
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy, interpolate

from cvs_med.augmentation import View, augment, flips, mixup, views
from cvs_med.protocol_sections import Augmentation

NOTHING = {"flip": ()}
KINDS = {
    "flips": {"flip": ("horizontal", "vertical")},
    "turns": {"flip": (), "turn": 180},
    "zooms": {"flip": (), "zoom": 0.3},
    "shifts": {"flip": (), "shift": 0.2},
    "crops": {"flip": (), "crop_area": (0.1, 1), "crop_ratio": 1.33},
    "all that moves": {"turn": 30, "zoom": 0.2, "shift": 0.1, "crop_area": (0.3, 0.9)},
    "colours": {"flip": (), "colour": 0.5},
    "noise": {"flip": (), "noise": 0.2},
    "everything": {"turn": 90, "zoom": 0.9, "shift": 0.5, "colour": 1, "noise": 0.5},
}
every_kind = pytest.mark.parametrize("kind", KINDS)
moving = pytest.mark.parametrize("kind", ["flips", "turns", "zooms", "shifts", "crops", "all that moves"])

seeds = st.integers(0, 2**32)


def some_planes(seed: int, count: int = 4, channels: int = 3, side: int = 24) -> Tensor:
    return torch.rand(count, channels, side, side, generator=Generator().manual_seed(seed))


def change(images: Tensor, masks: Tensor, kind: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    return augment(images, masks, Augmentation.model_validate(KINDS[kind]), Generator().manual_seed(seed))


@moving
@given(seed=seeds)
def test_image_and_masks_move_together(kind: str, seed: int) -> None:
    images = some_planes(seed)
    moved, masks = change(images, images[:, :2], kind, seed)
    torch.testing.assert_close(moved[:, :2], masks)


@moving
def test_what_should_move_moves_and_every_image_by_its_own_draw(kind: str) -> None:
    same = some_planes(0, count=1).expand(64, -1, -1, -1)
    moved, _ = change(same, same, kind)
    assert len({image.numpy().tobytes() for image in moved}) > 3
    assert not torch.equal(moved, same)


@every_kind
@given(seed=seeds)
def test_the_same_generator_gives_the_same_batch(kind: str, seed: int) -> None:
    images, masks = some_planes(seed), some_planes(seed + 1, channels=2)
    first, second = change(images, masks, kind, seed), change(images, masks, kind, seed)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], change(images, masks, kind, seed + 1)[0]) or kind == "flips"


@every_kind
@given(seed=seeds)
def test_shapes_and_ranges_stay(kind: str, seed: int) -> None:
    images, masks = some_planes(seed), (some_planes(seed, channels=2) > 0.5).float()
    for before, after in zip((images, masks), change(images, masks, kind, seed), strict=True):
        assert after.shape == before.shape
        assert after.dtype == torch.float32
        assert after.min() >= 0
        assert after.max() <= 1 + 1e-6  # Interpolation may add the last bit.


@pytest.mark.parametrize("kind", ["colours", "noise"])
def test_colours_and_noise_leave_masks_alone(kind: str) -> None:
    images, masks = some_planes(0), some_planes(1, channels=2)
    changed, kept = change(images, masks, kind)
    assert torch.equal(kept, masks)
    assert not torch.allclose(changed, images, atol=0.01)


@every_kind
def test_what_is_given_is_not_changed_in_place(kind: str) -> None:
    images, masks = some_planes(0), some_planes(1, channels=2)
    copies = images.clone(), masks.clone()
    change(images, masks, kind)
    assert torch.equal(images, copies[0])
    assert torch.equal(masks, copies[1])


@given(seeds)
def test_without_settings_nothing_happens(seed: int) -> None:
    images, masks = some_planes(seed), some_planes(seed, channels=2)
    settings = Augmentation.model_validate(NOTHING)
    found = augment(images, masks, settings, Generator().manual_seed(seed))
    assert torch.equal(found[0], images)
    assert torch.equal(found[1], masks)


@every_kind
def test_bytes_become_what_their_floats_become(kind: str) -> None:
    images, masks = ((255 * some_planes(seed)).byte() for seed in (0, 1))
    for found, expected in zip(change(images, masks, kind), change(images / 255, masks / 255, kind), strict=True):
        assert torch.equal(found, expected)


@given(seeds)
def test_the_smallest_turn_is_hardly_any(seed: int) -> None:
    images = some_planes(seed)
    settings = Augmentation.model_validate({"flip": (), "turn": 1e-4})
    moved, _ = augment(images, images, settings, Generator().manual_seed(seed))
    torch.testing.assert_close(moved, images, atol=1e-3, rtol=0)


@pytest.mark.parametrize("warped", [False, True])
@pytest.mark.parametrize(("name", "axis"), [("horizontal", -1), ("vertical", -2)])
def test_each_flip_is_the_one_it_is_named_after(name: str, axis: int, warped: bool) -> None:
    images = some_planes(0, count=1).expand(32, -1, -1, -1)
    settings = Augmentation.model_validate({"flip": (name,), "turn": 1e-6 if warped else 0})
    moved, _ = augment(images, images, settings, Generator().manual_seed(0))
    mirrored = images.flip(axis)
    kinds = [
        (torch.allclose(image, plain, atol=1e-3), torch.allclose(image, other, atol=1e-3))
        for image, plain, other in zip(moved, images, mirrored, strict=True)
    ]
    assert set(kinds) == {(True, False), (False, True)}


@given(seeds)
def test_colours_change_by_three_factors_one_after_another(seed: int) -> None:
    images, strength = some_planes(seed), 0.3
    found, _ = augment(images, images, Augmentation(flip=(), colour=strength), Generator().manual_seed(seed))
    drawn = torch.rand((3, len(images), 1, 1, 1), generator=Generator().manual_seed(seed))
    saturation, contrast, brightness = 1 + strength * (2 * drawn - 1)
    grey = images.mean(dim=1, keepdim=True)
    coloured = grey + saturation * (images - grey)
    middle = coloured.mean(dim=(1, 2, 3), keepdim=True)
    expected = ((middle + contrast * (coloured - middle)) * brightness).clamp(0, 1)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_flips_are_drawn_for_each_side_in_turn() -> None:
    images = some_planes(0, count=16)
    moved, _ = augment(images, images, Augmentation(), Generator().manual_seed(4))
    generator = Generator().manual_seed(4)
    for axis in (-1, -2):
        chosen = torch.rand(len(images), generator=generator) < 0.5
        images = torch.where(chosen[:, None, None, None], images.flip(axis), images)
    assert torch.equal(moved, images)


def test_a_shift_moves_by_at_most_its_share() -> None:
    point = torch.zeros(64, 1, 41, 41)
    point[:, :, 20, 20] = 1
    settings = Augmentation.model_validate({"flip": (), "shift": 0.25})
    moved, _ = augment(point.expand(-1, 3, -1, -1), point, settings, Generator().manual_seed(0))
    places = moved[:, 0].flatten(1).argmax(dim=1)
    distances = torch.stack([places // 41 - 20, places % 41 - 20]).abs()
    assert 5 < distances.max() <= 11


def test_a_zoom_changes_the_size_by_at_most_its_share() -> None:
    disc = torch.zeros(64, 1, 64, 64)
    disc[:, :, 22:42, 22:42] = 1
    settings = Augmentation.model_validate({"flip": (), "zoom": 0.2})
    _, moved = augment(disc.expand(-1, 3, -1, -1), disc, settings, Generator().manual_seed(0))
    sides = moved.sum(dim=(1, 2, 3)).sqrt()
    assert 15.9 < sides.min() < 18
    assert 22 < sides.max() < 24.2


def places(count: int, side: int) -> Tensor:
    """Draw planes that tell where a pixel comes from: its row and its column, from -1 to 1."""
    line = (torch.arange(side) + 0.5) * 2 / side - 1
    return torch.stack(torch.meshgrid(line, line, indexing="ij")).expand(count, 2, side, side)


def crop(area: tuple[float, float], ratio: float, count: int = 256) -> tuple[Tensor, Tensor]:
    """Crop planes of places; give the heights and widths of the crops and where their middles are, as (B, 2)."""
    settings = Augmentation.model_validate({"flip": (), "crop_area": area, "crop_ratio": ratio})
    images = torch.zeros(count, 3, 64, 64)
    _, cut = augment(images, places(count, 64), settings, Generator().manual_seed(0))
    ends = torch.stack([cut[:, 0, 8::47, 32], cut[:, 1, 32, 8::47]], dim=1)  # Rows and columns 8 and 55 of 64.
    sides = (ends[:, :, 1] - ends[:, :, 0]) * 64 / (2 * 47)
    return sides, ends.mean(dim=2)


@pytest.mark.parametrize(("area", "ratio"), [((0.1, 0.5), 1.0), ((0.08, 1), 4 / 3), ((0.64, 0.64), 1.0), ((1, 1), 2.0)])
def test_a_crop_keeps_the_shares_it_should(area: tuple[float, float], ratio: float) -> None:
    sides, _ = crop(area, ratio)
    areas, ratios = sides.prod(dim=1), sides[:, 0] / sides[:, 1]
    assert sides.max() <= 1 + 1e-4
    assert areas.max() <= area[1] + 1e-3
    assert ratios.max() <= ratio + 1e-3
    assert ratios.min() >= 1 / ratio - 1e-3
    whole = sides.max(dim=1).values < 1 - 1e-3  # A side that would be longer than the photograph is cut off.
    if whole.any():
        assert areas[whole].min() >= area[0] - 1e-3
    if area[1] < 1:
        assert whole.all()
        assert areas.max() - areas.min() > 0.8 * (area[1] - area[0])
    if ratio > 1:
        assert ratios.max() / ratios.min() > 1.2


def test_a_crop_lies_anywhere_inside_the_photograph() -> None:
    sides, middles = crop((0.25, 0.25), 1)
    torch.testing.assert_close(sides, torch.full_like(sides, 0.5))
    assert (middles.abs() + sides).max() <= 1 + 1e-3  # Half a side from the middle, of a photograph from -1 to 1.
    assert (middles.min(dim=0).values < -0.4).all()
    assert (middles.max(dim=0).values > 0.4).all()
    assert middles.mean(dim=0).abs().max() < 0.1


def test_nothing_black_comes_in_with_a_crop() -> None:
    settings = Augmentation.model_validate({"flip": (), "crop_area": (0.05, 1), "crop_ratio": 2})
    _, moved = augment(torch.ones(64, 3, 32, 32), torch.ones(64, 1, 32, 32), settings, Generator().manual_seed(0))
    assert moved.min() > 1 - 1e-5


def test_a_crop_is_the_part_enlarged() -> None:
    smooth = interpolate(some_planes(0, count=1, side=6), size=(64, 64), mode="bicubic").clamp(0, 1)
    settings = Augmentation.model_validate({"flip": (), "crop_area": (0.25, 0.25)})
    found, where = augment(smooth, places(1, 64), settings, Generator().manual_seed(3))
    top, left = (round((float(where[0, axis].min()) + 1) * 32) for axis in (0, 1))
    part = interpolate(smooth[:, :, top : top + 32, left : left + 32], size=(64, 64), mode="bilinear")
    assert (found - part)[:, :, 4:-4, 4:-4].abs().max() < 0.08


LABELS = torch.tensor([0, 2, 1, 2])


@given(seeds, st.floats(0.05, 5))
def test_mixed_images_are_between_two_and_their_labels_too(seed: int, strength: float) -> None:
    images = some_planes(seed)
    mixed, shares = mixup(images, LABELS, 3, strength, Generator().manual_seed(seed))
    assert mixed.shape == images.shape
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(4))
    assert shares.min() >= 0
    assert mixed.min() >= images.min() - 1e-6
    assert mixed.max() <= images.max() + 1e-6


@given(seeds)
def test_an_image_and_its_label_are_mixed_in_the_same_shares(seed: int) -> None:
    # Each image says its own label in every pixel: then what an image says and its label stay the same.
    images = torch.eye(3)[LABELS][:, :, None, None].expand(-1, -1, 8, 8)
    mixed, shares = mixup(images, LABELS, 3, 1, Generator().manual_seed(seed))
    torch.testing.assert_close(mixed, shares[:, :, None, None].expand(-1, -1, 8, 8))


def test_the_shares_are_drawn_from_a_beta_distribution() -> None:
    generator, pair = Generator().manual_seed(0), torch.tensor([0, 1])
    images = torch.eye(2)[:, :, None, None].expand(-1, -1, 1, 1)
    drawn = [mixup(images, pair, 2, 0.4, generator)[1][0, 0].item() for _ in range(800)]
    mixed = [share for share in drawn if share < 1]  # In half of the batches of two, an image meets itself.
    assert 300 < len(mixed) < 500
    assert kstest(mixed, beta(0.4, 0.4).cdf).pvalue > 0.01


@given(seeds)
def test_the_same_generator_mixes_the_same(seed: int) -> None:
    images = some_planes(seed)
    first, second = (mixup(images, LABELS, 3, 0.5, Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_the_loss_of_a_mixed_label_is_the_mix_of_the_losses() -> None:
    logits = torch.randn(1, 3, generator=Generator().manual_seed(0))
    mixed = cross_entropy(logits, torch.tensor([[0.3, 0.0, 0.7]]))
    single = [cross_entropy(logits, torch.tensor([label])).item() for label in (0, 2)]
    assert mixed.item() == pytest.approx(0.3 * single[0] + 0.7 * single[1], abs=1e-6)
    assert not math.isclose(single[0], single[1])


@given(st.booleans(), st.booleans(), seeds)
def test_a_mirrored_view_is_undone(horizontal: bool, vertical: bool, seed: int) -> None:
    planes, view = some_planes(seed), View(horizontal, vertical)
    assert torch.equal(view.undo(view.apply(planes)), planes)
    assert torch.equal(view.apply(planes), planes) == (not horizontal and not vertical)


def test_turning_by_nothing_is_nothing() -> None:
    planes = some_planes(0)
    assert torch.equal(View(degrees=0).apply(planes), planes)
    torch.testing.assert_close(View(degrees=360).apply(planes), planes, atol=1e-4, rtol=0)


@pytest.mark.parametrize("mirrored", [{}, {"horizontal": True}, {"vertical": True}])
def test_a_quarter_turn_is_torch_s_on_the_mirrored_planes(mirrored: dict[str, bool]) -> None:
    planes = some_planes(0)
    found = View(**mirrored, degrees=90).apply(planes)
    expected = [torch.rot90(View(**mirrored).apply(planes), times, (-2, -1)) for times in (1, -1)]
    assert any(torch.allclose(found, one, atol=1e-4) for one in expected)


def test_what_comes_in_at_the_corners_is_black() -> None:
    turned = View(degrees=45).apply(torch.ones(1, 1, 21, 21))
    assert turned[0, 0, 0, 0] == 0
    assert turned[0, 0, 10, 10] == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "count"),
    [({"flip": ()}, 1), ({"flip": ("horizontal",)}, 2), ({}, 4), ({"flip": (), "turn": 10}, 3), ({"turn": 10}, 12)],
)
def test_views_are_all_flips_and_their_turns_the_plain_one_first(settings: dict[str, object], count: int) -> None:
    found = views(Augmentation.model_validate(settings))
    assert len(set(found)) == len(found) == count
    assert found[0] == View()
    plain = [view for view in found if not view.degrees]
    assert plain == flips(Augmentation.model_validate(settings))
    assert {view.degrees for view in found} <= {0, 10, -10}
