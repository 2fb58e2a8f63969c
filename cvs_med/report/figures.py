"""The figures of a run, drawn without any global state; each is told in words too, for those who cannot see it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from cvs_med.evaluation import RunMetrics
from cvs_med.report import words
from cvs_med.report.lettering import legible
from cvs_med.tables import Segmentation

BLUE = "#0072B2"
ORANGE = "#D55E00"
GREY = "#666666"
_DASHES = ("-", "--", "-.", ":")
_NAMED = 3
"""Cases of the lowest Dice that the caption names."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure.

    Attributes:
        name: its file name without ending.
        title: what it shows, as a heading.
        alt: what can be seen in it, in a sentence.
        png: the picture.
    """

    name: str
    title: str
    alt: str
    png: bytes


def confusion(run: RunMetrics) -> Figure:
    """Draw how often each class was given to the cases of each class."""
    matrix = np.array(run.result.confusion)
    side = min(2.2 + 0.6 * len(matrix), 8.0)
    canvas, axes = new_canvas(side + 1.0, side)
    axes.imshow(matrix, cmap="Blues", vmin=0)
    _number_cells(axes, matrix)
    names = [plain(name) for name in run.class_names]
    axes.set_xticks(range(len(matrix)), names, rotation=30 if len(matrix) < 6 else 90, ha="right")
    axes.set_yticks(range(len(matrix)), names)
    axes.set_xlabel("class given")
    axes.set_ylabel("reference class")
    named = [f"{name} taken for {given}: {count}" for name, given, count in words.confusions(run)]
    told = "; ".join(named) or "no case was taken for another class"
    return Figure("confusion", "Which class was taken for which", f"Confusion matrix. {told}.", to_png(canvas))


def learning(losses: Sequence[tuple[int, Sequence[float]]]) -> Figure:
    """Draw the training loss over the epochs.

    Args:
        losses: fold number and its loss after each epoch.
    """
    canvas, axes = new_canvas(7.0, 3.4)
    for place, (fold, values) in enumerate(losses):
        dash = _DASHES[place % len(_DASHES)]
        axes.plot(range(1, len(values) + 1), values, dash, linewidth=1.5, label=f"fold {fold}", alpha=0.9)
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss")
    if len(losses) <= 10:
        axes.legend(frameon=False)
    axes.grid(alpha=0.4)
    told = "; ".join(f"fold {fold}: {values[0]:.3g} to {values[-1]:.3g}" for fold, values in losses)
    return Figure("learning", "Learning curves", f"Training loss, first to last epoch. {told}.", to_png(canvas))


def dice(rows: Sequence[Segmentation], wrong: frozenset[str], foreground: str) -> Figure:
    """Draw the Dice of every case where it is known, lowest first.

    Args:
        rows: the rows of segmentation.csv.
        wrong: cases that were given another class than their reference.
        foreground: what the masks show, in a word.
    """
    known = sorted((row.dice_working, row.case_id) for row in rows if row.dice_working is not None)
    canvas, axes = new_canvas(7.0, 3.2)
    for shape, colour, name, among in (("o", BLUE, "right class", False), ("X", ORANGE, "wrong class", True)):
        points = [(place, value) for place, (value, case) in enumerate(known) if (case in wrong) is among]
        if points:
            axes.plot(*zip(*points, strict=True), shape, color=colour, label=name, markersize=6)
    axes.set_ylim(0, 1)
    axes.set_ylabel(plain(f"Dice of the {foreground}"))
    axes.set_xticks([])
    axes.set_xlabel(f"{len(known)} images, lowest Dice first")
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
    axes.grid(axis="y", alpha=0.4)
    alt = f"Dice of {len(known)} cases, from {known[0][0]:.3f} ({known[0][1]}) to {known[-1][0]:.3f} ({known[-1][1]})."
    lowest = ", ".join(f"{case} ({value:.3f})" for value, case in known[:_NAMED])
    return Figure("dice", f"Dice of each case at the working size. Lowest: {lowest}", alt, to_png(canvas))


def _number_cells(axes: Axes, matrix: np.typing.NDArray[np.int64]) -> None:
    middle = matrix.max() / 2
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if count > middle else "black"
        weight = "bold" if row == column else "normal"
        axes.text(column, row, str(count), ha="center", va="center", color=colour, weight=weight)


def new_canvas(width: float, height: float) -> tuple[Canvas, Axes]:
    """Open an empty figure of a size in inches."""
    canvas = Canvas(figsize=(width, height), dpi=130, layout="constrained")
    FigureCanvasAgg(canvas)
    return canvas, canvas.add_subplot()


def to_png(canvas: Canvas) -> bytes:
    """Draw a figure as PNG."""
    stream = io.BytesIO()
    # Without the version in it, the same run gives the same bytes.
    canvas.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def plain(text: str) -> str:
    """Make a name legible, and keep matplotlib from reading a dollar sign in it as mathematics."""
    return legible(text).replace("$", r"\$")
