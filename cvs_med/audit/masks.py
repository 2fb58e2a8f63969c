"""Probes of the reference masks: how much they cover, and of what shape it is."""

from math import log

import numpy as np
from scipy.ndimage import distance_transform_edt, label

from cvs_med.audit.sample import Measures, Probe, Sample, halved


def area(sample: Sample) -> Measures:
    """Give the share of the field of view that the mask covers."""
    if sample.mask is None:
        return {}
    return {"share": float(sample.mask[sample.view].sum() / sample.view.sum())}


def shape(sample: Sample) -> Measures:
    """Give the number of pieces, and the mean width as a share of the image's height.

    Of a stripe, the mean distance to the outside is a quarter of the width.
    """
    if sample.mask is None:
        return {}
    half = halved(sample.mask) >= 0.5
    if not half.any():
        return {}
    # A frame of outside, or a mask that fills the image would have no distance to it.
    inside = distance_transform_edt(np.pad(half, 1))
    _, pieces = label(half, np.ones((3, 3)))
    return {"pieces": log(pieces), "width": float(4 * inside[inside > 0].mean() / half.shape[0])}


AREA = Probe(
    "mask-area",
    "area of the reference mask",
    "Compare every method with a guess from the mask's area; ask who drew the masks and whether they knew the class.",
    area,
)

SHAPE = Probe(
    "mask-shape",
    "pieces and width of the reference mask",
    "Look at masks of each class side by side: were they drawn by the same person, with the same rule for thin parts?",
    shape,
)
