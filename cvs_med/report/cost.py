"""Accuracy against annotation time, a circle for each training (the paper's figure 4)."""

from collections.abc import Sequence

from cvs_med.annotation_cost import Cost
from cvs_med.report.figures import Figure, new_canvas, to_png
from cvs_med.report.panels import class_colour

_LARGEST = 900.0
"""Area of the largest circle, in square points."""

_SMALLEST = 12.0


def figure(costs: Sequence[Cost]) -> Figure:
    """Draw a circle for each method and number of samples: its area is the time of training.

    Args:
        costs: one at least, each with an annotation time above zero.
    """
    canvas, axes = new_canvas(7.5, 5.0)
    longest = max(each.training_seconds for each in costs)
    for number, title in enumerate(dict.fromkeys(each.title for each in costs)):
        own = sorted((each for each in costs if each.title == title), key=lambda each: each.annotation_seconds)
        hours, accuracy = [each.annotation_seconds / 3600 for each in own], [each.accuracy for each in own]
        red, green, blue = (value / 255 for value in class_colour(number))
        axes.plot(hours, accuracy, color=(red, green, blue), linewidth=1, label=title.replace("$", r"\$"))
        areas = [area(each.training_seconds, longest) for each in own]
        axes.scatter(hours, accuracy, s=areas, color=[(red, green, blue, 0.55)], edgecolors=[(red, green, blue)])
        for each, x, y in zip(own, hours, accuracy, strict=True):
            axes.annotate(each.samples, (x, y), ha="center", va="center", fontsize=7)
    axes.set_xscale("log")
    axes.margins(0.12)
    axes.set_xlabel("annotation by a person, hours (log axis)")
    axes.set_ylabel("accuracy, %")
    axes.set_title(f"circle: area is training time, the largest {longest:.3g} s; number: samples a class", fontsize=9)
    axes.grid(alpha=0.4)
    canvas.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=2)
    told = "; ".join(
        f"{each.title}, {each.samples}: {each.accuracy:.2f} % for {each.annotation_seconds / 3600:.2f} h"
        for each in costs
    )
    return Figure("cost", "Accuracy against annotation time", f"Accuracy and annotation time. {told}.", to_png(canvas))


def area(training: float, longest: float) -> float:
    """Give the area of a circle in square points: in proportion to the time, but never too small to be seen."""
    return max(_SMALLEST, _LARGEST * training / longest) if longest else _SMALLEST
