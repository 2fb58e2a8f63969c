"""The eye's background before the vessels: field of view, pigment, choroid, nerve fibres, macula and optic disc."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from cvs_med.datasets.phantom.canvas import Colour, Plane, Sheet, bell, cloud, cover, shade, step
from cvs_med.datasets.phantom.lesions import Wedge
from cvs_med.datasets.phantom.scene import Eye, Person

# HRF: a circle from column 130 to 3393 of a picture 3504 wide and 2336 high, with a small tab at the upper right.
FIELD_RADIUS = (3393 - 130) / 2 / 2336
_TAB, _TAB_RADIUS = (0.556, -0.430), 0.030
_CHOROID_TINT: Colour = (1.10, 1.30, 1.22)
_PIGMENT_TINT: Colour = (0.80, 0.88, 0.98)
_MACULA_TINT: Colour = (0.66, 0.52, 0.62)
_SHEEN: Colour = (0.90, 0.56, 0.44)
_RIM: Colour = (0.95, 0.53, 0.29)
_CUP: Colour = (1.0, 0.86, 0.56)


def field_of_view(sheet: Sheet) -> npt.NDArray[np.bool_]:
    """Return the pixels that the camera's aperture lets through."""
    tab_x, tab_y = sheet.around(_TAB)
    return (np.hypot(sheet.x, sheet.y) <= FIELD_RADIUS) | (np.hypot(tab_x, tab_y) <= _TAB_RADIUS)


def background(rng: np.random.Generator, sheet: Sheet, person: Person, eye: Eye, wedge: Wedge | None) -> Plane:
    """Return the retina without vessels, (H, W, 3), in full light."""
    picture = np.broadcast_to(np.asarray(person.pigment, dtype=np.float32), (*sheet.shape, 3)).copy()
    _mottle(rng, picture, sheet)
    _choroid(rng, picture, sheet, person, eye)
    _macula(rng, picture, sheet, eye)
    _nerve_fibres(rng, picture, sheet, person, eye, wedge)
    _disc(rng, picture, sheet, person, eye)
    return picture


def _mottle(rng: np.random.Generator, picture: Plane, sheet: Sheet) -> None:
    """Vary the pigment epithelium from broad patches down to grain."""
    roughness = np.float32(rng.uniform(0.5, 1.9))
    for cells, strength in ((3, 0.05), (9, 0.022), (40, 0.014), (130, 0.018)):
        mottle = roughness * np.float32(strength) * cloud(rng, sheet.shape, cells)
        picture *= 1 + mottle[..., None] * np.array([0.6, 1.5, 1.2], dtype=np.float32)


def _choroid(rng: np.random.Generator, picture: Plane, sheet: Sheet, person: Person, eye: Eye) -> None:
    """Let the choroid's vessels show as orange ribbons between dark pigment, most of all away from the macula."""
    ribbons, islands = _ribbons(rng, sheet, eye)
    x, y = sheet.around(eye.fovea)
    periphery = 1 - bell(np.hypot(x, y), 0.24)
    patchy = np.clip(0.5 + 0.45 * cloud(rng, sheet.shape, 3), 0, 1)
    visible = np.float32(person.tessellation) * periphery * patchy
    shade(picture, visible * islands, _PIGMENT_TINT)
    shade(picture, visible * ribbons * np.float32(0.8), _CHOROID_TINT)


def _ribbons(rng: np.random.Generator, sheet: Sheet, eye: Eye) -> tuple[Plane, Plane]:
    """Return ribbons that radiate from the posterior pole and join, and the islands between them."""
    x, y = sheet.around((0.6 * eye.disc[0] + 0.4 * eye.fovea[0], 0.0))
    warp = np.float32(0.035) * cloud(rng, sheet.shape, 6)
    turn = np.arctan2(y + warp, x - warp)
    reach = np.hypot(x, y) + warp
    grain = cloud(rng, (128, 256), 58)
    where = np.stack([reach * np.float32(24), (turn / np.float32(2 * np.pi) + np.float32(0.5)) * np.float32(255)])
    noise = map_coordinates(grain, where, order=1, mode="mirror")
    ribbons = np.exp(-np.square(noise / np.float32(0.38)), dtype=np.float32)
    return ribbons, np.clip(np.abs(noise) - np.float32(0.6), 0, 1)


def _macula(rng: np.random.Generator, picture: Plane, sheet: Sheet, eye: Eye) -> None:
    """Darken the macula, with the foveola's deeper spot and sometimes its reflex."""
    x, y = sheet.around(eye.fovea)
    distance = np.hypot(x, y * np.float32(1.1))
    shade(picture, bell(distance, rng.uniform(0.06, 0.10)) * np.float32(rng.uniform(0.45, 0.85)), _MACULA_TINT)
    shade(picture, bell(distance, 0.022) * np.float32(rng.uniform(0.2, 0.5)), _MACULA_TINT)
    reflex = rng.uniform(0, 0.35) * (rng.random() < 0.5)
    cover(picture, bell(distance, 0.004) * np.float32(reflex), (1.0, 0.75, 0.6))


def _nerve_fibres(
    rng: np.random.Generator, picture: Plane, sheet: Sheet, person: Person, eye: Eye, wedge: Wedge | None
) -> None:
    """Lay the nerve fibres' striped shine along the arcades, and take from it what a wedge has lost."""
    x, y = sheet.around(eye.disc)
    reach = np.hypot(x, y)
    turn = np.arctan2(y, x * np.float32(eye.temporal))
    # Fibres arch about the fovea: their direction at the disc is steeper than where they are now.
    origin = turn + np.sign(turn) * np.minimum(reach, np.float32(0.6)) * np.float32(0.85)
    stripes = _stripes(rng, origin, reach)
    arcuate, nasal = bell(np.abs(origin) - np.float32(1.25), 0.38), bell(np.abs(turn) - np.float32(2.4), 0.5)
    shine = (
        (arcuate + np.float32(0.35) * nasal)
        * np.exp(-reach / np.float32(0.22))
        * stripes
        * np.float32(0.42 * person.sheen)
    )
    if wedge is not None:
        lost = _lost(origin, reach, wedge, person.disc_radius)
        shine *= 1 - lost
        shade(picture, lost * np.float32(wedge.depth), (0.42, 0.30, 0.42))
    cover(picture, np.clip(shine, 0, 0.6), _SHEEN)


def _stripes(rng: np.random.Generator, origin: Plane, reach: Plane) -> Plane:
    table = cloud(rng, (64, 1024), 64)
    where = np.stack([reach * np.float32(12), (origin / np.float32(8) + np.float32(0.5)) * np.float32(1023)])
    stripes: Plane = 1 + np.float32(0.22) * map_coordinates(table, where, order=1, mode="mirror")
    return stripes


def _lost(origin: Plane, reach: Plane, wedge: Wedge, disc_radius: float) -> Plane:
    opening = np.float32(wedge.width) - np.abs(origin - np.float32(wedge.angle))
    begins = step(reach - np.float32(disc_radius), 0.03)
    return step(opening, 0.10) * begins * bell(reach, 0.34)


def _disc(rng: np.random.Generator, picture: Plane, sheet: Sheet, person: Person, eye: Eye) -> None:
    """Paint halo, rim and cup; the cup lies a little to the temporal side, where the rim is thinnest and palest."""
    x, y = sheet.around(eye.disc)
    tall = np.float32(rng.uniform(1.0, 1.12))
    wobble = np.float32(0.0018) * cloud(rng, sheet.shape, 14)
    distance = np.hypot(x * tall, y) + wobble
    radius = person.disc_radius
    shade(picture, bell(distance, 1.7 * radius), (1.08, 1.22, 1.18))
    _crescent(rng, picture, x, distance, radius, eye)
    temporal = np.clip(x * np.float32(eye.temporal / radius), -1, 1)
    paleness = np.float32(rng.uniform(0.62, 0.90)) + np.float32(0.08) * temporal
    cover(picture, step(radius - distance, 0.018) * paleness, _RIM)
    cup_x = x - np.float32(eye.temporal * 0.10 * radius)
    cup = np.hypot(cup_x * tall, y) + wobble
    floor = step(np.float32(eye.cup * radius) - cup, rng.uniform(0.018, 0.034))
    cover(picture, floor * np.float32(_pallor(rng, eye.cup)), _CUP)


def _pallor(rng: np.random.Generator, cup: float) -> float:
    """Return how pale the cup is: a wide one less, or the colour's spread alone would tell glaucoma."""
    return float(np.clip(rng.uniform(0.55, 0.90) * (0.5 / cup) ** 0.75, 0.35, 1.0))


def _crescent(rng: np.random.Generator, picture: Plane, x: Plane, distance: Plane, radius: float, eye: Eye) -> None:
    """Sometimes leave a pigmented or pale crescent at the temporal margin."""
    strength = rng.uniform(0.3, 0.9) * (rng.random() < 0.45)
    band = bell(distance - np.float32(1.08 * radius), 0.10 * radius)
    crescent = band * np.clip(x * np.float32(eye.temporal / radius), 0, 1) * np.float32(strength)
    if rng.random() < 0.5:
        shade(picture, crescent, (0.60, 0.60, 0.70))
    else:
        cover(picture, crescent * np.float32(0.6), (0.90, 0.60, 0.36))
