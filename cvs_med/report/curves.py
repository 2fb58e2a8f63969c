"""Two figures of how far the probabilities of a run can be believed."""

from collections.abc import Sequence

from cvs_med.report.figures import BLUE, GREY, Figure, new_canvas, to_png
from cvs_med.statistics.calibration import Bin
from cvs_med.statistics.intervals import wilson
from cvs_med.statistics.selective import Selection


def reliability(bins: Sequence[Bin], *, after_temperature: bool = False) -> Figure:
    """Draw how often answers of each confidence were right, with a Wilson interval for each bin.

    Args:
        bins: of similar confidence.
        after_temperature: whether these are the confidences after division by the folds' temperatures.
    """
    canvas, axes = new_canvas(4.4, 4.2)
    axes.plot([0, 100], [0, 100], ":", color="black", linewidth=1)
    for part in bins:
        ends = wilson(round(part.accuracy * part.n), part.n)
        axes.plot([100 * part.confidence] * 2, [100 * end for end in ends], color=BLUE, linewidth=2)
        axes.plot([100 * part.confidence], [100 * part.accuracy], "o", color=BLUE, markersize=7)
        axes.annotate(f"{part.n}", (100 * part.confidence, 100 * part.accuracy), (6, 5), textcoords="offset points")
    axes.set_xlim(0, 102)
    axes.set_ylim(0, 102)
    axes.set_aspect("equal")
    axes.set_xlabel("mean confidence of a bin, %")
    axes.set_ylabel("right, %")
    axes.grid(alpha=0.4)
    told = "; ".join(
        f"confidence {100 * part.confidence:.0f} %: {100 * part.accuracy:.0f} % of {part.n} right" for part in bins
    )
    when = " after the temperatures" if after_temperature else ""
    title = (
        f"Reliability{when}. The answers in bins of about equally many, with 95 % intervals and the number of answers; "
        "on the dotted line, confidence is what it says"
    )
    name = "reliability_after" if after_temperature else "reliability"
    return Figure(name, title, f"Reliability diagram{when}. {told}.", to_png(canvas))


def risk_coverage(curve: Sequence[Selection]) -> Figure:
    """Draw the share of wrong answers against the share of cases that are answered, the surest first."""
    canvas, axes = new_canvas(4.8, 4.2)
    coverages = [100 * point.coverage for point in curve]
    risks = [100 * (point.risk or 0) for point in curve]
    axes.plot(coverages, risks, color=BLUE, linewidth=2)
    axes.plot(coverages[-1:], risks[-1:], "o", color=BLUE, markersize=7)
    axes.axhline(risks[-1], color=GREY, linestyle=":", linewidth=1)
    axes.set_xlim(0, 102)
    axes.set_ylim(0, min(102.0, max(10.0, 1.2 * max(risks))))
    axes.set_xlabel("images answered, the surest first, %")
    axes.set_ylabel("wrong among the answers, %")
    axes.grid(alpha=0.4)
    points = {min(range(len(curve)), key=lambda place: abs(coverages[place] - wanted)) for wanted in (50, 75, 100)}
    told = "; ".join(f"{curve[place].answered} answered: {curve[place].wrong} wrong" for place in sorted(points))
    title = "Risk and coverage. Dotted: the share of wrong answers if every image is answered"
    return Figure("risk_coverage", title, f"Risk-coverage curve. {told}.", to_png(canvas))
