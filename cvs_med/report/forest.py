"""A forest plot: a row for each number, with its interval as a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cvs_med.report.figures import BLUE, GREY, ORANGE, new_canvas, plain, to_png

_LOOKS = {"own": (BLUE, "o"), "other": (GREY, "s"), "warning": (ORANGE, "D")}


@dataclass(frozen=True, slots=True)
class Row:
    """One number.

    Attributes:
        name: what it is of.
        value: where the mark stands.
        ends: of its interval; None where it has none.
        said: what stands at the right end of the row.
        look: `own` for what is reported, `warning` for what should worry, `other` for the rest.
    """

    name: str
    value: float
    ends: tuple[float, float] | None
    said: str
    look: Literal["own", "other", "warning"] = "other"


def draw(rows: Sequence[Row], axis: str, limits: tuple[float, float], line: float | None = None) -> bytes:
    """Draw the rows from top to bottom as PNG.

    Args:
        rows: what to draw.
        axis: what the numbers are.
        limits: of the axis.
        line: a number to hold all others against.
    """
    canvas, axes = new_canvas(5.8, 1.0 + 0.36 * max(len(rows), 1))
    for place, row in enumerate(rows):
        colour, shape = _LOOKS[row.look]
        if row.ends is not None:
            axes.plot(row.ends, (place, place), color=colour, linewidth=2)
        axes.plot([row.value], [place], shape, color=colour, markersize=7)
        axes.annotate(plain(row.said), (1.015, place), xycoords=("axes fraction", "data"), va="center")
    if line is not None:
        axes.axvline(line, color="black", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(rows)), [plain(row.name) for row in rows])
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set_xlim(*limits)
    axes.set_xlabel(axis)
    axes.grid(axis="x", alpha=0.4)
    return to_png(canvas)
