"""The shortcut audit: can the label be guessed without the disease?

A file holds one family of probes; `guessing` tries to guess the label from what a probe measured, `findings` says how
sure that is. A shortcut that is not found here may still be there.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvs_med.audit import borders, files, mask_style, masks, photographs
from cvs_med.audit.findings import Finding, find
from cvs_med.audit.guessing import deals, units
from cvs_med.audit.sample import Measures, Probe, decode
from cvs_med.audit.sittings import Groups, count_groups
from cvs_med.datasets import DataSet, read
from cvs_med.duplicates import Hash, Pair, image_hash, near_duplicates
from cvs_med.protocol_sections import Splits
from cvs_med.types import Case

PROBES: tuple[Probe, ...] = (
    masks.AREA,
    masks.SHAPE,
    mask_style.STYLE,
    files.SIZE,
    files.QUANTISATION,
    files.DATE,
    files.CAMERA,
    photographs.COLOUR,
    photographs.SHARPNESS,
    photographs.GEOMETRY,
    borders.OUTSIDE,
    borders.BORDER,
)

MOST_PER_CLASS = 200
"""Cases of each class that are looked at; of a larger data set so many are drawn."""

VERSION = 2
"""Part of what a kept audit is known by; raise it whenever a probe finds something else in the same files."""

FOLDS = 5
PERMUTATIONS = 999


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found in a data set.

    Attributes:
        dataset: its name.
        title: its full name.
        class_names: P names.
        counts: cases of each class that were looked at.
        splits: how the folds were dealt: `grouped` or `stratified`.
        folds: how many.
        permutations: of the labels.
        findings: one for each probe, the surest first.
        duplicates: images that are nearly the same.
        groups: patients or sittings.
    """

    dataset: str
    title: str
    class_names: tuple[str, ...]
    counts: tuple[int, ...]
    splits: str
    folds: int
    permutations: int
    findings: tuple[Finding, ...]
    duplicates: tuple[Pair, ...]
    groups: Groups

    @property
    def cases(self) -> int:
        """Number of cases that were looked at."""
        return sum(self.counts)


def audit(
    dataset: DataSet,
    root: Path,
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
    workers: int = 1,
    step: Callable[[int, int], None] = lambda done, total: None,
) -> Audit:
    """Look for shortcuts in a data set.

    Args:
        dataset: what it is.
        root: its folder.
        seed: of the draw, the folds and the permutations.
        permutations: of the labels; the smallest p-value is one over one more.
        workers: threads that decode and measure.
        step: hears how many of how many images are measured.

    Raises:
        DataError: the data set has faults, a class has fewer than two cases, or all cases are of one group.
    """
    every = read(dataset, root, folds=2)
    cases = _drawn(every, seed)
    kept = Counter(case.label for case in cases)
    kind = "grouped" if any(case.group for case in cases) else "stratified"
    # Fewer groups than folds cannot be dealt, and nobody can ask the audit for fewer folds.
    folds = max(2, min(FOLDS, len(set(units(cases))), *kept.values()))
    settings = Splits(kind=kind, folds=folds, seed=seed)
    measured: dict[str, list[Measures]] = {probe.name: [] for probe in PROBES}
    hashes: list[Hash] = []
    for measures, hashed in _measured(cases, workers, step):
        hashes.append(hashed)
        for name, found in measures.items():
            measured[name].append(found)
    dealt = deals(cases, settings, permutations)
    return Audit(
        dataset=dataset.name,
        title=dataset.title,
        class_names=dataset.class_names,
        counts=tuple(kept[label] for label in range(len(dataset.class_names))),
        splits=kind,
        folds=settings.folds,
        permutations=permutations,
        findings=tuple(find(PROBES, measured, cases, dealt, dataset.class_names, seed)),
        duplicates=tuple(near_duplicates(cases, hashes)),
        groups=count_groups(cases),
    )


def _drawn(cases: Sequence[Case], seed: int) -> list[Case]:
    """Draw as many of each class as are looked at, and keep the order."""
    rng = np.random.default_rng(seed)
    left: Counter[int] = Counter()
    kept = set()
    for place in rng.permutation(len(cases)).tolist():
        left[cases[place].label] += 1
        if left[cases[place].label] <= MOST_PER_CLASS:
            kept.add(place)
    return [cases[place] for place in sorted(kept)]


def _measured(
    cases: Sequence[Case], workers: int, step: Callable[[int, int], None]
) -> Iterator[tuple[dict[str, Measures], Hash]]:
    """Decode and measure the cases in their order; no more of them are held at once than there are workers."""
    with ThreadPoolExecutor(workers) as pool:
        for done, found in enumerate(pool.map(_measure, cases), start=1):
            step(done, len(cases))
            yield found


def _measure(case: Case) -> tuple[dict[str, Measures], Hash]:
    sample = decode(case)
    return {probe.name: probe.measure(sample) for probe in PROBES}, image_hash(sample.image)
