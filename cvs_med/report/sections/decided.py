"""What each training part decided for the images that were then tested, and how that went."""

import numpy as np

from cvs_med.evaluation.decided import Abstained, Calibrated, DecidedMetrics, Sets
from cvs_med.report import curves, words
from cvs_med.report.document import Beside, Block, Heading, Picture, Table, Text
from cvs_med.report.facts import Facts
from cvs_med.report.sections.more import share
from cvs_med.statistics import calibration, selective
from cvs_med.statistics.selective import Selection
from cvs_med.types import Floats


def inside(facts: Facts) -> list[Block]:
    """Say what temperatures, thresholds and prediction sets did; nothing where none was asked for."""
    found = facts.metrics.decided
    if found is None:
        return []
    blocks: list[Block] = [
        Heading("Decided inside the training parts"),
        Text(
            "By answers of an inner cross-validation of each training part, whose networks learnt from fewer images "
            "than the one that is tested. No test image had a say."
        ),
        *map(Text, words.decided(found)),
        _folds(facts),
    ]
    if found.calibrated:
        blocks.append(_honesty(found.calibrated))
    drawn = [_reliability(facts)] if found.calibrated else []
    drawn += [_working_points(facts, found.abstained)] if found.abstained else []
    blocks += [Beside(*drawn)] if len(drawn) == 2 else drawn
    if found.abstained:
        blocks.append(_answered(found.abstained))
    if found.sets:
        blocks += [_sizes(found.sets), _classes(found.sets)]
    return blocks


def worth(facts: Facts) -> list[Block]:
    """Show what acting on the answers is worth at a stated prevalence; nothing where none was stated."""
    if facts.benefit is None:
        return []
    found = facts.benefit
    figure = curves.decision(found.curve, found.intervals, found.class_name)
    kind = "calibrated by the folds' temperatures" if found.calibrated else "as the networks gave them"
    return [
        Heading(f"Is acting on it worth it, for {found.class_name}?"),
        Text(
            f"At a stated prevalence of {words.percent(found.curve.prevalence)}, whatever it is among these images. "
            "Who treats from a probability of 10 % on holds one missed patient as bad as nine needless treatments; net "
            "benefit counts the patients found per patient seen, less the needless treatments weighed so. Acting is "
            "worth it where the line of the method lies above both others; it is shown to be where its whole band does "
            "(95 % at each threshold alone, by groups where they are known). Images of both kinds count as much as "
            "they would at that prevalence, but those of the other classes among themselves as often as they are here. "
            f"The probabilities are {kind}, which learnt from another prevalence. Other images than these, of early "
            "disease or another camera, have another curve."
        ),
        Picture(figure, f"{figure.title}."),
    ]


def _folds(facts: Facts) -> Table:
    decisions = facts.decisions.folds if facts.decisions else []
    found = facts.metrics.decided or DecidedMetrics(None, None, None)
    header, columns = ["fold"], [[str(each.fold) for each in decisions]]
    if found.calibrated:
        header.append("temperature")
        columns.append([f"{each.temperature:.2f}" for each in decisions])
    if found.abstained:
        header += ["answered above", "wrong inside"]
        columns.append(["none" if each.above is None else f"{each.above:.3f}" for each in decisions])
        columns.append([f"{each.inner_wrong} of {each.inner_answered}" for each in decisions])
    if found.sets:
        header.append("in a set from")
        columns.append([f"{each.least:.3f}" for each in decisions])
    return Table("What each fold's training part decided", tuple(header), tuple(zip(*columns, strict=True)))


def _honesty(found: Calibrated) -> Table:
    rows = tuple(
        (name, f"{each.log_loss:.3f}", f"{each.brier:.3f}", f"{each.calibration_error:.3f}")
        for name, each in (("before", found.before), ("after", found.after))
    )
    header = ("probabilities", "log loss", "Brier score", "calibration error")
    return Table("The probabilities of the test images before and after the temperatures; small is good", header, rows)


def _working_points(facts: Facts, found: Abstained) -> Picture:
    decisions = facts.decisions.folds if facts.decisions else []
    after = _after(facts)
    right = np.array([p.predicted == p.label for p in facts.predictions])
    curve = selective.risk_coverage(np.minimum(after.max(axis=1), 1.0), right)
    inside = [
        Selection(fold.above, fold.inner_answered or 0, fold.inner_wrong or 0, fold.cases)
        for fold in decisions
        if fold.above is not None
    ]
    reached = Selection(0.0, found.wrong.n, found.wrong.successes, found.answered.n)
    figure = curves.working_points(curve, inside, reached, found.risk)
    return Picture(figure, f"{figure.title}.")


def _answered(found: Abstained) -> Table:
    rows = tuple(
        (each.name, str(each.answered.n - each.answered.successes), share(each.answered), share(each.wrong))
        for each in found.classes
    )
    caption = "Who is sent to a human, by reference class, with 95 % intervals; the thresholds look at no class"
    return Table(caption, ("class", "sent", "answered", "wrong among the answers"), rows)


def _after(facts: Facts) -> Floats:
    """Give the probabilities (N, P) after the temperatures, in the order of the predictions."""
    after = {each.case_id: each.probabilities for each in facts.decisions.cases} if facts.decisions else {}
    return np.array([after[p.case_id] for p in facts.predictions], dtype=np.float64)


def _reliability(facts: Facts) -> Picture:
    labels = np.array([p.label for p in facts.predictions], dtype=np.int64)
    figure = curves.reliability(calibration.reliability(labels, _after(facts)), after_temperature=True)
    return Picture(figure, f"{figure.title}.")


def _sizes(sets: Sets) -> Table:
    rows = tuple((str(size), str(count)) for size, count in enumerate(sets.sizes))
    return Table("Prediction sets by the number of classes in them", ("classes in the set", "images"), rows)


def _classes(sets: Sets) -> Table:
    rows = tuple((each.name, share(each.holds)) for each in sets.classes)
    caption = (
        f"Images whose set holds their reference class; {words.percent(sets.coverage)} is aimed at over all classes, "
        "not in each. It would be promised if the tested network were the inner ones, for images of other patients"
    )
    return Table(caption, ("class", "held"), rows)
