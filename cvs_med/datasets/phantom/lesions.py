"""Spots on the retina: signs of diabetic retinopathy and harmless distractors; the nerve-fibre wedge of glaucoma."""

from dataclasses import dataclass

import numpy as np

from cvs_med.datasets.phantom.canvas import Colour, Plane, Point, Sheet, cover, shade, step


@dataclass(frozen=True)
class Look:
    """How a kind of spot appears.

    Attributes:
        colour: filter (dark spots) or paint (bright spots).
        dark: whether the spot filters the light or covers what lies beneath.
        opacity: amount in the spot's middle, 0 to 1.
        softness: width of the margin as a share of the radius.
        roughness: how far the outline leaves an ellipse, as a share of the radius.
    """

    colour: Colour
    dark: bool
    opacity: float
    softness: float
    roughness: float


LOOKS = {
    "microaneurysm": Look((0.68, 0.34, 0.45), True, 0.85, 0.8, 0.1),
    "haemorrhage": Look((0.66, 0.30, 0.42), True, 0.92, 0.8, 0.35),
    "exudate": Look((0.97, 0.74, 0.38), False, 0.85, 0.8, 0.30),
    "cotton-wool": Look((0.96, 0.74, 0.52), False, 0.75, 1.5, 0.30),
    "drusen": Look((0.94, 0.56, 0.26), False, 0.42, 1.2, 0.15),
    "pigment": Look((0.72, 0.76, 0.90), True, 0.55, 1.4, 0.30),
    "reflection": Look((1.0, 0.72, 0.62), False, 0.22, 1.8, 0.20),
}


@dataclass(frozen=True)
class Lesion:
    """One spot.

    Attributes:
        kind: a key of `LOOKS`.
        centre: where, in heights from the picture's centre.
        radius: mean radius in heights.
        elongation: length over width.
        angle: direction of the length, radians.
        opacity: factor on the kind's opacity.
    """

    kind: str
    centre: Point
    radius: float
    elongation: float = 1.0
    angle: float = 0.0
    opacity: float = 1.0


@dataclass(frozen=True)
class Wedge:
    """A defect of the nerve-fibre layer that widens from the disc's margin along the arcade.

    Attributes:
        angle: direction at the disc from the line to the fovea, radians; negative is above.
        width: half the opening angle, radians.
        depth: share of the light that is lost, 0 to 1.
    """

    angle: float
    width: float
    depth: float


def wedge(rng: np.random.Generator) -> Wedge:
    """Draw a defect above or below the fovea."""
    side = 1 if rng.random() < 0.6 else -1
    return Wedge(side * float(rng.uniform(0.85, 1.25)), float(rng.uniform(0.12, 0.24)), float(rng.uniform(0.14, 0.32)))


def retinopathy(rng: np.random.Generator, disc: Point, fovea: Point) -> tuple[Lesion, ...]:
    """Draw the lesions of one eye, from mild (a few spots) to severe."""
    severity = rng.uniform(0.25, 1.0)
    spots = _microaneurysms(rng, 6 + rng.poisson(22 * severity), fovea)
    spots += _haemorrhages(rng, 3 + rng.poisson(11 * severity), disc, fovea)
    for _ in range(1 + rng.poisson(2.0 * severity)):
        spots += _exudates(rng, 8 + rng.poisson(26 * severity), fovea)
    for _ in range(rng.poisson(2.2 * severity)):
        spots.append(Lesion("cotton-wool", _near_arcade(rng, disc, fovea), float(rng.uniform(0.011, 0.020)), 1.4))
    return tuple(spots)


def harmless(rng: np.random.Generator, disc: Point, fovea: Point) -> tuple[Lesion, ...]:
    """Draw findings that occur in every class: drusen-like spots, pigment, reflections."""
    spots: list[Lesion] = []
    if rng.random() < 0.45:
        spots += [
            Lesion("drusen", _scattered(rng, fovea, 0.11), float(rng.uniform(0.0025, 0.006)))
            for _ in range(rng.integers(3, 22))
        ]
    if rng.random() < 0.25:
        radius, angle = float(rng.uniform(0.012, 0.04)), float(rng.uniform(0, np.pi))
        spots.append(Lesion("pigment", _scattered(rng, (0.0, 0.0), 0.28), radius, 1.3, angle))
    for _ in range(rng.poisson(2.5)):
        spots.append(_reflection(rng, disc, fovea))
    return tuple(spots)


def _reflection(rng: np.random.Generator, disc: Point, fovea: Point) -> Lesion:
    centre = _near_arcade(rng, disc, fovea)
    angle = float(np.arctan2(centre[1] - disc[1], centre[0] - disc[0]) + rng.normal(0, 0.3))
    size = float(rng.uniform(0.006, 0.014))
    return Lesion("reflection", centre, size, float(rng.uniform(2, 5)), angle, float(rng.uniform(0.4, 1.0)))


def _scattered(rng: np.random.Generator, centre: Point, spread: float) -> Point:
    x, y = rng.normal(0, spread, 2)
    return float(centre[0] + x), float(np.clip(centre[1] + y, -0.46, 0.46))


def _near_arcade(rng: np.random.Generator, disc: Point, fovea: Point) -> Point:
    """Return a place in the band of the temporal arcades."""
    along, side = rng.uniform(0.2, 1.2), rng.choice([-1.0, 1.0])
    x = disc[0] + along * (fovea[0] - disc[0])
    return float(x), float(np.clip(fovea[1] + side * rng.uniform(0.13, 0.33), -0.46, 0.46))


def _microaneurysms(rng: np.random.Generator, count: int, fovea: Point) -> list[Lesion]:
    middle = (fovea[0] * 0.7, fovea[1])
    return [
        Lesion("microaneurysm", _scattered(rng, middle, 0.24), float(rng.uniform(0.0024, 0.0046))) for _ in range(count)
    ]


def _haemorrhages(rng: np.random.Generator, count: int, disc: Point, fovea: Point) -> list[Lesion]:
    """Draw blots (deep, round) and flames (superficial, along the nerve fibres); many small, few large."""
    spots = []
    for _ in range(count):
        centre = _scattered(rng, fovea, 0.23) if rng.random() < 0.6 else _near_arcade(rng, disc, fovea)
        flame = rng.random() < 0.3
        fibres = float(np.arctan2(centre[1] - disc[1], centre[0] - disc[0]) + rng.normal(0, 0.25))
        radius = float(np.clip(np.exp(rng.normal(np.log(0.0095), 0.45)), 0.005, 0.026))
        spots.append(Lesion("haemorrhage", centre, radius, _stretch(rng, flame), fibres, _depth(rng)))
    return spots


def _stretch(rng: np.random.Generator, flame: bool) -> float:
    return float(rng.uniform(2, 3.5) if flame else rng.uniform(1, 1.6))


def _depth(rng: np.random.Generator) -> float:
    """Return a factor on the opacity: what lies deep in the retina shows less."""
    return float(rng.uniform(0.5, 1.0))


def _exudates(rng: np.random.Generator, count: int, fovea: Point) -> list[Lesion]:
    """Draw one group of hard exudates: a clump, or part of a ring about a leaking spot."""
    middle = _scattered(rng, fovea, 0.13)
    ring = rng.uniform(0.03, 0.07) if rng.random() < 0.45 else 0.0
    start, spread = rng.uniform(0, 2 * np.pi), rng.uniform(0.012, 0.032)
    spots = []
    for _ in range(count):
        turn = start + rng.uniform(0, 4.2)
        near = (middle[0] + ring * np.cos(turn), middle[1] + ring * np.sin(turn))
        centre = _scattered(rng, near, spread * (0.35 if ring else 1.0))
        radius = float(np.clip(np.exp(rng.normal(np.log(0.0034), 0.4)), 0.0018, 0.009))
        length, angle = float(rng.uniform(1, 1.8)), float(rng.uniform(0, np.pi))
        spots.append(Lesion("exudate", centre, radius, length, angle, _depth(rng)))
    return spots


def paint_lesions(picture: Plane, sheet: Sheet, spots: tuple[Lesion, ...]) -> None:
    """Lay the spots on the picture in place; only the patch about each is touched."""
    for spot in spots:
        look = LOOKS[spot.kind]
        window = sheet.patch(spot.centre, spot.radius * spot.elongation * 2 + 1 / sheet.size)
        part = picture[window]
        if part.size:
            (shade if look.dark else cover)(part, _amount(spot, look, sheet, window), look.colour)


def _amount(spot: Lesion, look: Look, sheet: Sheet, window: tuple[slice, slice]) -> Plane:
    """Return how much of each pixel of the patch the spot takes: an ellipse with a wavy, soft outline."""
    x = sheet.x[window] - np.float32(spot.centre[0])
    y = sheet.y[window] - np.float32(spot.centre[1])
    cosine, sine = np.float32(np.cos(spot.angle)), np.float32(np.sin(spot.angle))
    stretch = np.float32(np.sqrt(spot.elongation))
    along, aside = (x * cosine + y * sine) / stretch, (y * cosine - x * sine) * stretch
    turn = np.arctan2(aside, along)
    phase = np.float32(1e4 * (spot.centre[0] + spot.radius))
    waves = np.sin(2 * turn + phase) + 0.7 * np.sin(3 * turn + 2 * phase) + 0.6 * np.sin(5 * turn + 3 * phase)
    outline = np.float32(spot.radius) * (1 + np.float32(look.roughness / 2) * waves)
    margin = max(look.softness * spot.radius, 1 / sheet.size)
    return step((outline - np.hypot(along, aside)).astype(np.float32), margin) * np.float32(look.opacity * spot.opacity)
