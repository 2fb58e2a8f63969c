"""Two figures of how far the probabilities of a run can be believed."""

from collections.abc import Sequence

from cvs_med.report.figures import BLUE, GREY, ORANGE, Figure, new_canvas, plain, to_png
from cvs_med.statistics.calibration import Bin
from cvs_med.statistics.decision import DecisionCurve
from cvs_med.statistics.intervals import Interval, wilson
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


def working_points(
    curve: Sequence[Selection], inside: Sequence[Selection], reached: Selection, wanted: float
) -> Figure:
    """Draw the risk-coverage curve of the test cases, and where the thresholds of the folds lie.

    Args:
        curve: of the test cases, by the confidence that the thresholds look at.
        inside: the selection of each fold's threshold among its inner answers; none of a fold without a threshold.
        reached: what all thresholds together select of the test cases.
        wanted: the largest risk that was asked for.
    """
    canvas, axes = new_canvas(4.8, 4.8)
    axes.plot(*_percent(curve), color=BLUE, linewidth=2, label="test images, one threshold for all")
    if inside:
        axes.plot(*_percent(inside), "D", color=GREY, fillstyle="none", label="chosen inside a training part")
    if reached.answered:
        axes.plot(*_percent([reached]), "D", color=ORANGE, markersize=9, label="reached on the test images")
    axes.axhline(100 * wanted, color="black", linestyle=":", linewidth=1)
    highest = max(100 * (point.risk or 0) for point in (*curve, reached))
    axes.set_xlim(0, 102)
    axes.set_ylim(-1, min(102.0, max(10.0, 1.1 * highest)))
    axes.set_xlabel("images answered, %")
    axes.set_ylabel("wrong among the answers, %")
    canvas.legend(frameon=False, loc="outside lower center")
    axes.grid(alpha=0.4)
    chosen = "; ".join(f"{point.wrong} of {point.answered} answers wrong inside" for point in inside)
    told = f"Chosen: {chosen or 'nothing'}. Reached: {reached.wrong} of {reached.answered} answers wrong."
    title = "Where the folds' thresholds lie. Dotted: the share of wrong answers that was asked for"
    return Figure("working_points", title, f"Risk-coverage curve with working points. {told}", to_png(canvas))


def decision(curve: DecisionCurve, intervals: Sequence[Interval], class_name: str) -> Figure:
    """Draw the net benefit of acting on the answers, beside treating everybody and nobody.

    Args:
        curve: at a stated prevalence.
        intervals: of the method at each threshold.
        class_name: of what would be treated.
    """
    canvas, axes = new_canvas(6.0, 4.4)
    thresholds = [100 * threshold for threshold in curve.thresholds]
    lows, highs = zip(*intervals, strict=True)
    axes.fill_between(thresholds, lows, highs, color=BLUE, alpha=0.18, linewidth=0, label="95 % at each threshold")
    axes.plot(thresholds, curve.method, color=BLUE, linewidth=2, label="those whom the method says are treated")
    axes.plot(thresholds, curve.treat_all, "--", color=ORANGE, linewidth=1.5, label="everybody is")
    axes.axhline(0, color="black", linestyle=":", linewidth=1, label="nobody is")
    axes.set_xlim(0, 100)
    axes.set_ylim(-0.4 * curve.prevalence, 1.15 * curve.prevalence)
    axes.set_xlabel(plain(f"probability of {class_name} from which one would treat, %"))
    axes.set_ylabel("net benefit")
    canvas.legend(frameon=False, loc="outside lower center", ncols=2)
    axes.grid(alpha=0.4)
    shown = [place for place, value in enumerate(thresholds) if round(value) in (5, 10, 20, 50)]
    told = "; ".join(
        f"from {thresholds[place]:.0f} %: {curve.method[place]:.3f} (95 % interval {intervals[place].low:.3f} to "
        f"{intervals[place].high:.3f}), everybody {curve.treat_all[place]:.3f}"
        for place in shown
    )
    title = f"Decision curve for {class_name} at a prevalence of {100 * curve.prevalence:g} %"
    return Figure("decision_curve", title, f"{title}. Net benefit of treating {told}.", to_png(canvas))


def _percent(points: Sequence[Selection]) -> tuple[list[float], list[float]]:
    return [100 * point.coverage for point in points], [100 * (point.risk or 0) for point in points]
