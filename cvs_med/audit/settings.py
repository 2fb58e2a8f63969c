"""Settings of few values, such as JPEG tables, counted by class: a look at what the guess may be too blunt for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2_contingency
from scipy.stats.contingency import crosstab

from cvs_med.audit.guessing import Deal, among_permuted
from cvs_med.audit.sample import Measures
from cvs_med.types import Integers

MOST_SETTINGS = 4


@dataclass(frozen=True, slots=True)
class Spread:
    """How the commonest setting is spread over the classes.

    Attributes:
        counts: cases of each class that have it, in words.
        p: share of the permutations that spread the settings as unevenly.
    """

    counts: str
    p: float


def spread(measures: Sequence[Measures], every: Sequence[Deal], class_names: Sequence[str]) -> Spread | None:
    """Count the settings by class, and hold the count against permuted labels.

    Photographs of one sitting mostly have one setting: on HRF 16 of 17 pairs have the same JPEG tables. Pearson's test,
    which takes each image for a witness of its own, gives 0.036 there, and the permutation, which keeps groups
    together, 0.15. So Pearson's statistic is used, but not his distribution. With each sitting counted once it would be
    0.06: two settings in 28 sittings cannot be told from chance there, whatever the test.

    Args:
        measures: of each of N cases.
        every: the true deal and the permuted ones, see `guessing.deals`.
        class_names: P names.

    Returns:
        None where there are other than 2 to 4 settings.
    """
    settings = [tuple(sorted(each.items())) for each in measures]
    kinds = [setting for setting, _ in Counter(settings).most_common()]
    if not 2 <= len(kinds) <= MOST_SETTINGS:
        return None
    numbers = np.array([kinds.index(setting) for setting in settings])
    p = among_permuted(np.array([_unevenness(numbers, deal.labels) for deal in every]))
    return Spread(f"the commonest of {len(kinds)} settings has {_counts(numbers, every[0].labels, class_names)}", p)


def _unevenness(settings: Integers, labels: Integers) -> float:
    return float(chi2_contingency(crosstab(settings, labels).count, correction=False).statistic)


def _counts(settings: Integers, labels: Integers, class_names: Sequence[str]) -> str:
    members = [settings[labels == label] for label in range(len(class_names))]
    return ", ".join(
        f"{np.count_nonzero(of_class == 0)} of {of_class.size} {name}"
        for of_class, name in zip(members, class_names, strict=True)
    )
