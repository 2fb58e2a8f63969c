"""Many questions asked of the same cases."""

import numpy as np

from cvs_med.statistics.checks import require, require_shares
from cvs_med.types import Floats


def holm(p_values: Floats) -> Floats:
    """Adjust p-values so that the chance of any false finding among them stays below the level they are held against.

    Args:
        p_values: (K,), of all comparisons that were made, the disappointing ones too.

    Returns:
        (K,), in the same order.

    Raises:
        StatisticsError: a value is not between 0 and 1.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6
    (1979) 65-70.
    """
    require(p_values.ndim == 1, "p-values (K,)", f"shape {p_values.shape}")
    require_shares(p_values=p_values)
    order = np.argsort(p_values)
    scaled = p_values[order] * np.arange(p_values.size, 0, -1)
    adjusted = np.empty(p_values.size)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted
