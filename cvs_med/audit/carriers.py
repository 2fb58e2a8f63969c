"""Carriers: what a network can see in the pixels that follows a date or a camera which gives the label away.

A network cannot read a date. But tables of compression, colour or border change with time or with the camera, and so
carry it into the pixels. Such a probe alone may be too blunt to guess the label from few cases.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cvs_med.audit import borders, files, photographs
from cvs_med.audit.guessing import among_permuted, units
from cvs_med.statistics.multiplicity import holm
from cvs_med.types import Case, Floats, Integers

PROVENANCE: Final = (files.DATE, files.CAMERA)
IN_PIXELS: Final = (
    files.QUANTISATION,
    photographs.COLOUR,
    photographs.SHARPNESS,
    photographs.GEOMETRY,
    borders.OUTSIDE,
    borders.BORDER,
)


@dataclass(frozen=True, slots=True)
class Carrier:
    """What a probe follows.

    Attributes:
        follows: the title of the probe that gives the label away.
        p: of the permutations, corrected over all pairs that were looked at (Holm).
    """

    follows: str
    p: float


def carriers(
    columns: Mapping[str, Floats], found: Sequence[str], cases: Sequence[Case], *, permutations: int, seed: int
) -> dict[str, Carrier]:
    """Hold each probe of the pixels that was not found beside each probe of provenance that was.

    Whole groups exchange their dates or cameras, and only among groups of the same labels: what the disease itself does
    to a photograph is the same before and after, and is no link.

    Args:
        columns: by the probe's name, its standardised columns (N, D); see `guessing.design`.
        found: names of the probes that were found.
        cases: N cases.
        permutations: how often the groups exchange.
        seed: of the exchanges.

    Returns:
        By the probe's name, the surest link; none for a probe without one.
    """
    pairs = [
        (probe.name, source)
        for source in PROVENANCE
        for probe in IN_PIXELS
        if source.name in found and probe.name not in found and columns[probe.name].shape[1]
    ]
    rng = np.random.default_rng(seed)
    orders = [np.arange(len(cases)), *(_exchanged(cases, rng) for _ in range(permutations))]
    p_values = [_p(columns[name], columns[source.name], orders) for name, source in pairs]
    links: dict[str, Carrier] = {}
    for (name, source), p in zip(pairs, holm(np.array(p_values)).tolist() if pairs else [], strict=True):
        if name not in links or p < links[name].p:
            links[name] = Carrier(source.title, p)
    return links


def _exchanged(cases: Sequence[Case], rng: np.random.Generator) -> Integers:
    """Give an order of the cases in which groups of the same labels have changed places, (N,)."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(units(cases).tolist()):
        members[name].append(place)
    alike: defaultdict[tuple[int, ...], list[list[int]]] = defaultdict(list)
    for group in members.values():
        alike[tuple(cases[place].label for place in group)].append(group)
    order = np.arange(len(cases))
    for groups in alike.values():
        for target, source in zip(groups, rng.permutation(len(groups)).tolist(), strict=True):
            order[target] = groups[source]
    return order


def _p(first: Floats, second: Floats, orders: Sequence[Integers]) -> float:
    """Give the p-value of the summed squares of all correlations between the columns of two probes."""
    return among_permuted(np.array([np.square(first.T @ second[order]).sum() for order in orders]))
