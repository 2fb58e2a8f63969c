"""A report as Markdown, with its figures beside it: for a repository, a wiki, or a paper's supplement."""

import re
from collections.abc import Iterator, Sequence

from cvs_med.report.document import Beside, Block, Bullets, Code, Document, Gallery, Heading, Picture, Table, Text

_SIGNS = re.compile(r"([\\`*_{}\[\]<>|#$])")


def render(document: Document) -> str:
    """Write the document as Markdown; names and texts of the run cannot become marks."""
    parts = [f"# {escape(document.title)}", *_all(document.opening)]
    for section in document.sections:
        parts += [f"## {escape(section.title)}", *_all(section.blocks)]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Take the meaning from every sign that has one in Markdown."""
    return _SIGNS.sub(r"\\\1", re.sub(r"\s+", " ", text))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table; a line break in a cell becomes a comma."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text if text == "---" else escape(text.replace("\n", ", "))


def _all(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        yield from _one(block)


def _one(block: Block) -> Iterator[str]:
    match block:
        case Text(text, tone):
            yield f"> {escape(text)}" if tone == "notice" else escape(text)
        case Heading(text):
            yield f"### {escape(text)}"
        case Bullets(items):
            yield "\n".join(f"- {f'**{escape(lead)}**' if lead else ''}{escape(rest)}" for lead, rest in items)
        case Table():
            yield escape(block.caption) + ":"
            yield table(block.header, block.rows)
        case Picture(figure, caption):
            yield f"![{escape(figure.alt)}](figures/{figure.name}.png)"
            yield escape(caption)
        case Code(_, text):
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
            yield f"{fence}text\n{text.rstrip()}\n{fence}"
        case Beside(left, right):
            yield from _all((left, right))
        case Gallery(cards):
            header: tuple[str, ...] = ("case", "answer", "derived", "reference", "fold", "overlay")
            rows: list[tuple[str, ...]] = [
                (c.case_id, "right" if c.right else "wrong", c.derived, c.reference, str(c.fold), c.link) for c in cards
            ]
            if any(card.sent is not None for card in cards):
                header = (*header, "sent to a human")
                rows = [(*row, "yes" if card.sent else "no") for row, card in zip(rows, cards, strict=True)]
            yield table(header, rows)
