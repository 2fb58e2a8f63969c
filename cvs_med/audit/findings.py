"""What the probes found: a guess beside chance for each, corrected over all of them, and said in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np

from cvs_med.audit.carriers import Carrier, carriers
from cvs_med.audit.guessing import Deal, design, guess, permutation_p, units
from cvs_med.audit.sample import Measures, Probe
from cvs_med.audit.settings import Spread, spread
from cvs_med.statistics.clusters import wilson_by_group
from cvs_med.statistics.intervals import Interval, wilson
from cvs_med.statistics.multiplicity import holm
from cvs_med.statistics.roc import mean_auroc
from cvs_med.types import Case, Floats

LEVEL = 0.05

Grade: TypeAlias = Literal["found", "carrier", "suspect", "not found", "same", "absent"]
"""`found`: after correction over all probes; `carrier`: not by itself, but it is in the pixels and follows a date or a
camera that is found; `suspect`: only without correction, by the guess or by the count of settings; `not found`: by
neither, which is no proof of absence; `same`: alike in all images; `absent`: nothing to measure."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A cross-validated guess of the label.

    Attributes:
        right: cases guessed right.
        interval: of the share of these, 95 %, by groups where they are known.
        aurocs: of each class against the rest, mean over the folds where it is defined; None where it is nowhere.
        p: of the permutations.
        adjusted: the same, corrected over all probes (Holm).
    """

    right: int
    interval: Interval
    aurocs: tuple[float | None, ...]
    p: float
    adjusted: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found.

    Attributes:
        probe: what was looked at.
        grade: whether the label can be guessed from it.
        guess: how well; None where there is nothing to guess from.
        spread: how its settings are spread over the classes; None where they are many.
        verdict: the same in a sentence.
    """

    probe: Probe
    grade: Grade
    guess: Guess | None
    spread: Spread | None
    verdict: str


def find(
    probes: Sequence[Probe],
    measured: Mapping[str, Sequence[Measures]],
    cases: Sequence[Case],
    every: Sequence[Deal],
    class_names: Sequence[str],
    seed: int,
) -> list[Finding]:
    """Let every probe guess, and rank the findings: the surest first.

    Args:
        probes: what was measured.
        measured: by the probe's name, the measures of each case.
        cases: N cases.
        every: the true deal and the permuted ones, see `guessing.deals`.
        class_names: P names.
        seed: of the exchanges that carriers are held against.
    """
    columns = {probe.name: design(measured[probe.name]) for probe in probes}
    asked = [probe.name for probe in probes if columns[probe.name].shape[1]]
    p_values = np.array([permutation_p(columns[name], every, len(class_names)) for name in asked])
    adjusted = dict(zip(asked, zip(p_values.tolist(), holm(p_values).tolist(), strict=True), strict=True))
    findings = []
    for probe in probes:
        if probe.name not in adjusted:
            findings.append(_nothing(probe, any(measured[probe.name])))
            continue
        made = _guess(columns[probe.name], cases, every[0], len(class_names), *adjusted[probe.name])
        counted = spread(measured[probe.name], every, class_names)
        findings.append(_finding(probe, made, counted, class_names))
    found = [each.probe.name for each in findings if each.grade == "found"]
    links = carriers(columns, found, cases, permutations=len(every) - 1, seed=seed)
    return sorted((_linked(each, links.get(each.probe.name)) for each in findings), key=_rank)


def _linked(finding: Finding, link: Carrier | None) -> Finding:
    if link is None or link.p > LEVEL:
        return finding
    counts = f" ({finding.spread.counts})" if finding.spread else ""
    verdict = (
        f"A way into the pixels for the {link.follows}, which gives the label away: {finding.probe.title}{counts}; it "
        f"follows the {link.follows} within the classes too (p is {link.p:.3f})."
    )
    return replace(finding, grade="carrier", verdict=verdict)


def _rank(finding: Finding) -> tuple[float, ...]:
    grade = get_args(Grade).index(finding.grade)
    return (grade, finding.guess.p, -finding.guess.right) if finding.guess else (grade,)


def _guess(columns: Floats, cases: Sequence[Case], deal: Deal, classes: int, p: float, adjusted: float) -> Guess:
    scores = guess(columns, deal, classes)
    hits = scores.argmax(axis=1) == deal.labels
    grouped = any(case.group for case in cases)
    interval = wilson_by_group(hits, units(cases)) if grouped else wilson(int(hits.sum()), hits.size)
    aurocs = tuple(mean_auroc(deal.labels == label, scores[:, label], deal.folds) for label in range(classes))
    return Guess(int(hits.sum()), interval, aurocs, p, adjusted)


def _nothing(probe: Probe, measured: bool) -> Finding:
    if measured:
        return Finding(probe, "same", None, None, f"The same in all images: {probe.title}.")
    return Finding(probe, "absent", None, None, f"Nothing to measure here: {probe.title}.")


def _finding(probe: Probe, made: Guess, counted: Spread | None, class_names: Sequence[str]) -> Finding:
    told = f"; {counted.counts} (labels permuted: p is {counted.p:.3f})" if counted else ""
    if made.adjusted <= LEVEL:
        best = _best_told(made, class_names)
        return Finding(probe, "found", made, counted, f"The label can be guessed from: {probe.title}{best}.")
    if made.p <= LEVEL:
        why = f"p is {made.p:.3f} alone, but {made.adjusted:.3f} after correction for all probes"
        return Finding(probe, "suspect", made, counted, f"Perhaps a shortcut: {probe.title}; {why}.")
    if counted and counted.p <= LEVEL:
        return Finding(probe, "suspect", made, counted, f"Perhaps a shortcut: {probe.title}{told}.")
    return Finding(probe, "not found", made, counted, f"Not shown to beat chance: {probe.title}{told}.")


def _best_told(made: Guess, class_names: Sequence[str]) -> str:
    known = [(area, name) for area, name in zip(made.aurocs, class_names, strict=True) if area is not None]
    if not known:
        return ""
    area, name = max(known)
    return f"; best told is {name} (AUROC {area:.2f})"
