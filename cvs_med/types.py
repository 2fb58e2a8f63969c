"""The few things that every room hands to the next: a case, a network's output, a prediction.

Shapes: B images in a batch, P classes, H x W pixels. A label map holds 0 for background and c + 1 for class c.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # A finished run is looked at without a network library.
    from torch import Tensor

Array: TypeAlias = npt.NDArray[np.uint8]
Shape: TypeAlias = Literal["lines", "regions"]
"""Of a foreground: vessels are lines, also measured along their middle; a disc is a region, along its outline."""

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]


Part: TypeAlias = Literal["train", "test"]


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """One picture of many that were read at once from a packed file; all of them share the array.

    Attributes:
        pictures: photographs (N, H, W, 3) or masks of 0 and 255 (N, H, W), 8 bits.
        index: which of the N.
    """

    pictures: Array
    index: int

    @property
    def pixels(self) -> Array:
        """This picture, (H, W, 3) or (H, W), without a copy."""
        picture: Array = self.pictures[self.index]
        return picture


@dataclass(frozen=True, slots=True)
class Reading:
    """How a user's own files become pictures of 8 bits.

    Attributes:
        plane: which way a volume is cut.
        slice: which slice of it, from zero (from the patient's right, front or feet); or the middle one.
        window: centre and width of the values that are shown, instead of what the file says or holds.
    """

    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    slice: int | Literal["middle"] = "middle"
    window: tuple[float, float] | None = None


PLAIN = Reading()
"""The middle slice, and the values as the file says."""

Empty: TypeAlias = Literal["refused", "allowed", "field"]
"""What a mask without foreground means: a fault, no foreground, or the whole field of view as foreground."""


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file of a user's own folder, of any kind and bit depth that the package reads.

    Attributes:
        path: the file.
        reading: how its values become a picture.
        empty: what it means if it is a mask and empty.
    """

    path: Path
    reading: Reading = Reading()
    empty: Empty = "refused"


Picture: TypeAlias = Path | Packed | OwnFile
"""A file of a known data set, one of many in a packed file, or a file of a user's own folder."""


def file_of(picture: Picture) -> Path | None:
    """Give the file that holds a picture alone; None for one of many."""
    if isinstance(picture, Packed):
        return None
    return picture.path if isinstance(picture, OwnFile) else picture


def unit(group: str | None, case_id: str) -> str:
    """Name a group, or a case that is of none as a group of its own."""
    return group or f"case {case_id}"


@dataclass(frozen=True, slots=True)
class Case:
    """One image and what is known about it.

    Attributes:
        id: unique name within the data set; safe as a file name.
        image: the photograph.
        label: class of the image, 0 to P - 1.
        mask: binary foreground mask of the same size (0 and 255), if there is one; "field" makes the whole field of
            view the foreground.
        field_of_view: binary mask of the pixels that show the patient, if there is one; "automatic" finds them in the
            image.
        group: what must stay on one side of a split (a patient, a sitting), if known.
        part: the official part that the case belongs to, where the data set's authors made a train and a test part.
    """

    id: str
    image: Picture
    label: int
    mask: Picture | Literal["field"] | None = None
    field_of_view: Path | Literal["automatic"] | None = None
    group: str | None = None
    part: Part | None = None

    @property
    def unit(self) -> str:
        """What it is one with when cases are split or drawn: its group, or itself."""
        return unit(self.group, self.id)


class Output(NamedTuple):
    """What every network answers.

    Attributes:
        class_logits: (B, P).
        map_logits: (B, P + 1, H, W), or None for a network without a map; signs are not in it, see
            `label_maps.with_signs`.
        signs: (B, P, H, W), every pixel's share of the class logits as part of a small dark spot or of the nerve
            fibres, beside what follows from the map; None for a network that does not look at signs.
        finest: (B, k H, k W), the probability of foreground at a finer scale, whose means over k x k pixels are those
            of the map; None for a network without such a scale.
    """

    class_logits: "Tensor"
    map_logits: "Tensor | None"
    signs: "Tensor | None" = None
    finest: "Tensor | None" = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row of predictions.csv.

    Attributes:
        case_id: the case's name.
        group: the case's group, or an empty string.
        fold: the fold whose test part held the case.
        label: reference class.
        probabilities: one number per class, summing to one.
    """

    case_id: str
    group: str
    fold: int
    label: int
    probabilities: tuple[float, ...]

    @property
    def unit(self) -> str:
        """See `Case.unit`."""
        return unit(self.group, self.case_id)

    @property
    def predicted(self) -> int:
        """Class with the largest probability (the first of equals)."""
        return int(np.argmax(self.probabilities))
