"""Repeats of a cross-validation, as tables."""

from rich.console import Console
from rich.text import Text

from cvs_med.repeats import Repeats
from cvs_med.report import words
from cvs_med.report.terminal import table
from cvs_med.statistics.intervals import Interval


def show(repeats: Repeats, console: Console) -> None:
    """Print what the repeats say together: counts, intervals, and the cases that are wrong most of the time."""
    rows = (
        [words.method(name), f"{each.mean:.1f}", f"{each.low} to {each.high}", _interval(each.interval)]
        for name, each in repeats.compared
    )
    count = len(repeats.seeds)
    title = f"Right of {repeats.cases} in {count} repeats ({repeats.splits} folds)"
    console.print(table(title, ["", "mean", "range", "95 % interval of the accuracy"], rows))
    console.print(Text("Intervals: corrected resampled t, over the folds of all repeats."))
    if repeats.mistaken:
        wrong = ([each.case_id, each.label, f"{each.wrong} of {count}"] for each in repeats.mistaken)
        console.print(table("Images that are wrong in most repeats", ["image", "reference", "wrong"], wrong))


def _interval(interval: Interval | None) -> str:
    return words.NOT_DEFINED if interval is None else f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"
