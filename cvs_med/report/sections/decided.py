"""What each training part decided for the images that were then tested, and how that went."""

import numpy as np

from cvs_med.evaluation.decided import DecidedMetrics, Sets
from cvs_med.report import curves, words
from cvs_med.report.document import Block, Heading, Picture, Table, Text
from cvs_med.report.facts import Facts
from cvs_med.report.sections.more import share
from cvs_med.statistics import calibration


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
        blocks.append(_reliability(facts))
    if found.sets:
        blocks += [_sizes(found.sets), _classes(found.sets)]
    return blocks


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


def _reliability(facts: Facts) -> Picture:
    after = {each.case_id: each.probabilities for each in facts.decisions.cases} if facts.decisions else {}
    labels = np.array([p.label for p in facts.predictions], dtype=np.int64)
    probabilities = np.array([after[p.case_id] for p in facts.predictions], dtype=np.float64)
    figure = curves.reliability(calibration.reliability(labels, probabilities), after_temperature=True)
    return Picture(figure, f"{figure.title}.")


def _sizes(sets: Sets) -> Table:
    rows = tuple((str(size), str(count)) for size, count in enumerate(sets.sizes))
    return Table("Prediction sets by the number of classes in them", ("classes in the set", "images"), rows)


def _classes(sets: Sets) -> Table:
    rows = tuple((each.name, share(each.holds)) for each in sets.classes)
    caption = (
        f"Images whose set holds their reference class; {words.percent(sets.coverage)} is promised over all classes, "
        "for images like these that are of other patients"
    )
    return Table(caption, ("class", "held"), rows)
