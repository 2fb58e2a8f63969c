"""Random changes: one draw for image and masks, nothing without being asked, and views that can be undone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from cvs_med.augmentation import View, augment, flips, views
from cvs_med.protocol import Augmentation

NOTHING = {"flip": ()}
KINDS = {
    "flips": {"flip": ("horizontal", "vertical")},
    "turns": {"flip": (), "turn": 180},
    "zooms": {"flip": (), "zoom": 0.3},
    "shifts": {"flip": (), "shift": 0.2},
    "all that moves": {"turn": 30, "zoom": 0.2, "shift": 0.1},
    "colours": {"flip": (), "colour": 0.5},
    "noise": {"flip": (), "noise": 0.2},
    "everything": {"turn": 90, "zoom": 0.9, "shift": 0.5, "colour": 1, "noise": 0.5},
}
every_kind = pytest.mark.parametrize("kind", KINDS)
moving = pytest.mark.parametrize("kind", ["flips", "turns", "zooms", "shifts", "all that moves"])

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
