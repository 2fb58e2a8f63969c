"""GrabCut with a centre prior: foreground masks for small photographs of one thing each, such as those of CIFAR.

Rother, Kolmogorov, Blake: "GrabCut: interactive foreground extraction using iterated graph cuts", ACM Transactions on
Graphics 23(3), 2004. GrabCut wants a person's hint; here the hint is that a photographer puts the thing in the middle:
a small disc in the centre is foreground, the outermost pixels are background, and a larger disc is foreground until
colours and edges say otherwise. The photograph is enlarged first: the weight of an edge is fixed within GrabCut, so
that at 32 pixels smoothness wins over colour and the foreground shrinks to nothing. The numbers were chosen by looking
at ten images of each class of CIFAR-10.

A stand-in for masks by hand, not their equal. OpenCV does the work; scikit-image has no GrabCut.
"""

from types import ModuleType
from typing import Final

import numpy as np
import numpy.typing as npt

from cvs_med.errors import CvsMedError
from cvs_med.images import Mask
from cvs_med.types import Array

SIDE: Final = 192
"""Side of the enlarged photograph in pixels."""

CORE: Final = 0.1
"""Radius of the disc that is foreground for certain, as a share of the side."""

PRIOR: Final = 0.42
"""Radius of the disc that is foreground at the start, as a share of the side."""

ITERATIONS: Final = 5

ELLIPSE: Final = 0.35
"""Radius of the disc that stands in where the cut finds nothing."""

LEAST: Final = 0.05
MOST: Final = 0.85
"""Shares of the image between which a foreground is believed: the core and the frame alone give 0.03 and 0.88."""

SETTINGS: Final = {
    "side": SIDE, "core": CORE, "prior": PRIOR, "iterations": ITERATIONS, "ellipse": ELLIPSE, "least": LEAST,
    "most": MOST,
}  # fmt: skip


def opencv() -> ModuleType:
    """Import OpenCV, which only this module needs.

    Raises:
        CvsMedError: it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise CvsMedError(
            "GrabCut: expected OpenCV, found that it is not installed. Run `pip install 'cvs-med[masks]'`."
        ) from error
    return cv2


def cut(image: Array, seed: int) -> tuple[Mask, bool]:
    """Find the foreground of a small square photograph.

    Args:
        image: (H, H, 3), 8 bits.
        seed: of the clustering of colours within GrabCut.

    Returns:
        Mask (H, H), and whether it is but a centred ellipse because the cut left next to nothing or nearly all.
    """
    enlarged = _cut_enlarged(image, seed)
    mask = _reduced(enlarged, image.shape[0]) >= 0.5
    if LEAST <= mask.mean() <= MOST:
        return mask, False
    return _disc(image.shape[0], ELLIPSE), True


def _cut_enlarged(image: Array, seed: int) -> Mask:
    """Cut the enlarged photograph, and keep what hangs together with its centre."""
    cv2 = opencv()
    large = cv2.resize(np.ascontiguousarray(image), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    hints = _hints(cv2, frame=-(-SIDE // image.shape[0]))
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    # OpenCV's generator belongs to the thread, so that threads do not disturb each other; its seeds have 31 bits.
    cv2.setRNGSeed(seed % 2**31)
    cv2.grabCut(large, hints, None, background, foreground, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    found = (hints == cv2.GC_FGD) | (hints == cv2.GC_PR_FGD)
    _, pieces = cv2.connectedComponents(found.astype(np.uint8))
    return np.asarray(found & (pieces == pieces[SIDE // 2, SIDE // 2]))


def _hints(cv2: ModuleType, frame: int) -> Array:
    """Draw the centre prior, with a frame of certain background as wide as one pixel of the photograph."""
    hints = np.full((SIDE, SIDE), cv2.GC_PR_BGD, dtype=np.uint8)
    hints[_disc(SIDE, PRIOR)] = cv2.GC_PR_FGD
    hints[_disc(SIDE, CORE)] = cv2.GC_FGD
    inside = np.zeros_like(hints, dtype=np.bool_)
    inside[frame:-frame, frame:-frame] = True
    hints[~inside] = cv2.GC_BGD
    return hints


def _disc(side: int, radius: float) -> Mask:
    """Draw a centred disc whose radius is a share of the side."""
    offsets = np.arange(side) - (side - 1) / 2
    inside: Mask = np.hypot(offsets[:, None], offsets[None]) <= radius * side
    return inside


def _reduced(mask: Mask, side: int) -> npt.NDArray[np.float32]:
    """Give the share of the foreground in every pixel of the photograph, (H, H)."""
    cv2 = opencv()
    return np.asarray(cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA))
