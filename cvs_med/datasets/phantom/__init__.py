"""`phantom`: synthetic fundus photographs in the on-disk layout of HRF; healthy, diabetic retinopathy, glaucoma.

Nothing in it is a patient: it teaches the tools, and tests them. A network has to look for what an ophthalmologist
looks for (haemorrhages and exudates, the size of the cup, defects of nerve fibres); light, colour, sharpness, date and
compression are drawn without regard to the class, and persons differ more in their vessels than the diseases make
them differ.
"""

from pathlib import Path

from cvs_med.datasets.phantom.develop import develop
from cvs_med.datasets.phantom.files import write
from cvs_med.datasets.phantom.scene import compose
from cvs_med.datasets.phantom.shortcuts import SHORTCUTS, Shortcut, plant
from cvs_med.errors import CvsMedError

FEWEST_CASES = 3
SIZES = (64, 4096)

__all__ = ["make"]


def make(out: Path, *, cases: int = 60, size: int = 512, seed: int = 0, shortcut: Shortcut = "none") -> None:
    """Write a data set of synthetic photographs to `out` in HRF's layout (images/, manual1/, mask/).

    The same arguments give the same bytes, and a case does not depend on how many are made. The classes take turns.

    Args:
        out: folder to write to; made if missing, files of the same names are replaced.
        cases: how many photographs.
        size: height in pixels; the width is 3/2 of it.
        seed: which set; any whole number from 0.
        shortcut: what tells the healthy class without the disease; `none` for honest photographs.

    Raises:
        CvsMedError: an argument is out of range, or the folder cannot be written.
    """
    _check(cases, size, seed, shortcut)
    for number in range(cases):
        scene = plant(compose(seed, number), shortcut)
        write(out, scene, develop(scene, size, shortcut))


def _check(cases: int, size: int, seed: int, shortcut: str) -> None:
    if cases < FEWEST_CASES:
        raise CvsMedError(
            f"phantom: expected {FEWEST_CASES} cases or more, found {cases}. One of each class is needed."
        )
    if not SIZES[0] <= size <= SIZES[1]:
        raise CvsMedError(f"phantom: expected a size of {SIZES[0]} to {SIZES[1]} pixels, found {size}. Choose another.")
    if seed < 0:
        raise CvsMedError(f"phantom: expected a seed of 0 or more, found {seed}. Choose a whole number from 0.")
    if shortcut not in SHORTCUTS:
        raise CvsMedError(f"phantom: expected a shortcut of {', '.join(SHORTCUTS)}, found {shortcut}. Choose one.")
