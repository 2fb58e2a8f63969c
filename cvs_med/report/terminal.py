"""The tables at the end of the command; they fit 80 columns and need no colour."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from cvs_med.evaluation import FoldMetrics, RunMetrics
from cvs_med.report import words


def show(run: RunMetrics, console: Console) -> None:
    """Print what a run reached, with the baselines beside it.

    Args:
        run: what `evaluate_run` returned.
        console: where to print.
    """
    tables = [_accuracy(run), _classes(run), _aurocs(run), _confusion(run)]
    if run.result.dice_working or run.result.dice_native:
        tables.append(_dice(run))
    for table in tables:
        console.print(table)
    if run.result.siblings:
        console.print(Text(words.siblings(run.result)))
    console.print(Text(run.interval_caveat))


def _accuracy(run: RunMetrics) -> Group:
    rows = (
        [
            words.method(name),
            words.counted(metrics.accuracy),
            words.percent(metrics.accuracy.share),
            words.interval(metrics.accuracy),
            words.percent(metrics.balanced_accuracy),
        ]
        for name, metrics in run.compared
    )
    title = f"Accuracy (cross-validated, {run.splits} folds)"
    return _table(title, ["", "right", "accuracy", "95 % interval", "balanced"], rows)


def _classes(run: RunMetrics) -> Group:
    rows = (
        [name, what, words.counted(share), words.percent(share.share), words.interval(share)]
        for each in run.result.classes
        for name, what, share in ((each.name, "sensitivity", each.sensitivity), ("", "specificity", each.specificity))
    )
    header = ["class", "", "right", "share", "95 % interval"]
    return _table(f"Sensitivity and specificity: {words.method(run.method)}", header, rows)


def _aurocs(run: RunMetrics) -> Group:
    """One row per fold, so that many folds stay as readable as few."""
    columns = [metrics.folds for _, metrics in run.compared]
    rows = [_auroc_row(folds) for folds in zip(*columns, strict=True)]
    rows.append(["mean", *(words.number(metrics.mean_auroc) for _, metrics in run.compared)])
    title = "Macro AUROC, each class against the rest, per fold (never pooled)"
    return _table(title, ["fold", *(name for name, _ in run.compared)], rows)


def _auroc_row(folds: Sequence[FoldMetrics]) -> list[str]:
    return [str(folds[0].fold), *(words.auroc(fold) for fold in folds)]


def _confusion(run: RunMetrics) -> Group:
    rows = ([name, *map(str, row)] for name, row in zip(run.class_names, run.result.confusion, strict=True))
    return _table(f"Confusion: {words.method(run.method)}", ["reference / given", *run.class_names], rows)


def _dice(run: RunMetrics) -> Group:
    rows = (
        [name, words.number(each.mean), f"{each.low:.3f} to {each.high:.3f}", str(each.cases)]
        for name, each in (("working size", run.result.dice_working), ("native size", run.result.dice_native))
        if each
    )
    title = f"Dice of the {run.foreground} inside the field of view"
    return _table(title, ["", "mean", "lowest to highest", "images"], rows)


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Group:
    """Lay out cells as plain text: a name in square brackets is no markup."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for number, name in enumerate(header):
        table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    # Rich wraps a table's own title to the width of the table.
    return Group(Text(title, style="bold"), table)
