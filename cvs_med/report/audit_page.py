"""The figure and the page of an audit: one file without scripts that opens offline."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cvs_med.audit.findings import Finding
from cvs_med.report.figures import Figure, new_canvas, to_png
from cvs_med.report.html import data_uri

_COLOURS = {"found": "#D55E00", "suspect": "#E69F00", "not found": "#666666"}
_SHAPES = {"found": "D", "suspect": "s", "not found": "o"}


def draw(findings: Sequence[Finding], cases: int, by_chance: int) -> Figure:
    """Draw how many labels each probe guesses right, with its interval, beside the share of the largest class.

    Args:
        findings: in the order to draw.
        cases: how many cases there are.
        by_chance: cases of the largest class.
    """
    made = [(each, each.guess) for each in findings if each.guess is not None]
    canvas, axes = new_canvas(7.5, 1.4 + 0.4 * max(len(made), 1))
    for row, (each, guess) in enumerate(made):
        colour = _COLOURS[each.grade]
        axes.plot([100 * end for end in guess.interval], [row, row], color=colour, linewidth=2)
        axes.plot([100 * guess.right / cases], [row], _SHAPES[each.grade], color=colour, markersize=8)
        axes.annotate(each.grade, (101.5, row), annotation_clip=False, va="center")
    axes.axvline(100 * by_chance / cases, color="black", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(made)), [each.probe.name for each, _ in made])
    axes.set_ylim(max(len(made), 1) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("labels guessed right, % (line: 95 % interval; dotted: largest class)")
    axes.grid(axis="x", alpha=0.4)
    told = "; ".join(f"{each.probe.name}: {guess.right} of {cases}, {each.grade}" for each, guess in made)
    return Figure(
        "audit", "Labels guessed without the disease", f"Right guesses with intervals. {told}.", to_png(canvas)
    )


def render(heading: str, sentences: Sequence[str], rows: Sequence[Sequence[str]], figure: Figure) -> str:
    """Write the page as HTML; all text is escaped.

    Args:
        heading: what was asked of which cases.
        sentences: what was found, a paragraph each.
        rows: probe, right, interval, AUROC, p, corrected p, grade, verdict.
        figure: shown in between.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["data_uri"] = data_uri
    page = environment.get_template("audit.html.j2")
    return page.render(heading=heading, sentences=sentences, rows=rows, figure=figure)
