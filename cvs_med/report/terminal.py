"""The tables at the end of the command; they fit 80 columns and need no colour."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from cvs_med.evaluation import ClassMetrics, FoldMetrics, RunMetrics
from cvs_med.report import words
from cvs_med.statistics.metrics import Proportion


def show(run: RunMetrics, console: Console) -> None:
    """Print what a run reached, with the baselines beside it.

    Args:
        run: what `evaluate_run` returned.
        console: where to print.
    """
    tables = [
        _accuracy(run), _balanced(run), _classes(run), _aurocs(run), _aurocs_by_class(run), _probabilities(run),
        _confusion(run),
    ]  # fmt: skip
    if run.result.dice_working or run.result.dice_native:
        tables.append(_dice(run))
    for each in tables:
        console.print(each)
    made = words.made_masks(run.masks) if run.masks else ""
    about_the_folds = [made, _selected(run), _balance(run), words.siblings(run.result), *words.decided(run.decided)]
    for sentence in [_prevalence(run), *about_the_folds, _by_group(run), run.interval_caveat]:
        if sentence:
            console.print(Text(sentence))


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Group:
    """Lay out cells as plain text: a name in square brackets is no markup."""
    laid_out = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for number, name in enumerate(header):
        laid_out.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        laid_out.add_row(*map(Text, row))
    # Rich wraps a table's own title to the width of the table.
    return Group(Text(title, style="bold"), laid_out)


def _accuracy(run: RunMetrics) -> Group:
    rows = (
        [
            words.method(name),
            words.counted(metrics.accuracy),
            words.percent(metrics.accuracy.share),
            words.interval(metrics.accuracy),
        ]
        for name, metrics in run.compared
    )
    title = f"Accuracy (cross-validated, {run.splits} folds)"
    return table(title, ["", "right", "accuracy", "95 % interval"], rows)


def _balanced(run: RunMetrics) -> Group:
    rows = (
        [
            words.method(name),
            words.percent(metrics.balanced_accuracy),
            words.percent_ends(metrics.intervals.balanced_accuracy),
        ]
        for name, metrics in run.compared
    )
    return table("Balanced accuracy: the mean of the classes' sensitivities", ["", "balanced", "95 % interval"], rows)


def _classes(run: RunMetrics) -> Group:
    rows = (
        [each.name if first else "", what, words.counted(share), words.percent(share.share), words.interval(share)]
        for each in run.result.classes
        for first, (what, share) in zip((True, False, False, False), _shares(each), strict=True)
    )
    header = ["class", "", "right", "share", "95 % interval"]
    return table(f"Each class against the others: {words.method(run.method)}", header, rows)


def _shares(of_class: ClassMetrics) -> list[tuple[str, Proportion]]:
    return [
        ("sensitivity", of_class.sensitivity),
        ("specificity", of_class.specificity),
        ("PPV", of_class.positive_predictive_value.value),
        ("NPV", of_class.negative_predictive_value.value),
    ]


def _prevalence(run: RunMetrics) -> str:
    found = [
        f"{each.name} {words.percent(each.positive_predictive_value.prevalence)}" for each in run.result.classes
    ]
    return (
        f"The predictive values (PPV, NPV) hold where the classes are as frequent as here: {', '.join(found)}. "
        "Where a class is rarer, a positive answer is less often true."
    )


def _aurocs(run: RunMetrics) -> Group:
    """One row per fold, so that many folds stay as readable as few."""
    columns = [metrics.folds for _, metrics in run.compared]
    rows = [_auroc_row(folds) for folds in zip(*columns, strict=True)]
    rows.append(["mean", *(words.number(metrics.mean_auroc) for _, metrics in run.compared)])
    rows.append(["95 %", *(words.ends(metrics.intervals.mean_auroc) for _, metrics in run.compared)])
    title = "Macro AUROC, each class against the rest, per fold (never pooled)"
    return table(title, ["fold", *(name for name, _ in run.compared)], rows)


def _auroc_row(folds: Sequence[FoldMetrics]) -> list[str]:
    return [str(folds[0].fold), *(words.auroc(fold) for fold in folds)]


def _aurocs_by_class(run: RunMetrics) -> Group:
    columns = [metrics.classes for _, metrics in run.compared]
    rows = (
        [classes[0].name, *(words.number(each.auroc) for each in classes)] for classes in zip(*columns, strict=True)
    )
    title = "AUROC of each class, mean over the folds that have it"
    return table(title, ["class", *(name for name, _ in run.compared)], rows)


def _probabilities(run: RunMetrics) -> Group:
    rows = (
        [
            words.method(name),
            words.number(metrics.brier),
            words.ends(metrics.intervals.brier),
            words.number(metrics.calibration_error),
        ]
        for name, metrics in run.compared
    )
    title = "How far the probabilities are off (smaller is better; never 0 with few cases)"
    return table(title, ["", "Brier, 0 to 2", "95 % interval", "calibration error"], rows)


def _confusion(run: RunMetrics) -> Group:
    if len(run.class_names) > words.MOST_CLASSES:
        named = ([name, given, str(count)] for name, given, count in words.confusions(run))
        return table(f"Most frequent confusions: {words.method(run.method)}", ["reference", "given", "images"], named)
    rows = ([name, *map(str, row)] for name, row in zip(run.class_names, run.result.confusion, strict=True))
    return table(f"Confusion: {words.method(run.method)}", ["reference / given", *run.class_names], rows)


def _dice(run: RunMetrics) -> Group:
    result = run.result
    measured = {
        "Dice, working size": (result.dice_working, words.ends(result.intervals.dice_working)),
        "Dice, native size": (result.dice_native, words.ends(result.intervals.dice_native)),
        "clDice, working size": (result.centreline_dice, ""),
        "HD95, pixels": (result.outline_distance, ""),
    }
    rows = (
        [name, words.number(each.mean), interval, f"{each.low:.3f} to {each.high:.3f}", str(each.cases)]
        for name, (each, interval) in measured.items()
        if each
    )
    more = "; HD95: how far their outlines lie apart" if result.outline_distance else "; clDice: of their centrelines"
    title = f"Overlap of the {run.foreground} inside the field of view{more}"
    return table(title, ["", "mean", "95 % interval", "lowest to highest", "images"], rows)


def _selected(run: RunMetrics) -> str:
    if run.selected is None:
        return ""
    folds = sum(run.selected.values())
    chosen = ", ".join(f"{name} in {count}" for name, count in run.selected.items())
    return f"Chosen inside the training part, of {folds} folds: {chosen}."


def _balance(run: RunMetrics) -> str:
    balance = run.balance
    if round(balance.largest_deviation, 1) == 0:
        return ""
    return (
        f"The folds' class counts are at most {balance.largest_deviation:.1f} cases from even "
        f"(fold {balance.fold}, {balance.class_name})."
    )


def _by_group(run: RunMetrics) -> str:
    """Say the interval that knows of groups, wherever they lie."""
    known = [(name, metrics.by_group) for name, metrics in run.compared if metrics.by_group]
    if not known:
        return ""
    ends = "; ".join(
        f"{name} {100 * found.interval.low:.1f} to {100 * found.interval.high:.1f} %" for name, found in known
    )
    return f"95 % intervals of the accuracy that count groups ({known[0][1].groups}), not images, as witnesses: {ends}."
