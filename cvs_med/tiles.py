"""Tiles of the finer square, for the stage that finds the foreground there; see `networks.fine`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Generator, Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from cvs_med.augmentation import View
from cvs_med.batches import Batch
from cvs_med.cache import Photographs
from cvs_med.networks.fine import FINE
from cvs_med.protocol_sections import Augmentation

_TRIES: Final = 64
"""Pixels drawn to find one inside the field of view, which is most of a square."""


@dataclass(frozen=True, slots=True)
class TileBatches:
    """Tiles of photographs with a finer square, one of each case, mirrored at random as the augmentation allows.

    Where both ways of mirroring are allowed, no direction means anything, and tiles are also laid on their side.

    Attributes:
        photographs: with `fine` and `fine_foreground`.
        side: of a tile, in pixels of the square S.
        augmentation: says how tiles may be mirrored; nothing else is changed.
        device: where batches go.
    """

    photographs: Photographs
    side: int
    augmentation: Augmentation
    device: torch.device

    def training(self, cases: Sequence[int], generator: Generator) -> Batch:
        """Draw a tile of each of these cases: folded brightness (B, k * k, t, t), labels of k t x k t pixels."""
        tiles = torch.stack([self._tile(case, generator) for case in cases]).to(self.device).float() / 255
        brightness, foreground, inside = tiles.unbind(1)
        folded = pixel_unshuffle(brightness[:, None], tiles.shape[-1] // self.side)
        return Batch(
            {FINE: folded.contiguous(memory_format=torch.channels_last)},
            (foreground >= 0.5).long(),
            torch.zeros(len(tiles), dtype=torch.int64, device=self.device),
            (inside >= 0.5).float(),
        )

    def on(self, device: torch.device) -> "TileBatches":
        """Give the same tiles on another device."""
        return replace(self, device=device)

    def _tile(self, case: int, generator: Generator) -> Tensor:
        """Draw brightness, foreground and field of view of one tile, (3, k t, k t), 8 bits."""
        fine, foreground = finer_of(self.photographs)
        rows, columns = _around_a_seen_pixel(self.photographs.field_of_view[case], self.side, generator)
        times = round(fine.shape[1] ** 0.5)
        folded = torch.stack([fine[case, :, rows, columns], foreground[case, :, rows, columns]])
        inside = self.photographs.field_of_view[case, rows, columns]
        inside = inside.repeat_interleave(times, dim=0).repeat_interleave(times, dim=1)
        return self._mirrored(torch.cat([pixel_shuffle(folded, times)[:, 0], inside[None]]), generator)

    def _mirrored(self, planes: Tensor, generator: Generator) -> Tensor:
        ways = self.augmentation.flip
        left, up, aside = torch.randint(2, (3,), generator=generator).bool().tolist()
        view = View(horizontal=left and "horizontal" in ways, vertical=up and "vertical" in ways)
        turned = planes.transpose(-1, -2) if aside and len(ways) == 2 else planes
        return view.apply(turned)


def finer_of(photographs: Photographs) -> tuple[Tensor, Tensor]:
    """Give the brightness of the finer squares and their foreground, (N, k * k, S, S) each.

    Raises:
        TypeError: nobody asked for them when the photographs were prepared.
    """
    if photographs.fine is None or photographs.fine_foreground is None:
        raise TypeError("Expected photographs with a finer square.")
    return photographs.fine, photographs.fine_foreground


def _around_a_seen_pixel(seen: Tensor, side: int, generator: Generator) -> tuple[slice, slice]:
    """Draw where a tile lies in (S, S): around a pixel inside the field of view, but not beyond the square."""
    drawn = torch.randint(len(seen), (_TRIES, 2), generator=generator)
    # The first that is seen; listing all that are would take longer than all else of a tile.
    row, column = drawn[(seen[drawn[:, 0], drawn[:, 1]] >= 128).int().argmax()].tolist()
    top, left = (min(max(middle - side // 2, 0), len(seen) - side) for middle in (row, column))
    return slice(top, top + side), slice(left, left + side)
