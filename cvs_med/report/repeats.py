"""Repeats of a cross-validation, as tables."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from cvs_med.repeats import RepeatedDecisions, Repeats
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
    if repeats.groups_parted:
        console.print(
            Text(
                "These folds part images of one group (patient, sitting): where those are alike, the intervals are too "
                "narrow (86 % instead of 95 % in a simulation), and the counts too high. Ask for --splits grouped."
            )
        )
    if repeats.decided:
        title = "Decided inside the training parts, counted on the test images"
        console.print(table(title, ["", "mean", "range"], _decided(repeats.decided, repeats.cases)))
    if repeats.mistaken:
        wrong = ([each.case_id, each.label, f"{each.wrong} of {count}"] for each in repeats.mistaken)
        console.print(table("Images that are wrong in most repeats", ["image", "reference", "wrong"], wrong))


def _decided(decided: RepeatedDecisions, cases: int) -> list[list[str]]:
    """Give a row for each thing that was decided: mean and range over the repeats."""
    rows = []
    if decided.log_loss:
        before, after = zip(*decided.log_loss, strict=True)
        rows.append(["log loss before the temperatures", *_range(before, 3)])
        rows.append(["log loss after", *_range(after, 3)])
    counted = [
        (f"answered, of {cases}", decided.answered),
        ("wrong among the answers", decided.wrong),
        (f"set holds the class, of {cases}", decided.held),
        (f"sets of one class, of {cases}", decided.single),
    ]
    return rows + [[name, *_range(values, 1)] for name, values in counted if values]


def _range(values: Sequence[float], digits: int) -> tuple[str, str]:
    return f"{sum(values) / len(values):.{digits}f}", f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def _interval(interval: Interval | None) -> str:
    return words.NOT_DEFINED if interval is None else f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"
