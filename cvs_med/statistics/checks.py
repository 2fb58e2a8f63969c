"""What the functions of this room ask of their numbers, and how they say what is wrong with them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from cvs_med.errors import StatisticsError
from cvs_med.types import Floats, Integers


def require(holds: bool | np.bool_, expected: str, found: object) -> None:
    """Refuse numbers that a statistic cannot be computed from.

    Raises:
        StatisticsError: the condition does not hold.
    """
    if not holds:
        raise StatisticsError(f"expected {expected}, found {found}")


def require_level(level: float) -> None:
    """Ask for the coverage of an interval, between 0 and 1 and neither of them."""
    require(0 < level < 1, "a level between 0 and 1", level)


def require_one_length(**arrays: npt.NDArray[Any]) -> None:
    """Ask for at least one case, and for one entry per case in every array (named for the message)."""
    lengths = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    found = ", ".join(f"{name} of {length}" for name, length in lengths.items())
    alike = len(set(lengths.values())) == 1 and min(lengths.values()) > 0
    require(alike, "one entry for each of at least one case", found)


def require_flags(**arrays: npt.NDArray[Any]) -> None:
    """Ask for arrays of yes and no, one entry per case: numbers would be taken for indices or summed."""
    require_one_length(**arrays)
    for name, array in arrays.items():
        require(array.dtype == np.bool_ and array.ndim == 1, f"{name} as booleans (N,)", _kind(array))


def require_labels(labels: npt.NDArray[Any], classes: int, name: str = "labels") -> None:
    """Ask for class numbers 0 to P - 1, (N,)."""
    require(labels.ndim == 1 and labels.dtype.kind in "iu", f"{name} as integers (N,)", _kind(labels))
    outside = sorted({int(label) for label in labels if not 0 <= label < classes})
    require(not outside, f"{name} from 0 to {classes - 1}", outside)


def require_finite(**arrays: Floats) -> None:
    """Ask for numbers: no NaN, no infinity."""
    for name, array in arrays.items():
        wrong = int(np.size(array) - np.isfinite(array).sum())
        require(wrong == 0, f"finite {name}", f"{wrong} that are not")


def require_shares(**arrays: Floats) -> None:
    """Ask for numbers from 0 to 1."""
    require_finite(**arrays)
    for name, array in arrays.items():
        outside = array[(array < 0) | (array > 1)]
        require(outside.size == 0, f"{name} from 0 to 1", f"{outside.size} outside")


def require_probabilities(probabilities: Floats) -> None:
    """Ask for (N, P) numbers from 0 to 1, each case's summing to one, of at least two classes."""
    table = probabilities.ndim == 2 and probabilities.shape[1] >= 2
    require(table, "probabilities (N, P) of at least two classes", f"shape {probabilities.shape}")
    require_shares(probabilities=probabilities)
    furthest = float(np.max(np.abs(probabilities.sum(axis=1) - 1), initial=0))
    require(furthest <= 1e-6, "probabilities that sum to 1", f"a sum that is {furthest:.3g} off")


def group_numbers(groups: npt.NDArray[Any]) -> Integers:
    """Number the groups of the cases 0 to G - 1, (N,).

    Raises:
        StatisticsError: a case has an empty group. All such cases would pass for one group; a case whose group
            is not known is a group of its own and needs a name of its own, such as its id.
    """
    require(groups.ndim == 1, "one group per case (N,)", _kind(groups))
    if groups.dtype.kind in "OU":
        nameless = int(np.sum(groups == ""))
        require(nameless == 0, "a group for every case (of a case without one, its id)", f"{nameless} empty")
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _kind(array: npt.NDArray[Any]) -> str:
    return f"{array.dtype} of shape {array.shape}"
