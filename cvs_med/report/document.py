"""What a report says, before it is a page, a PDF or Markdown: sections of a few kinds of blocks.

Every form is drawn from the same document, so that they cannot say different things.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from cvs_med.report.figures import Figure
from cvs_med.report.gallery import Card


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; an `answer` is set larger, a `notice` stands out."""

    text: str
    tone: Literal["plain", "answer", "notice"] = "plain"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading below that of the section."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list; each item is its first words, which stand out and may be empty, and the rest."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names the rows.

    Attributes:
        caption: what it shows; `numbered` puts its number before it.
        header: one name a column.
        rows: cells; a line break is kept.
        marked: numbers of the rows that stand out.
        prose: whether the last column is text rather than numbers.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()
    prose: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with its caption."""

    figure: Figure
    caption: str


@dataclass(frozen=True, slots=True)
class Code:
    """Text as it stands in a file or on a command line; `folded` where only few will read it."""

    title: str
    text: str
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Swatch:
    """A colour of the predicted maps: what it is of, and its bright and its dark form, (R, G, B)."""

    name: str
    bright: tuple[int, int, int]
    dark: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Gallery:
    """The cases, the largest errors first.

    Attributes:
        cards: in their order.
        swatches: what the colours of the maps mean; empty without a map.
        gold: whether the maps are held against reference masks.
    """

    cards: tuple[Card, ...]
    swatches: tuple[Swatch, ...]
    gold: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """Two blocks side by side where there is room."""

    left: "Block"
    right: "Block"


Block: TypeAlias = Text | Heading | Bullets | Table | Picture | Code | Gallery | Beside


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report; its `anchor` is a word that links can name."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    opening: tuple[Block, ...]
    sections: tuple[Section, ...]

    def blocks(self) -> Iterator[Block]:
        """Give every block in reading order, those that stand side by side one after the other."""
        yield from _flat(self.opening)
        for section in self.sections:
            yield from _flat(section.blocks)


def _flat(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        yield from (block.left, block.right) if isinstance(block, Beside) else (block,)


def numbered(document: Document) -> Document:
    """Put `Table 1.`, `Figure 1.` and so on before the captions."""
    counts = {"Table": 0, "Figure": 0}

    def one(block: Block) -> Block:
        match block:
            case Beside(left, right):
                return Beside(one(left), one(right))
            case Table(caption=caption):
                counts["Table"] += 1
                return replace(block, caption=f"Table {counts['Table']}. {caption}")
            case Picture(caption=caption):
                counts["Figure"] += 1
                return replace(block, caption=f"Figure {counts['Figure']}. {caption}")
            case _:
                return block

    sections = tuple(replace(each, blocks=tuple(map(one, each.blocks))) for each in document.sections)
    return replace(document, sections=sections)
