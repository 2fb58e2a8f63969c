"""Intervals for a proportion."""

from math import sqrt
from statistics import NormalDist
from typing import NamedTuple


class Interval(NamedTuple):
    """Both ends of an interval, as shares between 0 and 1."""

    low: float
    high: float


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Give Wilson's score interval for a proportion.

    It treats the n trials as independent. Without trials nothing is known: 0 to 1.

    Args:
        successes: number of successes, 0 to n.
        n: number of trials.
        level: coverage, between 0 and 1.

    Raises:
        ValueError: the counts or the level are out of range.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927) 209-212.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"expected 0 <= successes <= n, found {successes} of {n}")
    if not 0 < level < 1:
        raise ValueError(f"expected a level between 0 and 1, found {level}")
    if n == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # Exactly 0 and 1 at the ends, where rounding would leave a crumb.
    return Interval(0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)
