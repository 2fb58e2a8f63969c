"""Tiles: image, mask and field of view are cut and mirrored together, in the pixels of the finer square."""

from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor
from torch.nn.functional import pixel_shuffle

from cvs_med.cache import Photographs
from cvs_med.geometry import Geometry
from cvs_med.networks.fine import FINE
from cvs_med.protocol_sections import Augmentation
from cvs_med.tiles import TileBatches, finer_of

SIDE, TILE, TIMES = 32, 16, 2
CPU = torch.device("cpu")


@pytest.fixture
def photographs() -> Photographs:
    """Two squares whose finer brightness is its own foreground; nothing is seen in the left half."""
    generator = torch.Generator().manual_seed(0)
    fine = torch.randint(0, 2, (2, TIMES**2, SIDE, SIDE), generator=generator).byte() * 255
    seen = torch.zeros(2, SIDE, SIDE, dtype=torch.uint8)
    seen[:, :, SIDE // 2 :] = 255
    fine = fine * (seen[:, None] > 0)
    geometry = Geometry(SIDE, SIDE, 0, 0, SIDE, SIDE, SIDE)
    return Photographs(
        torch.zeros(2, 3, SIDE, SIDE, dtype=torch.uint8), torch.zeros(2, SIDE, SIDE, dtype=torch.uint8), seen,
        (True,) * 2, (geometry,) * 2, ("a", "b"), "", fine=fine, fine_foreground=fine.clone(),
    )  # fmt: skip


def tiles(photographs: Photographs, *flips: str) -> TileBatches:
    return TileBatches(photographs, TILE, Augmentation.model_validate({"flip": flips}), CPU)


def unfolded(inputs: object) -> Tensor:
    assert isinstance(inputs, dict)
    return pixel_shuffle(inputs[FINE], TIMES)[:, 0]


@pytest.mark.parametrize("flips", [(), ("horizontal",), ("horizontal", "vertical")])
def test_labels_lie_on_the_pixels_that_they_are_of(photographs: Photographs, flips: tuple[str, ...]) -> None:
    for seed in range(8):
        batch = tiles(photographs, *flips).training([0, 1], Generator().manual_seed(seed))
        assert batch.label_map.shape == (2, TIMES * TILE, TIMES * TILE)
        assert torch.equal(batch.label_map, unfolded(batch.inputs).long())
        assert not (batch.label_map * (1 - batch.inside)).any()
        assert batch.labels.tolist() == [0, 0]


def test_every_tile_shows_something_and_not_always_the_same(photographs: Photographs) -> None:
    batches = [tiles(photographs).training([0], Generator().manual_seed(seed)) for seed in range(10)]
    assert all(batch.inside.mean() >= 0.5 for batch in batches)
    assert len({batch.label_map.sum().item() for batch in batches}) > 5


def test_one_seed_gives_one_batch(photographs: Photographs) -> None:
    source = tiles(photographs, "horizontal", "vertical")
    first, again = (source.training([1, 0], Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(unfolded(first.inputs), unfolded(again.inputs))


def test_tiles_are_laid_on_their_side_only_where_both_ways_of_mirroring_are_allowed(photographs: Photographs) -> None:
    rows = torch.arange(SIDE)[:, None].expand(SIDE, SIDE).byte()
    striped = replace(photographs, fine=rows.expand(2, TIMES**2, SIDE, SIDE).contiguous())

    def upright(*flips: str) -> list[bool]:
        batches = [tiles(striped, *flips).training([0], Generator().manual_seed(seed)) for seed in range(12)]
        return [bool((picture == picture[:, :, :1]).all()) for picture in (unfolded(each.inputs) for each in batches)]

    assert all(upright("vertical"))
    assert 0 < sum(upright("horizontal", "vertical")) < 12


def test_photographs_without_a_finer_square_are_refused(photographs: Photographs) -> None:
    with pytest.raises(TypeError, match="finer square"):
        finer_of(replace(photographs, fine=None))
