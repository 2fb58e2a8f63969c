"""The diagnosis in words, and what it rests on, for someone who reads no heat maps."""

from collections.abc import Sequence

import numpy as np

from cvs_med import disc
from cvs_med.images import Mask
from cvs_med.report.case_maps import CaseMap
from cvs_med.report.legends import signed
from cvs_med.report.words import percent
from cvs_med.review.run import FinishedRun

_FUNDUS = "vessels"
"""What the foreground of a fundus data set is called; elsewhere there is no optic disc to look for."""


def diagnosis(names: Sequence[str], probabilities: Sequence[float]) -> str:
    """Say the classes and their probabilities, most probable first, such as `glaucoma 0.71; healthy 0.29`."""
    shares = zip(names, probabilities, strict=True)
    return "; ".join(f"{name} {share:.2f}" for name, share in sorted(shares, key=lambda share: -share[1]))


def agreement(name: str, agreeing: int, asked: int, low: float, high: float) -> str:
    """Say how far several networks agree on a class.

    Args:
        name: of the class.
        agreeing: networks whose own most probable class it is.
        asked: all networks, at least two.
        low: least probability that one of them gives it.
        high: the most.
    """
    if agreeing == asked:
        votes = f"all {asked} networks agree on {name}"
    else:
        votes = f"{asked} networks agree {agreeing}:{asked - agreeing} on {name}"
    return f"{votes}, at probabilities from {low:.2f} to {high:.2f}"


def who_answered(run: FinishedRun, case_id: str) -> str:
    """Say how many networks stand behind a diagnosis; in one cross-validation it is one, in its repeats one each."""
    here = run.predictions[case_id]
    alone = f"One network answered, that of fold {here.fold + 1}; it was trained without this case"
    if not run.repeats:
        return f"{alone}, so that there is no spread over networks to tell."
    every = [here, *(repeat[case_id] for repeat in run.repeats)]
    shares = [each.probabilities[here.predicted] for each in every]
    agreeing = sum(each.predicted == here.predicted for each in every)
    said = agreement(run.derived(case_id), agreeing, len(every), min(shares), max(shares))
    return f"{alone}. Over this run and its repeats with other seeds, {said}; none of them was trained on this case."


def sureness(run: FinishedRun, case_id: str) -> str:
    """Say how often the run was right on its other cases where it was as sure as here, or surer, or less sure."""
    here = run.predictions[case_id]
    nearest = sorted(
        (p for p in run.predictions.values() if p.case_id != case_id),
        key=lambda p: abs(max(p.probabilities) - max(here.probabilities)),
    )[:15]
    right = sum(p.predicted == p.label for p in nearest)
    return f"Of the {len(nearest)} other cases where the model was about as sure, it was right in {right}."


def rests_on(names: Sequence[str], foreground: str, case: CaseMap, disc_region: Mask | None) -> str:
    """Say where the lead over the runner-up comes from; each pixel's share is exact.

    Args:
        names: of the P classes.
        foreground: what the foreground shows, in the plural.
        case: its maps.
        disc_region: (S, S), see `disc_region`; None where there is none.
    """
    if case.margin is None or case.foreground is None:
        return "This method gives no map, so that it cannot be said which pixels its diagnosis rests on."
    places = _places(case.foreground >= 128, foreground, disc_region)
    parts = {name: float(case.margin.shares[where].sum(dtype=np.float64)) for name, where in places.items()}
    rival, total = names[case.margin.rival], sum(parts.values())
    if total and all(part * total >= 0 for part in parts.values()):
        return f"Its lead over {rival}: {'; '.join(f'{percent(p / total)} {name}' for name, p in parts.items())}."
    said = "; ".join(f"{signed(part)} {name}" for name, part in parts.items())
    return f"Its lead over {rival} is {signed(total)} in score: {said}. These contradict each other."


def _places(predicted: Mask, foreground: str, disc_region: Mask | None) -> dict[str, Mask]:
    """Divide all pixels among the disc region, the foreground and the rest; what lies in two counts for the first."""
    if disc_region is None:
        return {f"from the predicted {foreground}": predicted, "from elsewhere": ~predicted}
    return {
        "from the region of the optic disc": disc_region,
        f"along the predicted {foreground} outside it": predicted & ~disc_region,
        "from elsewhere": ~predicted & ~disc_region,
    }


def disc_region(case: CaseMap, foreground: str, crop: str) -> Mask | None:
    """Mark what lies within one disc diameter of the optic disc's centre, (S, S).

    None where there is no disc to look for: the photographs are not of the fundus, or were cropped to the disc.
    """
    seen = case.field_of_view
    if foreground != _FUNDUS or crop == "disc" or seen is None or not seen.any():
        return None
    found = disc.locate(case.image, seen > 0)
    rows, columns = np.ogrid[: case.image.shape[0], : case.image.shape[1]]
    inside: Mask = np.hypot(rows - found.row, columns - found.column) <= found.diameter
    return inside


def area(run: FinishedRun, case_id: str) -> str | None:
    """Hold the share of the field of view that was predicted as foreground against the photographs trained on.

    Those are the cases of the other folds: by the mask that was learnt from where it is known, else by what was
    predicted in them.
    """
    own = run.segmentation.get(case_id)
    if own is None or own.predicted_fraction is None:
        return None
    learnt = [row for row in run.segmentation.values() if row.fold != own.fold]
    gold = [row.gold_fraction for row in learnt if row.gold_fraction is not None]
    known = gold or [row.predicted_fraction for row in learnt if row.predicted_fraction is not None]
    return spread(own.predicted_fraction, known, run.card.foreground, "drawn" if gold else "predicted")


def spread(own: float, known: Sequence[float], foreground: str, how: str) -> str | None:
    """Hold a predicted share of foreground against those of the training photographs; None for fewer than five.

    Args:
        own: predicted share of the field of view.
        known: the same of the training photographs.
        foreground: what it shows, in the plural.
        how: `drawn` or `predicted`, where the known shares come from.
    """
    if len(known) < 5:
        return None
    low, high = np.quantile(known, [0.05, 0.95])
    said = (
        f"Predicted {foreground} cover {percent(own)} of the field of view; {how} in nine of ten training photographs: "
        f"{percent(float(low))[:-2]} to {percent(float(high))}."
    )
    return said if low <= own <= high else f"Unusual: {said}"


def covered(before: int, now: int, seen: int, foreground: str) -> str:
    """Say what share of the field of view a mask covers, before a correction and with it; counts of pixels."""
    return (
        f"{foreground.capitalize()} cover {percent(now / seen)} of the field of view "
        f"(before: {percent(before / seen)}; {now - before:+,d} pixels)."
    ).replace("-", "\N{MINUS SIGN}")
