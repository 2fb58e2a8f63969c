"""The camera: uneven light, haze at the margin, defocus, sensor noise, and the developed 8-bit picture."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from cvs_med.datasets.phantom.canvas import Plane, Sheet, cloud, cover, step
from cvs_med.datasets.phantom.scene import Person


def expose(
    rng: np.random.Generator, picture: Plane, sheet: Sheet, person: Person, field_of_view: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """Return the photograph (H, W, 3) of a retina; the picture given is used up."""
    _haze(rng, picture, sheet)
    picture *= _light(rng, sheet, person)[..., None]
    picture *= gaussian_filter(field_of_view.astype(np.float32), 0.0009 * sheet.size)[..., None]
    _defocus(picture, person.blur * sheet.size)
    _shoulder(picture)
    _sensor_noise(rng, picture, person)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _light(rng: np.random.Generator, sheet: Sheet, person: Person) -> Plane:
    """Return the illumination: a flash that is off-centre, falls off to the margin, and is never quite even."""
    x, y = sheet.around((float(rng.normal(0, 0.11)), float(rng.normal(0, 0.08))))
    falloff = np.exp(np.float32(-rng.uniform(0.25, 1.15)) * (np.square(x) + np.square(y)))
    uneven = 1 + np.float32(0.03) * cloud(rng, sheet.shape, 2)
    light: Plane = np.float32(1.14 * person.exposure) * falloff * uneven
    return light


def _haze(rng: np.random.Generator, picture: Plane, sheet: Sheet) -> None:
    """Add the pale crescent that a badly centred pupil leaves at the margin, on one side, in some pictures."""
    strength = rng.uniform(0.1, 0.55) * (rng.random() < 0.5)
    turn = rng.uniform(0, 2 * np.pi)
    x, y = sheet.around((float(0.16 * np.cos(turn)), float(0.16 * np.sin(turn))))
    rim = step(np.hypot(x, y) - np.float32(0.78), 0.22)
    tint = (0.72, 0.44, 0.18) if rng.random() < 0.6 else (0.50, 0.34, 0.34)
    cover(picture, rim * np.float32(strength), tint)


def _defocus(picture: Plane, deviation: float) -> None:
    for channel in range(3):
        gaussian_filter(picture[..., channel], deviation, output=picture[..., channel], truncate=3)


def _shoulder(picture: Plane) -> None:
    """Compress the highlights softly, as a developed JPEG does, instead of cutting them at white."""
    bright = np.float32(0.78)
    over = np.maximum(picture - bright, 0)
    room = 1 - bright
    np.minimum(picture, bright, out=picture)
    picture += room * (1 - np.exp(-over / room))


def _sensor_noise(rng: np.random.Generator, picture: Plane, person: Person) -> None:
    """Add noise that grows with the root of the light, on a little read noise."""
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    picture += noise * np.float32(person.noise) * (np.sqrt(np.maximum(picture, 0)) + np.float32(0.05))
