"""Methods against each other, as a table and as sentences that claim no more than was tested."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Column, Table

from cvs_med.comparison import Paired
from cvs_med.report import forest, words
from cvs_med.statistics.intervals import Interval

_LEVEL = 0.05

AREAS = (
    "AUROC: groups drawn again for these networks as they were trained, each pair by itself; where both AUROC are "
    "nearly 1, the interval is too narrow."
)
"""What an interval of the difference of two AUROC does not count."""


def show(pairs: Sequence[Paired], console: Console) -> None:
    """Print every pair: a row of the table, and a sentence below it."""
    table = Table(
        Column("first - second", no_wrap=True), "repeats", "mean", "95 % interval", "p folds", "p cases",
        title=f"Right of {pairs[0].cases}, first minus second", title_justify="left", box=box.SIMPLE,
    )  # fmt: skip
    for pair in pairs:
        table.add_row(
            f"{pair.first} - {pair.second}", str(pair.repeats), f"{pair.difference:+.1f}", _interval(pair),
            _p(_folds(pair)), _p(pair.p_corrected),
        )  # fmt: skip
    console.print(table)
    console.print("p folds: corrected resampled t-test, before Holm. p cases: sign flips, after Holm.")
    console.print(f"{AREAS}\n", markup=False, highlight=False)
    for pair in pairs:
        console.print(sentence(pair), markup=False, highlight=False)


def sentence(pair: Paired) -> str:
    """Say what a pair shows: a difference only where the test over folds, and that over cases after Holm, find one."""
    first, second = words.method(pair.first), words.method(pair.second)
    counts = ", ".join(f"{a} against {b}" for a, b in pair.right)
    said = f"{first} against {second}, right of {pair.cases}: {counts}."
    if pair.over_folds is None:
        return f"{said} One deal of the folds says little; repeat with other seeds.{_areas(pair)}"
    better = first if pair.difference > 0 else second
    verdict = (
        f"on these {pair.cases} cases {better} is right more often than chance explains"
        if shown(pair)
        else "these runs do not show a difference, nor that there is none"
    )
    return (
        f"{said} Mean difference {pair.difference:+.1f} cases (95 % interval {_interval(pair)}, over folds p "
        f"{_p(_folds(pair))}; over cases p {_p(pair.p_corrected)} after Holm): {verdict}.{_areas(pair)}"
    )


def _areas(pair: Paired) -> str:
    """Say how far the AUROC lie apart; the verdict rests on the right answers alone."""
    if pair.auroc is None:
        return ""
    ends = pair.auroc.interval
    told = f"{ends.low:+.3f} to {ends.high:+.3f}" if ends else words.NOT_DEFINED
    return f" Mean AUROC {pair.auroc.mean:+.3f} (95 % interval {told}, groups drawn again)."


def shown(pair: Paired) -> bool:
    """Whether both tests tell the two apart."""
    over_folds = _folds(pair)
    return over_folds is not None and over_folds < _LEVEL and pair.p_corrected < _LEVEL


def draw(pairs: Sequence[Paired]) -> bytes:
    """Draw the mean difference of every pair with its interval, as a forest plot (PNG)."""
    rows = []
    for pair in pairs:
        interval = None if pair.over_folds is None else pair.over_folds.interval
        ends = None if interval is None else (pair.cases * interval.low, pair.cases * interval.high)
        said = f"{pair.difference:+.1f} of {pair.cases}".replace("-", "\N{MINUS SIGN}")
        name = f"{pair.first} \N{MINUS SIGN} {pair.second}"
        rows.append(forest.Row(name, pair.difference, ends, said, "own" if shown(pair) else "other"))
    reach = max(1.0, *(abs(end) for row in rows for end in (row.value, *(row.ends or ()))))
    return forest.draw(rows, "images right, first minus second (line: 95 % interval)", (-1.1 * reach, 1.1 * reach), 0)


def _folds(pair: Paired) -> float | None:
    return None if pair.over_folds is None else pair.over_folds.p


def _interval(pair: Paired) -> str:
    interval: Interval | None = None if pair.over_folds is None else pair.over_folds.interval
    if interval is None:
        return words.NOT_DEFINED
    return f"{pair.cases * interval.low:+.1f} to {pair.cases * interval.high:+.1f}"


def _p(value: float | None) -> str:
    if value is None:
        return words.NOT_DEFINED
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
