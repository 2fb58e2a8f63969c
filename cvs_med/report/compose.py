"""The sections of a report in their order."""

from collections.abc import Sequence

from cvs_med.report import words
from cvs_med.report.document import Document, numbered
from cvs_med.report.facts import Facts
from cvs_med.report.gallery import Card
from cvs_med.report.sections import closing, maps, opening, results, trust


def compose(facts: Facts, cards: Sequence[Card]) -> Document:
    """Put a whole report together, as the results section of a paper would go."""
    sections = (
        opening.asked(facts),
        opening.data(facts),
        opening.protocol(facts),
        results.results(facts),
        maps.maps(facts, cards),
        trust.trust(facts),
        maps.cases(facts, cards),
        closing.limits(facts),
        closing.repeat(facts),
    )
    title = f"{words.method(facts.metrics.method)} on {facts.dataset.title}"
    return numbered(Document(title, opening.summary(facts), sections))
