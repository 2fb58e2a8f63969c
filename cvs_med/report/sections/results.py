"""What was reached, beside what reaches it without the disease."""

from cvs_med.report import figures, forest, words
from cvs_med.report.document import Beside, Block, Heading, Picture, Section, Table, Text
from cvs_med.report.facts import Facts
from cvs_med.report.figures import Figure
from cvs_med.report.kept_audit import KeptFinding
from cvs_med.report.sections import more, shortcuts

_MOST_FOLDS = 20
"""Folds up to which each has a row of its own."""


def results(facts: Facts) -> Section:
    """Give the accuracy with baselines and shortcuts beside it, then classes and folds."""
    metrics = facts.metrics
    right = words.sentence(metrics.result.accuracy)
    said = f"{words.method(metrics.method)}: {right} were given their reference class."
    blocks: list[Block] = [
        Text(f"{said} {words.beside_baselines(metrics, facts.differences)}".strip()),
        Beside(_methods(facts), _picture(_forest(facts))),
        _summaries(facts),
        Text(metrics.interval_caveat),
        *more.accuracy_by_group(metrics),
    ]
    if "mask-area" in metrics.baselines:
        blocks.append(
            Text(
                "The area of the gold mask is nothing that a new image comes with. It stands here to show how much of "
                "the class is given away by that one number."
            )
        )
    if metrics.masks:
        blocks.append(
            Text(
                "The area of the gold mask is left out of the baselines: it would learn from masks that this run did "
                "without."
            )
        )
    blocks += [*shortcuts.audited(facts), *shortcuts.doubted(facts)]
    blocks += [Heading("Each class"), *_confusion(facts), *more.predictive_values(metrics)]
    blocks += [Heading("Each fold"), _folds(facts), Text(_NEVER_POOLED)]
    return Section("results", "Results", tuple(blocks))


_NEVER_POOLED = (
    "Scores of models trained apart have no common scale, so the AUROC is never computed over several folds at once. "
    "Where a fold lacks a class it is not defined; the mean is over the other folds."
)


def _picture(figure: Figure) -> Picture:
    return Picture(figure, f"{figure.title}.")


def _methods(facts: Facts) -> Table:
    tests = {each.baseline: each for each in facts.differences}
    rows = []
    for name, metrics in facts.metrics.compared:
        test = tests.get(name)
        lead = f"{words.signed(test.more)}\n{words.p(test.p_corrected)}" if test else ""
        rows.append((words.method(name), more.share(metrics.accuracy), lead))
    return Table(
        "Accuracy on the same folds, with 95 % intervals. Lead: images that the method has right more than the "
        "baseline, and p of a paired test (signs flipped by group, Holm's correction)",
        ("method", "right", "lead"),
        tuple(rows),
        frozenset({0}),
    )


def _summaries(facts: Facts) -> Table:
    rows = []
    for name, metrics in facts.metrics.compared:
        found = metrics.intervals
        balanced = f"{words.percent(metrics.balanced_accuracy)}\n{words.percent_ends(found.balanced_accuracy)}"
        area = f"{words.number(metrics.mean_auroc)}\n{words.ends(found.mean_auroc)}"
        rows.append((words.method(name), balanced, area))
    caption = (
        "Balanced accuracy (mean of the classes' sensitivities) and mean AUROC of the folds, with 95 % intervals by "
        "drawing groups again"
    )
    return Table(caption, ("method", "balanced accuracy", "mean AUROC"), tuple(rows), frozenset({0}))


def _forest(facts: Facts) -> Figure:
    """Draw method, baselines and the shortcuts that the audit found on one axis."""
    rows = []
    for place, (name, metrics) in enumerate(facts.metrics.compared):
        right = metrics.accuracy
        ends = 100 * right.low, 100 * right.high
        share, said = 100 * (right.share or 0), words.counted(right)
        rows.append(forest.Row(words.method(name), share, ends, said, "other" if place else "own"))
    found = facts.audit.graded("found") if facts.audit else []
    rows += [_warning(each) for each in found]
    told = "; ".join(f"{row.name}: {row.said} right" for row in rows)
    title = "Right answers, with 95 % intervals: the method" + (", the baselines" if facts.metrics.baselines else "")
    title += " and, as diamonds, what the audit guessed the label from, on folds of its own" if found else ""
    png = forest.draw(rows, "right, % (line: 95 % interval)", (0, 100))
    return Figure("accuracy", title, f"Accuracy with intervals. {told}.", png)


def _warning(finding: KeptFinding) -> forest.Row:
    ends = (100 * finding.low, 100 * finding.high) if finding.low is not None and finding.high is not None else None
    right = finding.right or 0
    return forest.Row(
        f"from {finding.probe}", 100 * right / finding.cases, ends, f"{right} of {finding.cases}", "warning"
    )


def _classes(facts: Facts) -> Table:
    rows = [
        (each.name, more.share(each.sensitivity), more.share(each.specificity)) for each in facts.metrics.result.classes
    ]
    caption = f"Each class against the others, with 95 % intervals: {words.method(facts.metrics.method)}"
    return Table(caption, ("class", "sensitivity", "specificity"), tuple(rows))


def _confusion(facts: Facts) -> list[Block]:
    """Show which class was taken for which: drawn, or as a table where the classes are too many to be drawn."""
    metrics = facts.metrics
    if len(metrics.class_names) <= words.MOST_CLASSES:
        return [Beside(_classes(facts), _picture(figures.confusion(metrics)))]
    rows = tuple((name, given, str(count)) for name, given, count in words.confusions(metrics))
    return [_classes(facts), Table("The most frequent confusions", ("reference class", "class given", "images"), rows)]


def _folds(facts: Facts) -> Table:
    compared = facts.metrics.compared
    rows = [
        (str(fold.fold), *(words.auroc(metrics.folds[place]) for _, metrics in compared))
        for place, fold in enumerate(facts.metrics.result.folds[:_MOST_FOLDS])
    ]
    folds = len(facts.metrics.result.folds)
    shown = f" (the first {_MOST_FOLDS} of {folds})" if folds > _MOST_FOLDS else ""
    rows.append(("mean of all", *(words.number(metrics.mean_auroc) for _, metrics in compared)))
    header = ("fold", *(words.method(name) for name, _ in compared))
    caption = f"Macro AUROC, each class against the rest, per fold{shown}; folds are numbered from 0, as their folders"
    return Table(caption, header, tuple(rows), frozenset({len(rows) - 1}))
