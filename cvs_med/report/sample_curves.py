"""Accuracy against samples a class: what was measured in one panel, what was published in another, on one scale."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from cvs_med.report.figures import plain, to_png
from cvs_med.report.panels import class_colour
from cvs_med.reported import Comparison
from cvs_med.sweep_table import Row, Samples

_PANEL = (5.2, 5.4)
"""Width and height of a panel in inches."""

_Place: TypeAlias = Callable[[Samples], int]


def draw(comparisons: Sequence[Comparison]) -> bytes:
    """Draw a row of panels for each data set, as PNG.

    Args:
        comparisons: of sweeps, with the published figures that are to be shown.
    """
    columns = 2 if any(each.published for each in comparisons) else 1
    size = _PANEL[0] * columns, _PANEL[1] * len(comparisons)
    canvas = Canvas(figsize=size, dpi=130, layout="constrained")
    FigureCanvasAgg(canvas)
    panels = canvas.subplots(len(comparisons), columns, squeeze=False, sharex="row", sharey="row")
    for row, comparison in zip(panels, comparisons, strict=True):
        _measured(row[0], comparison)
        if columns == 2:
            _published(row[1], comparison)
        for axes in row:
            axes.set_xticks(range(len(comparison.samples)), [str(samples) for samples in comparison.samples])
            axes.set_xlabel("samples a class")
            axes.set_ylabel("accuracy, %")
            axes.tick_params(labelleft=True)
            axes.grid(alpha=0.4)
            axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.13))
    return to_png(canvas)


def _measured(axes: Axes, comparison: Comparison) -> None:
    """Draw each method of each sweep: the mean over its seeds, and a line from the least to the largest."""
    place: _Place = comparison.samples.index
    for number, (name, table, method) in enumerate(comparison.measured):
        rows: list[Row] = [row for row in table.rows if row.method == method]
        rows.sort(key=lambda row: place(row.samples))
        means = [row.mean for row in rows]
        reach = [row.mean - row.minimum for row in rows], [row.maximum - row.mean for row in rows]
        axes.errorbar(
            [place(row.samples) for row in rows], means, yerr=reach, marker="o", markersize=4, capsize=3,
            color=_colour(number), label=plain(f"{name}: {method}"),
        )  # fmt: skip
    axes.set_title(plain(f"{comparison.dataset}: measured (line: least to largest seed)"), fontsize=9)


def _published(axes: Axes, comparison: Comparison) -> None:
    place: _Place = comparison.samples.index
    for number, figures in enumerate(comparison.published):
        known = sorted(figures.percent.items(), key=lambda item: place(item[0]))
        axes.plot(
            [place(samples) for samples, _ in known], [percent for _, percent in known], marker="s", markersize=4,
            linestyle="--", color=_colour(number), label=plain(figures.title),
        )  # fmt: skip
    axes.set_title(plain(f"{comparison.dataset}: reported"), fontsize=9)


def _colour(number: int) -> tuple[float, float, float]:
    red, green, blue = class_colour(number)
    return red / 255, green / 255, blue / 255
