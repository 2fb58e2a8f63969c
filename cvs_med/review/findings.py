"""The diagnosis in words, and what it rests on, for someone who reads no heat maps."""

import numpy as np

from cvs_med.report.case_maps import CaseMap
from cvs_med.report.legends import signed
from cvs_med.report.words import percent
from cvs_med.review.run import FinishedRun


def diagnosis(run: FinishedRun, case_id: str) -> str:
    """Say the classes and their probabilities, most probable first, such as `glaucoma 0.71; healthy 0.29`."""
    shares = zip(run.class_names, run.predictions[case_id].probabilities, strict=True)
    return "; ".join(f"{name} {share:.2f}" for name, share in sorted(shares, key=lambda share: -share[1]))


def who_answered(run: FinishedRun, case_id: str) -> str:
    """Say how many models stand behind a diagnosis."""
    fold = run.predictions[case_id].fold
    return f"One model answered, that of fold {fold + 1}; it was trained without this case."


def sureness(run: FinishedRun, case_id: str) -> str:
    """Say how often the run was right on its other cases where it was as sure as here, or surer, or less sure."""
    here = run.predictions[case_id]
    nearest = sorted(
        (p for p in run.predictions.values() if p.case_id != case_id),
        key=lambda p: abs(max(p.probabilities) - max(here.probabilities)),
    )[:15]
    right = sum(p.predicted == p.label for p in nearest)
    return f"Of the {len(nearest)} other cases where the model was about as sure, it was right in {right}."


def rests_on(run: FinishedRun, case_id: str, case: CaseMap) -> str:
    """Say where the lead over the runner-up comes from; each pixel's share is exact."""
    if case.margin is None or case.foreground is None:
        return "This method gives no map, so that it cannot be said which pixels its diagnosis rests on."
    along = float(case.margin.shares[case.foreground >= 128].sum(dtype=np.float64))
    elsewhere = case.margin.total - along
    rival, foreground = run.class_names[case.margin.rival], run.card.foreground
    if along * elsewhere > 0:
        shares = percent(along / case.margin.total), percent(elsewhere / case.margin.total)
        return (
            f"Its lead over {rival} comes to {shares[0]} from the predicted {foreground}, {shares[1]} from elsewhere."
        )
    return (
        f"Its lead over {rival} is {signed(case.margin.total)} in score: {signed(along)} from the predicted "
        f"{foreground} and {signed(elsewhere)} from elsewhere, which contradict each other."
    )


def area(run: FinishedRun, case_id: str) -> str | None:
    """Hold the share of the field of view that was predicted as foreground against the run's other cases."""
    own = run.segmentation.get(case_id)
    known = [row.predicted_fraction for row in run.segmentation.values() if row.case_id != case_id]
    others = [share for share in known if share is not None]
    if own is None or own.predicted_fraction is None or len(others) < 5:
        return None
    low, high = np.quantile(others, [0.05, 0.95])
    said = (
        f"Predicted {run.card.foreground} cover {percent(own.predicted_fraction)} of the field of view; "
        f"nine of ten other cases: {percent(float(low))[:-2]} to {percent(float(high))}."
    )
    return said if low <= own.predicted_fraction <= high else f"Unusual: {said}"


def covered(before: int, now: int, seen: int, foreground: str) -> str:
    """Say what share of the field of view a mask covers, before a correction and with it; counts of pixels."""
    return (
        f"{foreground.capitalize()} cover {percent(now / seen)} of the field of view "
        f"(before: {percent(before / seen)}; {now - before:+,d} pixels)."
    ).replace("-", "\N{MINUS SIGN}")
