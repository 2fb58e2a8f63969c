"""Checklists for papers, with what a run answers filled in and the rest left open."""

import csv
import io
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from cvs_med.report import markdown
from cvs_med.report.answers import answers
from cvs_med.report.facts import Facts

OPEN = "to be filled in"


class Item(BaseModel):
    """One item: its number, what it asks, and the name of the answer, if a run can know it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: str
    asks: str
    answer: str | None = None


class Checklist(BaseModel):
    """A checklist and where it was published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    items: list[Item]


def checklists() -> list[Checklist]:
    """Read the checklists that the package knows."""
    text = Path(__file__).with_name("checklists.yaml").read_text(encoding="utf-8")
    return TypeAdapter(list[Checklist]).validate_python(yaml.safe_load(text))


def as_markdown(facts: Facts) -> str:
    """Give every checklist as a table."""
    known = answers(facts)
    parts = []
    for each in checklists():
        rows = [(item.number, item.asks, _answer(item, known) or OPEN) for item in each.items]
        filled = sum(row[2] != OPEN for row in rows)
        parts += [
            f"# {each.name}",
            f"{markdown.escape(each.source)}. The items are named in short words: read the statement for what it asks. "
            f"{filled} of {len(rows)} items are answered by the run, and each answer needs an author's eye.",
            markdown.table(("item", "asks for", "what the run says"), rows),
        ]
    return "\n\n".join(parts) + "\n"


def as_csv(facts: Facts) -> str:
    """Give every checklist as rows; what the run does not know is empty."""
    known = answers(facts)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["checklist", "item", "asks for", "what the run says"])
    for each in checklists():
        writer.writerows([each.name, item.number, item.asks, _answer(item, known)] for item in each.items)
    return stream.getvalue()


def _answer(item: Item, known: dict[str, str]) -> str:
    return known[item.answer] if item.answer else ""
