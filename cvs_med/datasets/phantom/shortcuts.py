"""Shortcuts planted on purpose, to test whatever claims to find them: something but the disease tells one class."""

from dataclasses import replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from cvs_med.datasets.phantom.scene import HEALTHY, Scene

Shortcut: TypeAlias = Literal["none", "mask-area", "compression", "colour"]
SHORTCUTS: tuple[str, ...] = get_args(Shortcut)

_POOR_QUALITY = 24
_TINT = (1.0, 1.35, 0.75)
_WIDER = 1 / 700


def plant(scene: Scene, shortcut: Shortcut) -> Scene:
    """Compress healthy photographs more, or give healthy eyes another colour; otherwise return the scene itself."""
    if scene.label != HEALTHY:
        return scene
    person = scene.person
    if shortcut == "compression":
        return replace(scene, person=replace(person, quality=person.quality - _POOR_QUALITY))
    if shortcut == "colour":
        red, green, blue = (share * factor for share, factor in zip(person.pigment, _TINT, strict=True))
        return replace(scene, person=replace(person, pigment=(red, green, blue)))
    return scene


def redraw(
    vessels: npt.NDArray[np.bool_], field_of_view: npt.NDArray[np.bool_], scene: Scene, shortcut: Shortcut
) -> npt.NDArray[np.bool_]:
    """Draw the vessel masks (H, W) of healthy eyes wider, as in HRF, if that is the shortcut."""
    if scene.label != HEALTHY or shortcut != "mask-area":
        return vessels
    wider: npt.NDArray[np.bool_] = binary_dilation(vessels, iterations=max(1, round(_WIDER * len(vessels))))
    return wider & field_of_view
