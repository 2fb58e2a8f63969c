"""What is kept, and shown, of an answer for one case: the label map, and the evidence for what was derived."""

import numpy as np
import numpy.typing as npt

from cvs_med.types import Array, Floats

Plane = npt.NDArray[np.float32]


def label_map(pixels: Plane) -> Array:
    """Give the label map (S, S): foreground where it is more probable than background, then its most probable class.

    Args:
        pixels: (P + 1, S, S), probability of background and of each class.
    """
    return np.asarray((pixels[0] < 0.5) * (pixels[1:].argmax(axis=0) + 1), dtype=np.uint8)


def of_map(pixels: Plane, inside: Array) -> dict[str, Array]:
    """Give label map and foreground (times 255); `inside` (S, S) is 1 in the field of view and 0 elsewhere."""
    return {"label_map": label_map(pixels) * inside, "foreground": np.rint((1 - pixels[0]) * 255).astype(np.uint8)}


def of_evidence(shares: Plane, scores: Floats) -> dict[str, npt.NDArray[np.generic]]:
    """Give the evidence for the derived class, and its margin over the runner-up.

    All classes share a part of their evidence, that of foreground against background; the margin leaves it out.

    Args:
        shares: (P, S, S), every pixel's exact share of every class's score.
        scores: (P,), their sums.
    """
    derived, rival = np.argsort(-scores, kind="stable")[:2].tolist()
    margin = shares[derived] - shares[rival]
    return {
        "evidence": shares[derived],
        "score": np.array(scores[derived], dtype=np.float32),
        "margin": margin,
        "margin_sum": np.array(margin.sum(dtype=np.float64), dtype=np.float32),
        "rival": np.array(rival),
    }
