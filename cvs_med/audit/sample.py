"""What a probe looks at, and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from scipy.ndimage import uniform_filter

from cvs_med.images import Mask, read_field_of_view, read_foreground, read_image
from cvs_med.types import Array, Case, Floats

Value: TypeAlias = float | str | None
"""A number, a name (of a camera, say), or None where a case does not have it."""

Measures: TypeAlias = dict[str, Value]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One case, decoded.

    Attributes:
        case: where it comes from; its label is not for a probe to read.
        image: (H, W, 3), 8 bits.
        view: (H, W), the pixels that show the patient; all of them where no field of view is known.
        mask: (H, W), the reference mask, if there is one.
    """

    case: Case
    image: Array
    view: Mask
    mask: Mask | None


@dataclass(frozen=True, slots=True)
class Probe:
    """One way to guess the label without the disease.

    Attributes:
        name: short, for tables and files.
        title: what is looked at, in words.
        advice: what to do if the label can be guessed from it.
        measure: gives a case's measures, by name; none where the case has nothing to measure.
    """

    name: str
    title: str
    advice: str
    measure: Callable[[Sample], Measures]


def decode(case: Case) -> Sample:
    """Read the pixels of a case.

    Raises:
        DataError: a file cannot be read, or a mask has another size than its photograph.
    """
    image = read_image(case.image)
    shape = (image.shape[0], image.shape[1])
    return Sample(case, image, read_field_of_view(case, shape, image), read_foreground(case, shape))


def halved(plane: Array | Mask) -> Floats:
    """Halve a plane (H, W) by the means of 2 x 2 pixels; a mask becomes the share of each that is covered."""
    rows, columns = plane.shape[0] // 2 * 2, plane.shape[1] // 2 * 2
    means: Floats = plane[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
    return means


def smoothed(plane: Floats, side: int) -> Floats:
    """Average a plane (H, W) over squares of that many pixels."""
    means: Floats = uniform_filter(plane, side)
    return means
