"""A model card: what a run's models are, what they were shown to do, and what they are not for."""

from cvs_med.report import markdown, words
from cvs_med.report.answers import answers
from cvs_med.report.document import Block, Bullets, Code, Document, Section, Table, Text
from cvs_med.report.facts import Facts
from cvs_med.report.sections import opening
from cvs_med.report.sections.closing import limitations


def as_markdown(facts: Facts) -> str:
    """Write the card as Markdown.

    The headings follow M. Mitchell and others, Model cards for model reporting, FAT* 2019, 220-229.
    """
    return markdown.render(card(facts))


def card(facts: Facts) -> Document:
    """Put the card together."""
    known = answers(facts)
    title = f"Model card: {words.method(facts.metrics.method)} on {facts.dataset.title}"
    sections = (
        _section("Model", known, "method", "model", "weights", "training", "selection", "output", "software"),
        Section("use", "Intended use", _use(facts)),
        _section("Data", known, "source", "size", "masks", "preparation", "reference"),
        _section("Evaluation", known, "folds", "groups", "measures", "uncertainty"),
        Section("results", "Results", (Text(known["performance"]), _classes(facts))),
        _section("Shortcuts and explanations", known, "audit", "explanation"),
        Section("limits", "Limits", (Bullets(tuple(("", text) for text in limitations(facts))),)),
        Section("repeat", "How to repeat it", (Code("Command", facts.command),)),
    )
    return Document(title, (Text(opening.NOT_A_DEVICE, "notice"),), sections)


def _section(title: str, known: dict[str, str], *names: str) -> Section:
    items = tuple((f"{name.capitalize()}:", f" {known[name]}") for name in names if known[name])
    blocks: tuple[Block, ...] = (Bullets(items),) if items else (Text("Not known."),)
    return Section(title.lower(), title, blocks)


def _use(facts: Facts) -> tuple[Block, ...]:
    classes = words.listed(facts.metrics.class_names, "and")
    return (
        Text(f"Research on telling {classes} apart with few labelled images, by people who can judge such images."),
        Text(
            "Not for: diagnosis, triage or treatment; images of another kind, camera or population than those below; "
            "classes that it was not shown. Each fold has a model of its own, and none of them was tested as a product."
        ),
    )


def _classes(facts: Facts) -> Table:
    rows = tuple(
        (each.name, words.sentence(each.sensitivity), words.sentence(each.specificity))
        for each in facts.metrics.result.classes
    )
    return Table("Each class against the others", ("class", "sensitivity", "specificity"), rows)
