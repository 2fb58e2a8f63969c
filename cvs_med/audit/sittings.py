"""What the groups of a data set (patients, sittings) mean for its splits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cvs_med.types import Case


@dataclass(frozen=True, slots=True)
class Groups:
    """How the cases are grouped.

    Attributes:
        known: number of cases whose group is known.
        groups: number of different groups.
        shared: cases that share their group with another.
        mixed: groups with cases of several classes.
    """

    known: int
    groups: int
    shared: int
    mixed: int

    def sentence(self) -> str:
        """Say it, with what to do."""
        if not self.known:
            return "Groups (patients, sittings) are not known: the intervals and tests take each image for a person."
        if not self.shared:
            return f"{self.known} images of {self.groups} groups (patients, sittings): no two of one group."
        return (
            f"{self.known} images of {self.groups} groups (patients, sittings); {self.shared} images share their group "
            "with another. Random folds put such images on both sides: use grouped ones (--splits grouped)."
        )


def count_groups(cases: Sequence[Case]) -> Groups:
    """Count the groups of the cases."""
    sizes = Counter(case.group for case in cases if case.group is not None)
    pairs = {(case.group, case.label) for case in cases if case.group is not None}
    labels = Counter(group for group, _ in pairs)
    return Groups(
        known=sizes.total(),
        groups=len(sizes),
        shared=sum(size for size in sizes.values() if size > 1),
        mixed=sum(count > 1 for count in labels.values()),
    )
