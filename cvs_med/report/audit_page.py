"""The figure and the page of an audit: one file without scripts that opens offline."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cvs_med.audit.findings import Finding
from cvs_med.report import forest
from cvs_med.report.figures import Figure
from cvs_med.report.html import data_uri


def draw(findings: Sequence[Finding], cases: int, by_chance: int) -> Figure:
    """Draw how many labels each probe guesses right, with its interval, beside the share of the largest class.

    Args:
        findings: in the order to draw.
        cases: how many cases there are.
        by_chance: cases of the largest class.
    """
    made = [(each, each.guess) for each in findings if each.guess is not None]
    rows = [
        forest.Row(
            each.probe.name,
            100 * guess.right / cases,
            (100 * guess.interval.low, 100 * guess.interval.high),
            each.grade,
            "other" if each.grade == "not found" else "warning",
        )
        for each, guess in made
    ]
    axis = "labels guessed right, % (line: 95 % interval; dotted: largest class)"
    png = forest.draw(rows, axis, (0, 100), 100 * by_chance / cases)
    told = "; ".join(f"{each.probe.name}: {guess.right} of {cases}, {each.grade}" for each, guess in made)
    return Figure(
        "audit", "Labels guessed without the disease", f"Right guesses with intervals. {told}.", png
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
