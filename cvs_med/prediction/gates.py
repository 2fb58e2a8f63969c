"""What a run's networks were not made for is told, not diagnosed: two gates fitted on the training photographs.

The first looks at the picture (`quality`), the second at the encoder's features (`distance`). Both compare with limits
taken from training photographs alone. How often they stop a photograph like the training ones is estimated over the
run's folds: limits from the training part, alarms counted in the test part.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from cvs_med.prediction import distance, quality
from cvs_med.prediction.distance import Cloud
from cvs_med.prediction.quality import MEASURES
from cvs_med.types import Array, Floats, Integers

_QUALITY_WIDTH, _DISTANCE_WIDTH = 6.0, 4.0
"""Robust standard deviations from the median at which a gate closes. The quality gate is for plain faults, and its
seven measures are seven chances of a false alarm; so it is the wider one."""
_MOST_PARTS = 10

UNLIKE: Final = "unlike.json"
"""Beside the gates: which of the run's own photographs the second gate stops when it is fitted without their fold."""

Sample: TypeAlias = tuple[Array, Array]
"""Image (3, S, S) and field of view (S, S), 8 bits each."""


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """How many photographs like the training ones the gates stop, counted in folds that the limits had not seen.

    Attributes:
        quality: stopped by the first gate.
        distance: stopped by the second gate.
        either: stopped by any.
        photographs: of so many.
    """

    quality: int
    distance: int
    either: int
    photographs: int


@dataclass(frozen=True, slots=True, eq=False)
class Gates:
    """Both gates of a run; M measures.

    Attributes:
        low: (M,), least that passes.
        high: (M,), most that passes.
        cloud: the training photographs' features.
        limit: largest distance that passes; one number, kept as (1,).
        alarms: their false alarms.
    """

    low: Floats
    high: Floats
    cloud: Cloud
    limit: Floats
    alarms: FalseAlarms

    def reasons(self, image: Array, field_of_view: Array, pooled: Floats) -> list[str]:
        """Say why a photograph is none of those that the networks were made for; an empty list if it may be one."""
        said = outside(quality.measure(image, field_of_view), self.low, self.high)
        far = float(self.cloud.distance(pooled[None])[0])
        if not far <= self.limit[0]:
            said.append(f"unlike the training photographs (distance {far:.3g}, limit {self.limit[0]:.3g})")
        return said


def outside(values: Floats, low: Floats, high: Floats) -> list[str]:
    """Say which of a photograph's measures (M,) lie outside their limits."""
    said = []
    for measure, value, least, most in zip(MEASURES, values, low, high, strict=True):
        if not least <= value <= most:
            what = measure.low if value < least else measure.high
            said.append(f"{what} ({measure.name} {value:.3g}, training {least:.3g} to {most:.3g})")
    return said


def fit(samples: Sequence[Sample], folds: Sequence[Sequence[int]], pooled: Callable[[Array, Array], Floats]) -> Gates:
    """Fit both gates on all photographs, and count their false alarms over the folds.

    Args:
        samples: the training photographs.
        folds: at least two, which share all samples among them, as positions.
        pooled: gives a photograph's features; see `Ensemble.pooled`.
    """
    measured = np.stack([quality.measure(*sample) for sample in samples])
    features = np.stack([pooled(*sample) for sample in samples])
    parts = _parts(folds)
    low, high = limits(measured)
    limit = _limit(_held_out(features, parts))
    return Gates(low, high, distance.fit(features), limit, _count_alarms(measured, features, parts))


def _parts(folds: Sequence[Sequence[int]]) -> list[Integers]:
    """Put many folds together to a few parts: limits are fitted for each pair of them."""
    together = [[case for fold in folds[number::_MOST_PARTS] for case in fold] for number in range(_MOST_PARTS)]
    return [np.array(part, dtype=np.int64) for part in together if part]


def limits(measured: Floats) -> tuple[Floats, Floats]:
    """Give the least and the most of each measure, (M,) each, that passes beside measures (N, M)."""
    middle = np.median(measured, axis=0)
    least = np.array([measure.least for measure in MEASURES])
    width = _QUALITY_WIDTH * np.maximum(1.4826 * np.median(np.abs(measured - middle), axis=0), least / 2)
    return middle - width, middle + width


def _held_out(features: Floats, parts: Sequence[Integers]) -> Floats:
    """Measure each part's distance from the cloud of all others: what a new photograph of the same kind has."""
    found = np.empty(len(features))
    for part in parts:
        others = np.concatenate([other for other in parts if other is not part])
        found[part] = distance.fit(features[others]).distance(features[part])
    return found[np.concatenate(parts)]


def _limit(distances: Floats) -> Floats:
    """Set the limit on the logarithm, where distances are nearly symmetric."""
    logs = np.log(distances)
    middle = np.median(logs)
    deviation = max(1.4826 * float(np.median(np.abs(logs - middle))), 0.05)
    return np.array([np.exp(middle + _DISTANCE_WIDTH * deviation)])


def unlike(features: Floats, folds: Sequence[Sequence[int]]) -> list[bool]:
    """Say of each photograph whether the second gate stops it when it is fitted on the other folds alone.

    Args:
        features: (N, D), of the photographs.
        folds: as of `fit`.
    """
    found = np.zeros(len(features), dtype=np.bool_)
    parts = _parts(folds)
    for part, rest in _left_out(parts):
        found[part] = _far(features, part, rest)
    return [bool(value) for value in found]


def _count_alarms(measured: Floats, features: Floats, parts: Sequence[Integers]) -> FalseAlarms:
    """Fit on all parts but one, limits included, and count the alarms in that one."""
    by_quality: list[bool] = []
    by_distance: list[bool] = []
    for part, rest in _left_out(parts):
        low, high = limits(measured[np.concatenate(rest)])
        off = (measured[part] < low) | (measured[part] > high)
        by_quality += (bool(row.any()) for row in off)
        by_distance += _far(features, part, rest)
    either = np.logical_or(by_quality, by_distance)
    return FalseAlarms(sum(by_quality), sum(by_distance), int(either.sum()), len(either))


def _left_out(parts: Sequence[Integers]) -> Iterator[tuple[Integers, list[Integers]]]:
    """Leave each part out in turn: the part, and the others."""
    for part in parts:
        yield part, [other for other in parts if other is not part]


def _far(features: Floats, part: Integers, rest: Sequence[Integers]) -> list[bool]:
    """Say which photographs of a part are further than the gate allows that was fitted on the rest."""
    train = np.concatenate(rest)
    limit = _limit(_held_out(features, rest if len(rest) > 1 else [train[::2], train[1::2]]))
    return [bool(value > limit[0]) for value in distance.fit(features[train]).distance(features[part])]
