"""Settings of few values, such as JPEG tables, counted by class: a look at what the guess may be too blunt for."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2_contingency

from cvs_med.audit.sample import Measures
from cvs_med.types import Integers

MOST_SETTINGS = 4
LEVEL = 0.05


def uneven(measures: Sequence[Measures], labels: Integers, class_names: Sequence[str]) -> str | None:
    """Say how the commonest setting is spread over the classes, if unevenly.

    It counts images and forgets that some come from one group, so it raises a suspicion and never proves one.

    Args:
        measures: of each case.
        labels: (N,).
        class_names: P names.

    Returns:
        None where there are other than 2 to 4 settings, or chance spreads them as unevenly in 5 % (Pearson's test).
    """
    settings = [tuple(sorted(each.items())) for each in measures]
    kinds = [setting for setting, _ in Counter(settings).most_common()]
    if not 2 <= len(kinds) <= MOST_SETTINGS:
        return None
    counts = np.zeros((len(kinds), len(class_names)), dtype=np.int64)
    for setting, label in zip(settings, labels.tolist(), strict=True):
        counts[kinds.index(setting), label] += 1
    p = float(chi2_contingency(counts).pvalue)
    if p > LEVEL:
        return None
    shares = [
        f"{count} of {total} {name}" for count, total, name in zip(counts[0], counts.sum(0), class_names, strict=True)
    ]
    return f"the commonest of {len(kinds)} settings has {', '.join(shares)} (by image, groups forgotten: p is {p:.3f})"
