"""Images that are nearly the same: saved again, resized or brightened, they hash alike.

The hash says for each of 16 x 16 places whether the image gets brighter to the right. Source: N. Krawetz, "Kind of
Like That" (dHash), 2013, with more places, since photographs of one organ look much alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from cvs_med.types import Array, Case

SIDE = 16
MOST_DIFFERENT = 12
"""Places, of 256, in which two hashes may differ."""

Hash = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images that are nearly the same.

    Attributes:
        first: a case's id.
        second: another's.
        same_label: whether they have one label.
        same_group: whether they have one group; a split by groups then keeps them together.
        different: places of the hashes in which they differ.
    """

    first: str
    second: str
    same_label: bool
    same_group: bool
    different: int


def image_hash(image: Array) -> Hash:
    """Hash an image (H, W, 3): (256,) booleans."""
    small = Image.fromarray(image).convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.int16)
    return (np.diff(grey, axis=1) > 0).ravel()


def near_duplicates(cases: Sequence[Case], hashes: Sequence[Hash]) -> list[Pair]:
    """List the pairs of images whose hashes differ in few places, the most alike first."""
    signs = np.where(np.stack(hashes), 1, -1).astype(np.float32)
    different = ((signs.shape[1] - signs @ signs.T) / 2).astype(np.int64)
    alike = np.argwhere(np.triu(different <= MOST_DIFFERENT, k=1)).tolist()
    pairs = [_pair(cases[one], cases[other], int(different[one, other])) for one, other in alike]
    return sorted(pairs, key=lambda pair: pair.different)


def _pair(one: Case, other: Case, different: int) -> Pair:
    same_group = one.group is not None and one.group == other.group
    return Pair(one.id, other.id, one.label == other.label, same_group, different)
