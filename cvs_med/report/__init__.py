"""From a run folder to what a person looks at: metrics.json, figures, an overlay for every case, and the report."""

from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

from cvs_med.report import compose, facts, gallery, html, markdown, pdf
from cvs_med.report.document import Document, Picture
from cvs_med.report.facts import Facts
from cvs_med.tables import write_bytes

Form: TypeAlias = Literal["html", "pdf", "md", "json"]


def write(run: Path, form: Form = "html", prevalence: tuple[str, float] | None = None) -> Path:
    """Evaluate a run, draw everything, and write report.html, report.pdf, report.md or report.json into its folder.

    Args:
        run: a finished run folder.
        form: which of the four.
        prevalence: see `facts.gather`.

    Returns:
        The report.

    Raises:
        RunError: the run is not finished, or a file of it is missing or damaged.
    """
    known = facts.gather(run, prevalence)
    path = run / f"report.{form}"
    if form == "json":
        write_bytes(path, facts.to_json(known).encode())
        return path
    document = _draw(run, known)
    match form:
        case "html":
            content = html.render(document).encode()
        case "md":
            content = markdown.render(document).encode()
        case "pdf":
            content = pdf.render(document)
    write_bytes(path, content)
    return path


def _draw(run: Path, known: Facts) -> Document:
    """Write figures and overlays, and put the document together."""
    dice = {row.case_id: row.dice_working for row in known.segmentation}
    answered = {each.case_id: each.answered for each in known.decisions.cases} if known.decisions else {}
    cards = [
        card if answered.get(card.case_id) is None else replace(card, sent=not answered[card.case_id])
        for card in gallery.draw(run, known.predictions, known.metrics.class_names, dice)
    ]
    document = compose.compose(known, cards)
    folder = run / "figures"
    folder.mkdir(exist_ok=True)
    for block in document.blocks():
        if isinstance(block, Picture):
            write_bytes(folder / f"{block.figure.name}.png", block.figure.png)
    return document
