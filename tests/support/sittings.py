"""Cases in the shape of HRF, drawn again and again: 45 photographs of 28 sittings, 17 of them with two."""

from collections.abc import Iterator

import numpy as np

from cvs_med.statistics.intervals import Interval

ONE_MODEL, FIVE_FOLDS = np.zeros(45, dtype=np.int64), np.arange(45) // 9
# A third of every fold.
POSITIVE = np.arange(45) % 9 < 3


def sittings(times: int = 1) -> np.ndarray:
    return np.repeat(np.arange(28 * times), np.r_[np.full(17 * times, 2), np.ones(11 * times, dtype=np.int64)])


def quality(seed: int, count: int, groups: np.ndarray, alike: float) -> Iterator[np.ndarray]:
    """Draw standard normal numbers whose correlation inside a group is `alike`, again and again."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        shared, own = rng.normal(size=groups.max() + 1)[groups], rng.normal(size=groups.size)
        yield np.sqrt(alike) * shared + np.sqrt(1 - alike) * own


def covered(intervals: list[Interval | None], true: float) -> float:
    """Give the share of intervals that hold the truth; a missing one does not."""
    return float(np.mean([interval is not None and interval.low <= true <= interval.high for interval in intervals]))
