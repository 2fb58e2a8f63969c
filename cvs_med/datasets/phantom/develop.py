"""From a scene to its three pictures: the photograph, the vessel mask and the field of view."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cvs_med.datasets.phantom import anatomy, camera, vessels
from cvs_med.datasets.phantom.canvas import blank_sheet
from cvs_med.datasets.phantom.lesions import paint_lesions
from cvs_med.datasets.phantom.scene import Scene
from cvs_med.datasets.phantom.shortcuts import Shortcut, redraw


@dataclass(frozen=True)
class Photograph:
    """What is written for one case.

    Attributes:
        image: (H, W, 3), uint8.
        vessels: (H, W), True where a vessel is drawn.
        field_of_view: (H, W), True where the camera sees the eye.
    """

    image: npt.NDArray[np.uint8]
    vessels: npt.NDArray[np.bool_]
    field_of_view: npt.NDArray[np.bool_]


def develop(scene: Scene, size: int, shortcut: Shortcut = "none") -> Photograph:
    """Paint the scene `size` pixels high, from the choroid forwards to the lens."""
    rng = np.random.default_rng(scene.texture_seed)
    sheet = blank_sheet(size)
    field_of_view = anatomy.field_of_view(sheet)
    picture = anatomy.background(rng, sheet, scene.person, scene.eye, scene.wedge)
    arteries, veins = vessels.trace(scene.arteries, sheet), vessels.trace(scene.veins, sheet)
    vessels.paint_vessels(picture, arteries, veins)
    paint_lesions(picture, sheet, scene.distractors)
    paint_lesions(picture, sheet, scene.lesions)
    image = camera.expose(rng, picture, sheet, scene.person, field_of_view)
    drawn = redraw(vessels.mask((arteries, veins), field_of_view), field_of_view, scene, shortcut)
    return Photograph(image, drawn, field_of_view)
