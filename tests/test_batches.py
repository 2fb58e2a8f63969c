"""Batches: photographs or features with their masks moved alike, and every view of a case for a prediction."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from cvs_med.augmentation import View
from cvs_med.batches import FeatureBatches, PhotographBatches
from cvs_med.cache import Photographs
from cvs_med.features import Features
from cvs_med.geometry import Geometry
from cvs_med.networks.signs import SIGNS
from cvs_med.protocol_sections import Augmentation

SIDE, LABELS = 16, torch.tensor([0, 2, 1])
CPU = torch.device("cpu")
VIEWS = (View(), View(horizontal=True), View(vertical=True), View(degrees=90))


@pytest.fixture
def photographs() -> Photographs:
    """Three squares whose foreground is the red channel, at fractions of 0, 0.4, 0.6 and 1."""
    generator = torch.Generator().manual_seed(0)
    fraction = torch.randint(0, 4, (3, SIDE, SIDE), generator=generator)
    foreground = torch.tensor([0, 102, 153, 255], dtype=torch.uint8)[fraction]
    images = foreground[:, None].repeat(1, 3, 1, 1)
    seen = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
    seen[:, 2:, 1:] = 255
    geometry = Geometry(SIDE, SIDE, 0, 0, SIDE, SIDE, SIDE)
    return Photographs(images, foreground, seen, (True,) * 3, (geometry,) * 3, ("a", "b", "c"), "")


class Mirrored(Features):
    """Features that are the masks themselves, seen as the view says: each then shows how its inputs were turned."""

    def __init__(self, photographs: Photographs) -> None:
        super().__init__(Path(), VIEWS, {}, {})
        object.__setattr__(self, "photographs", photographs)

    def maps(self, photographs: object, views: object, levels: object) -> dict[int, Tensor]:
        """Give the foreground of each photograph in its view, for each level."""
        planes = [
            VIEWS[view].apply(self.photographs.foreground[photograph][None, None].float() / 255)  # type: ignore[attr-defined]
            for photograph, view in zip(photographs, views, strict=True)  # type: ignore[call-overload]
        ]
        return {level: torch.cat(planes) for level in levels}  # type: ignore[attr-defined]


def of_photographs(photographs: Photographs, **augmentation: object) -> PhotographBatches:
    return PhotographBatches(photographs, LABELS, 3, Augmentation.model_validate({"flip": (), **augmentation}), CPU)


def of_features(photographs: Photographs) -> FeatureBatches:
    return FeatureBatches(photographs, Mirrored(photographs), (1, 3), LABELS, CPU)


def test_an_unchanged_batch_is_what_was_read(photographs: Photographs) -> None:
    batch = of_photographs(photographs).training([2, 0], Generator().manual_seed(0))
    chosen = torch.tensor([2, 0])
    assert isinstance(batch.inputs, Tensor)
    torch.testing.assert_close(batch.inputs, photographs.images[chosen].float() / 255)
    assert batch.labels.tolist() == [1, 0]
    assert torch.equal(batch.inside, (photographs.field_of_view[chosen] > 0).float())
    gold = (photographs.foreground[chosen] >= 128).long()
    assert torch.equal(batch.label_map, gold * torch.tensor([2, 1])[:, None, None])


def test_photographs_lie_with_their_channels_last(photographs: Photographs) -> None:
    batch = of_photographs(photographs).training([0, 1], Generator().manual_seed(0))
    assert isinstance(batch.inputs, Tensor)
    assert batch.inputs.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("augmentation", [{"flip": ("horizontal", "vertical")}, {"turn": 90}, {"shift": 0.3}])
def test_label_maps_move_with_photographs(photographs: Photographs, augmentation: dict[str, object]) -> None:
    batch = of_photographs(photographs, **augmentation).training([0, 1, 2], Generator().manual_seed(4))
    assert isinstance(batch.inputs, Tensor)
    assert torch.equal(batch.label_map > 0, batch.inputs[:, 0] >= 0.5)
    assert set(batch.inside.unique().tolist()) <= {0, 1}


@pytest.mark.parametrize("kind", ["photographs", "features"])
def test_spots_go_with_their_photographs(photographs: Photographs, kind: str) -> None:
    photographs = replace(photographs, signs=photographs.foreground[:, None])  # So that both must move alike.
    source = of_features(photographs) if kind == "features" else of_photographs(photographs, flip=("horizontal",))
    batch = source.training([0, 1, 2] * 4, Generator().manual_seed(2))
    assert torch.equal(batch.label_map > 0, spots_of(batch.inputs) >= 0.5)
    for look in source.looks([0, 2]):
        torch.testing.assert_close(
            look.view.undo(spots_of(look.inputs)), photographs.foreground[[0, 2]].float() / 255
        )


def spots_of(inputs: Tensor | Mapping[int, Tensor]) -> Tensor:
    return inputs[:, 3] if isinstance(inputs, Tensor) else inputs[SIGNS][:, 0]


@pytest.mark.parametrize("kind", ["photographs", "features"])
def test_the_generator_alone_decides(photographs: Photographs, kind: str) -> None:
    source = of_features(photographs) if kind == "features" else of_photographs(photographs, turn=20, noise=0.1)

    def draw(seed: int) -> bytes:
        batch = source.training([0, 1, 2] * 3, Generator().manual_seed(seed))
        inputs = batch.inputs[1] if isinstance(batch.inputs, Mapping) else batch.inputs
        return inputs.contiguous().numpy().tobytes() + batch.label_map.numpy().tobytes()

    assert draw(0) == draw(0)
    assert draw(0) != draw(1)


def test_features_come_in_random_views_with_their_masks(photographs: Photographs) -> None:
    batch = of_features(photographs).training([1] * 32, Generator().manual_seed(0))
    assert isinstance(batch.inputs, Mapping)
    assert set(batch.inputs) == {1, 3}
    assert torch.equal(batch.label_map > 0, batch.inputs[1][:, 0] >= 0.5)
    assert batch.labels.tolist() == [2] * 32
    assert set(batch.label_map.unique().tolist()) == {0, 3}
    assert len({plane.numpy().tobytes() for plane in batch.label_map}) == len(VIEWS)


def test_a_prediction_looks_at_every_mirrored_photograph(photographs: Photographs) -> None:
    looks = of_photographs(photographs, flip=("horizontal", "vertical"), turn=30, noise=0.5).looks([1])
    assert [look.view for look in looks] == [
        View(), View(horizontal=True), View(vertical=True), View(horizontal=True, vertical=True),
    ]  # fmt: skip
    for look in looks:
        assert isinstance(look.inputs, Tensor)
        torch.testing.assert_close(look.view.undo(look.inputs)[0], photographs.images[1].float() / 255)
        torch.testing.assert_close(look.view.undo(look.inside)[0], photographs.field_of_view[1].float() / 255)


def test_a_prediction_from_features_looks_at_every_view_without_a_turn(photographs: Photographs) -> None:
    looks = of_features(photographs).looks([2])
    assert [look.view for look in looks] == list(VIEWS[:3])
    for look in looks:
        assert isinstance(look.inputs, Mapping)
        torch.testing.assert_close(look.view.undo(look.inputs[3])[0, 0], photographs.foreground[2].float() / 255)
        torch.testing.assert_close(look.view.undo(look.inside)[0], photographs.field_of_view[2].float() / 255)


def test_mixed_photographs_have_shares_of_labels(photographs: Photographs) -> None:
    source = of_photographs(photographs, mixup=0.5)
    batch = source.training([0, 1, 2] * 4, Generator().manual_seed(0))
    assert batch.labels.shape == (12, 3)
    torch.testing.assert_close(batch.labels.sum(dim=1), torch.ones(12))
    assert ((batch.labels > 0.01) & (batch.labels < 0.99)).any()
    assert isinstance(batch.inputs, Tensor)
    assert batch.inputs.is_contiguous(memory_format=torch.channels_last)


def test_a_prediction_looks_at_the_whole_photograph_unmixed(photographs: Photographs) -> None:
    (look,) = of_photographs(photographs, crop_area=(0.1, 0.5), mixup=1).looks([1])
    assert isinstance(look.inputs, Tensor)
    torch.testing.assert_close(look.inputs[0], photographs.images[1].float() / 255)
