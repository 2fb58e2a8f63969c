"""Probes of what lies at the edge: the image with its field of view blacked out, and the border alone."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from cvs_med.audit.sample import Measures, Probe, Sample
from cvs_med.images import Mask
from cvs_med.types import Array

STEP = 4
"""Every fourth pixel each way is enough for a border's colours."""

BORDER_SHARE = 0.05
"""Width of the border as a share of the smaller side."""

_EDGES = np.array([0, 16, 48, 96, 160, 256])
_CHANNELS = ("red", "green", "blue")


def outside(sample: Sample) -> Measures:
    """Give mean and spread of the colours outside the field of view; nothing where it fills the image."""
    dark = sample.image[~sample.view]
    if not len(dark):
        return {}
    return {
        f"{channel}-{name}": float(value)
        for name, values in (("mean", dark.mean(axis=0)), ("spread", dark.std(axis=0)))
        for channel, value in zip(_CHANNELS, values, strict=True)
    }


def border(sample: Sample) -> Measures:
    """Give a coarse histogram of each channel over the outermost ring of the field of view."""
    image, ring = sample.image[::STEP, ::STEP], _ring(sample.view[::STEP, ::STEP])
    return {
        f"{channel}-{number}": share
        for place, channel in enumerate(_CHANNELS)
        for number, share in enumerate(_histogram(image[..., place][ring]))
    }


def _ring(view: Mask) -> Mask:
    depth = distance_transform_edt(np.pad(view, 1))[1:-1, 1:-1]
    ring: Mask = view & (depth <= max(1.0, BORDER_SHARE * min(view.shape)))
    return ring


def _histogram(values: Array) -> list[float]:
    counts, _ = np.histogram(values, _EDGES)
    return [float(count) for count in counts / max(values.size, 1)]


OUTSIDE = Probe(
    "outside-view",
    "the image with its field of view blacked out",
    "Set everything outside the field of view to black before training.",
    outside,
)

BORDER = Probe(
    "border",
    "colours of the field of view's border",
    "Crop the border away before training: light and haze there differ by class.",
    border,
)
