"""What is photographed: persons, eyes and what ails them, drawn at random before anything is painted.

Each stream of random numbers is keyed by the seed and by the case (or the person), so a case never depends on how many
others are made. Whatever a camera could give away (date, light, colour, sharpness, compression), and how wide and how
many the vessels are, is drawn without looking at the class: real glaucoma thins vessels, but here nothing beside the
disc, the nerve-fibre layer and the lesions may tell a class.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from cvs_med.datasets.phantom import lesions, trees
from cvs_med.datasets.phantom.canvas import Colour, Point
from cvs_med.datasets.phantom.lesions import Lesion, Wedge

CLASSES = ("h", "dr", "g")
HEALTHY, RETINOPATHY, GLAUCOMA = range(3)
_PERSON, _EYE, _ALIKE = 1, 2, 3
_FIRST_DAY = datetime(2021, 3, 1)
# Of every six cases of a class the first two are the eyes of one person: a third of all cases.
_BLOCK = 6


@dataclass(frozen=True)
class Person:
    """What both eyes and the sitting share.

    Attributes:
        first_case: number of the person's first case.
        taken: when the first photograph was taken.
        pigment: colour of the fundus in full light.
        tessellation: how far the choroid's vessels show, 0 to 1.
        sheen: how bright the nerve-fibre layer shines (young eyes), 0 to 1.
        calibre: factor on the vessels' width.
        density: factor on the number of vessels.
        disc_radius: radius of the optic disc, in heights.
        exposure: factor on the light.
        blur: defocus, standard deviation in heights.
        noise: standard deviation of the sensor's noise.
        quality: JPEG quality.
    """

    first_case: int
    taken: datetime
    pigment: Colour
    tessellation: float
    sheen: float
    calibre: float
    density: float
    disc_radius: float
    exposure: float
    blur: float
    noise: float
    quality: int


@dataclass(frozen=True)
class Eye:
    """Landmarks of one eye as the camera sees them.

    Attributes:
        temporal: +1 where the temple is to the right of the picture (a left eye), else -1.
        disc: centre of the optic disc.
        fovea: centre of the macula.
        cup: vertical cup-to-disc ratio.
    """

    temporal: int
    disc: Point
    fovea: Point
    cup: float


@dataclass(frozen=True)
class Scene:
    """Everything that one photograph shows.

    Attributes:
        number: the case, counted from 0.
        label: 0 healthy, 1 diabetic retinopathy, 2 glaucoma.
        taken: when this photograph was taken.
        texture_seed: key of the random numbers of texture and noise.
        lesions: signs of diabetic retinopathy.
        distractors: harmless findings, drawn without looking at the class.
        wedge: nerve-fibre-layer defect, if there is one.
    """

    number: int
    label: int
    taken: datetime
    texture_seed: tuple[int, ...]
    person: Person
    eye: Eye
    arteries: trees.Tree
    veins: trees.Tree
    lesions: tuple[Lesion, ...]
    distractors: tuple[Lesion, ...]
    wedge: Wedge | None

    @property
    def name(self) -> str:
        """File name without its ending, as in HRF: 01_h, 01_dr, 01_g, 02_h ..."""
        return f"{self.number // len(CLASSES) + 1:02d}_{CLASSES[self.label]}"


def first_case(number: int) -> int:
    """Return the first case of the person to whom case `number` belongs."""
    place = number // len(CLASSES) % _BLOCK
    return number - len(CLASSES) if place == 1 else number


def compose(seed: int, number: int) -> Scene:
    """Draw case `number` of the set `seed`."""
    label = number % len(CLASSES)
    person = person_of(seed, number)
    rng = np.random.default_rng([seed, _EYE, number])
    eye = _eye(rng, label, second=number != person.first_case, side_of=person)
    arteries, veins = trees.grow(rng, trees.Habit(person.calibre, person.density), eye.disc, eye.fovea)
    delay = timedelta(seconds=int(rng.integers(90, 420)))
    return Scene(
        number=number,
        label=label,
        taken=person.taken + (delay if number != person.first_case else timedelta()),
        texture_seed=(seed, _EYE, number, 1),
        person=person,
        eye=eye,
        arteries=arteries,
        veins=veins,
        distractors=lesions.harmless(rng, eye.disc, eye.fovea),
        lesions=lesions.retinopathy(rng, eye.disc, eye.fovea) if label == RETINOPATHY else (),
        wedge=lesions.wedge(rng) if label == GLAUCOMA else None,
    )


def person_of(seed: int, number: int) -> Person:
    """Draw the person of case `number`: the same for both eyes."""
    first = first_case(number)
    rng = np.random.default_rng([seed, _PERSON, first])
    # One person of each class is photographed alike and has vessels as wide and as many: drawn apart, a few dozen
    # persons can differ by class in sharpness, or in the area of their masks.
    alike = np.random.default_rng([seed, _ALIKE, first // len(CLASSES)])
    return Person(
        first_case=first,
        taken=_appointment(rng, first),
        pigment=_pigment(rng),
        tessellation=float(rng.beta(1.2, 1.8)),
        sheen=float(rng.beta(1.3, 1.6)),
        calibre=float(np.exp(alike.normal(0, 0.15))),
        density=float(np.exp(alike.normal(0, 0.18))),
        disc_radius=float(rng.uniform(0.062, 0.083)),
        exposure=float(alike.uniform(0.88, 1.10)),
        blur=float(alike.uniform(0.0006, 0.0022)),
        noise=float(alike.uniform(0.004, 0.018)),
        quality=int(alike.integers(88, 96)),
    )


def _appointment(rng: np.random.Generator, number: int) -> datetime:
    """Two sittings a day, morning and afternoon: hours apart, and out of step with the three classes."""
    opening = timedelta(days=number // 2, hours=(8, 14)[number % 2])
    return _FIRST_DAY + opening + timedelta(seconds=int(rng.integers(0, 2 * 3600)))


def _pigment(rng: np.random.Generator) -> Colour:
    red = rng.uniform(0.66, 0.85)
    green = min(float(np.exp(rng.normal(np.log(0.22), 0.17))), 0.36)
    blue = green * rng.uniform(0.40, 0.60)
    return float(red), green, float(blue)


def _eye(rng: np.random.Generator, label: int, *, second: bool, side_of: Person) -> Eye:
    right_first = side_of.taken.second % 2 == 0
    temporal = 1 if second == right_first else -1
    x, y = rng.uniform(0.27, 0.40), rng.uniform(-0.045, 0.035)
    apart, lower = rng.uniform(0.335, 0.375), rng.uniform(0.005, 0.045)
    cup = rng.normal(0.65, 0.07) if label == GLAUCOMA else rng.normal(0.39, 0.08)
    disc = (-temporal * x, y)
    fovea = (disc[0] + temporal * apart, y + lower)
    return Eye(temporal, (float(disc[0]), float(y)), (float(fovea[0]), float(fovea[1])), float(np.clip(cup, 0.2, 0.86)))
