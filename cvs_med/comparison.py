"""Finished runs on the same folds, method against method: paired differences and their tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from cvs_med.errors import RunError
from cvs_med.evaluation import Folds, measure_run, read_json
from cvs_med.evaluation.auroc_difference import AurocDifference, auroc_difference
from cvs_med.protocol import dump, load
from cvs_med.protocol_sections import Splits
from cvs_med.repeats import runs_in
from cvs_med.statistics.cross_validation import CorrectedT, by_size, corrected_resampled_t, held_out_ratio
from cvs_med.statistics.multiplicity import holm
from cvs_med.statistics.paired import SignFlip, sign_flip_test
from cvs_med.tables import read_predictions
from cvs_med.types import Floats, Prediction

Deal = tuple[tuple[str, ...], ...]
"""One way of dealing the cases into folds."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One method with one protocol, in one run for each deal of the folds.

    Attributes:
        name: what it is called: its method, and its folder too where two protocols have the same method.
        runs: for each deal its predictions, in the order of their case ids.
    """

    name: str
    runs: dict[Deal, list[Prediction]]


@dataclass(frozen=True, slots=True)
class Paired:
    """Two contenders on the deals that both have run.

    Attributes:
        first: name of one.
        second: name of the other.
        repeats: number of deals.
        right: cases that each has right, in each repeat.
        difference: mean of first minus second, as cases of all.
        cases: number of cases.
        over_folds: corrected resampled t-test of the folds' right answers; None for a single repeat.
        over_cases: sign-flip test of each case's mean over the repeats, groups flipped whole.
        p_corrected: p of `over_cases` by Holm, for all pairs that are compared.
        auroc: how far their mean AUROC lie apart; None where no fold has every class.
    """

    first: str
    second: str
    repeats: int
    right: tuple[tuple[int, int], ...]
    difference: float
    cases: int
    over_folds: CorrectedT | None
    over_cases: SignFlip
    p_corrected: float
    auroc: AurocDifference | None


def compare(runs: Sequence[Path]) -> list[Paired]:
    """Compare every two methods among finished runs.

    Args:
        runs: run folders, or folders of repeats; of one method and protocol, one run for each deal of the folds (each
            seed).

    Raises:
        RunError: a run is not finished, one deal is there twice, or two methods share no deal or no labels.
        ProtocolError: a run's protocol.yaml is not valid.
    """
    contenders = _contenders(runs)
    pairs = list(combinations(contenders, 2))
    if not pairs:
        raise RunError(f"Expected runs of two methods or more, found {contenders[0].name} alone. Name runs of another.")
    shared = [_shared(*pair) for pair in pairs]
    tests = [sign_flip_test(*_by_case(*pair, deals)) for pair, deals in zip(pairs, shared, strict=True)]
    corrected = holm(np.array([test.p for test in tests]))
    return [
        _paired(*pair, deals, test, float(p))
        for pair, deals, test, p in zip(pairs, shared, tests, corrected, strict=True)
    ]


def _contenders(runs: Sequence[Path]) -> list[Contender]:
    """Put runs of one method and protocol together, whatever their seeds."""
    found: dict[str, Contender] = {}
    places: dict[str, Path] = {}
    for given, path in ((folder, run) for folder in runs for run in runs_in(folder)):
        metrics = measure_run(path)
        protocol = _without_seed(path)
        places.setdefault(protocol, given)
        contender = found.setdefault(protocol, Contender(metrics.method, {}))
        deal: Deal = tuple(tuple(sorted(fold)) for fold in read_json(path / "folds.json", Folds).folds)
        if deal in contender.runs:
            raise RunError(
                f"{path}: expected other folds in each run of one method, found these a second time. "
                "Name one run for each --seed."
            )
        rows = read_predictions(path / "predictions.csv", metrics.class_names)
        contender.runs[deal] = sorted(rows, key=lambda row: row.case_id)
    return [_named(contender, places[protocol], found, places) for protocol, contender in found.items()]


def _named(
    contender: Contender, place: Path, found: Mapping[str, Contender], places: Mapping[str, Path]
) -> Contender:
    """Tell several protocols of one method apart by the shortest end of their folders' paths that differs."""
    rivals = [places[protocol].resolve() for protocol, other in found.items() if other.name == contender.name]
    if len(rivals) == 1:
        return contender
    own = place.resolve().parts
    for length in range(1, len(own) + 1):
        if sum(rival.parts[-length:] == own[-length:] for rival in rivals) == 1:
            return replace(contender, name=f"{contender.name} ({Path(*own[-length:])})")
    raise RunError(f"{place}: expected a folder for each protocol, found several in one. Name them apart.")


def _without_seed(run: Path) -> str:
    """Give a run's protocol as text, as if it had been dealt by the seed that is the default."""
    protocol = load(str(run / "protocol.yaml"))
    splits = protocol.splits.model_copy(update={"seed": Splits().seed})
    return dump(protocol.model_copy(update={"splits": splits}))


def _shared(first: Contender, second: Contender) -> list[Deal]:
    deals = [deal for deal in first.runs if deal in second.runs]
    if not deals:
        raise RunError(
            f"Expected runs of {first.name} and {second.name} on the same folds, found none. "
            "Run both with the same --splits and --seed."
        )
    if any(_labels(first.runs[deal]) != _labels(second.runs[deal]) for deal in deals):
        raise RunError(
            f"Expected runs of {first.name} and {second.name} on the same cases, found cases of one name with two "
            "labels. Name runs of one data set."
        )
    return deals


def _labels(rows: Sequence[Prediction]) -> list[int]:
    return [row.label for row in rows]


def _right(rows: Sequence[Prediction]) -> Floats:
    return np.array([row.predicted == row.label for row in rows], dtype=np.float64)


def _by_case(first: Contender, second: Contender, deals: Sequence[Deal]) -> tuple[Floats, np.ndarray]:
    """Give each case's mean difference over the repeats, and its group."""
    differences = np.mean([_right(first.runs[deal]) - _right(second.runs[deal]) for deal in deals], axis=0)
    groups = np.array([row.unit for row in first.runs[deals[0]]])
    return differences, groups


def _over_folds(first: Contender, second: Contender, deals: Sequence[Deal]) -> CorrectedT:
    """Test the differences of right answers in each fold of each repeat."""
    sums = np.zeros((len(deals), len(deals[0])))
    for place, deal in enumerate(deals):
        folds = [row.fold for row in first.runs[deal]]
        np.add.at(sums[place], folds, _right(first.runs[deal]) - _right(second.runs[deal]))
    sizes = np.array([[len(fold) for fold in deal] for deal in deals])
    return corrected_resampled_t(by_size(sums, sizes), held_out_ratio(sizes))


def _paired(first: Contender, second: Contender, deals: Sequence[Deal], test: SignFlip, p: float) -> Paired:
    cases = len(first.runs[deals[0]])
    right = tuple((int(_right(first.runs[d]).sum()), int(_right(second.runs[d]).sum())) for d in deals)
    over_folds = _over_folds(first, second, deals) if len(deals) > 1 else None
    difference = float(np.mean([a - b for a, b in right]))
    auroc = auroc_difference([(first.runs[deal], second.runs[deal]) for deal in deals])
    return Paired(first.name, second.name, len(deals), right, difference, cases, over_folds, test, p, auroc)
