"""Probes of the photograph as a whole: colour, brightness, sharpness, geometry.

Medians rather than means: a few lesions move a mean or a variance, and lesions are the disease and no shortcut.
"""

from itertools import pairwise
from math import log

import numpy as np

from cvs_med.audit.sample import Measures, Probe, Sample, smoothed
from cvs_med.types import Floats

STEP = 2
"""A median needs only every second pixel each way."""


def colour(sample: Sample) -> Measures:
    """Give the median of each channel inside the field of view."""
    medians = np.median(sample.image[::STEP, ::STEP][sample.view[::STEP, ::STEP]], axis=0)
    return {name: float(value) for name, value in zip(("red", "green", "blue"), medians, strict=True)}


def sharpness(sample: Sample) -> Measures:
    """Give the median size of the detail of each fineness inside the field of view, as logarithms."""
    green, seen = sample.image[..., 1].astype(np.float64), sample.view[::STEP, ::STEP]
    levels = [green, *(smoothed(green, side) for side in (3, 9))]
    return {
        f"detail-{number}": log(_median_size((fine - coarse)[::STEP, ::STEP][seen]) + 1e-3)
        for number, (fine, coarse) in enumerate(pairwise(levels), start=1)
    }


def _median_size(detail: Floats) -> float:
    return float(np.median(np.abs(detail)))


def geometry(sample: Sample) -> Measures:
    """Give the size of the image, and where its field of view lies."""
    height, width = sample.view.shape
    sides = {"rows": sample.view.any(axis=1), "columns": sample.view.any(axis=0)}
    measures: Measures = {"height": float(height), "width": float(width), "view": float(sample.view.mean())}
    for name, seen in sides.items():
        places = np.flatnonzero(seen)
        measures |= {f"first-{name}": float(places[0] / seen.size), f"last-{name}": float(places[-1] / seen.size)}
    return measures


COLOUR = Probe(
    "colour",
    "median colour and brightness",
    "Balance colour and light between the classes, or augment colour strongly; pigment may also follow the patients' "
    "origin or age, so compare these between the classes.",
    colour,
)

SHARPNESS = Probe(
    "sharpness",
    "fine detail and noise where most of the image lies",
    "Focus, noise or compression differ by class: resize and blur alike, and see whether the result stays.",
    sharpness,
)

GEOMETRY = Probe(
    "geometry",
    "size of the image and place of its field of view",
    "Crop every image to its field of view and resize all alike.",
    geometry,
)
