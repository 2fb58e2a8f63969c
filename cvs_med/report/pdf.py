"""A report as a PDF, by ReportLab: pure Python, so that a machine without a browser has one too."""

import base64
import io
from collections.abc import Iterator, Sequence
from functools import cache
from xml.sax.saxutils import escape

from PIL import Image as Pillow
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    Image,
    KeepTogether,
    ListFlowable,
    ListItem,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    TableStyle,
)
from reportlab.platypus import Table as Grid

from cvs_med.report import lettering
from cvs_med.report.document import (
    Beside,
    Block,
    Bullets,
    Code,
    Document,
    Gallery,
    Heading,
    Picture,
    Swatch,
    Table,
    Text,
)
from cvs_med.report.gallery import Card

_MARGIN = 16 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_TALLEST = 85 * mm
"""Of a figure, so that two fit a page with their text."""
_IN_A_ROW = 3
_DPI = 130
"""Of the figures, see `figures.new_canvas`."""
_LINE = colors.HexColor("#cccccc")
_BLUE = colors.HexColor("#0072b2")


def render(document: Document) -> bytes:
    """Draw the document on A4 pages; equal documents give equal bytes."""
    _letters()
    stream = io.BytesIO()
    template = SimpleDocTemplate(
        stream, pagesize=A4, leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=_MARGIN, bottomMargin=_MARGIN,
        title=document.title, lang="en-GB", invariant=1,
    )  # fmt: skip
    story: list[Flowable] = [_paragraph(document.title, "title"), *_all(document.opening)]
    for section in document.sections:
        story += [CondPageBreak(30 * mm), _paragraph(section.title, "section"), *_all(section.blocks)]
    template.build(story, onFirstPage=_number, onLaterPages=_number)
    return stream.getvalue()


@cache
def _letters() -> None:
    """Register the fonts that the pictures are lettered with."""
    for name, font in (("text", "DejaVuSans"), ("bold", "DejaVuSans-Bold"), ("mono", "DejaVuSansMono")):
        pdfmetrics.registerFont(TTFont(f"cvs-{name}", lettering.file(font)))


def _style(name: str, size: float, before: float, after: float, font: str = "text", **more: object) -> ParagraphStyle:
    return ParagraphStyle(
        name, fontName=f"cvs-{font}", fontSize=size, leading=1.35 * size, spaceBefore=before, spaceAfter=after, **more
    )


_STYLES = {
    style.name: style
    for style in (
        _style("title", 15, 0, 6, "bold"),
        _style("section", 12, 12, 4, "bold", textColor=_BLUE, keepWithNext=1),
        _style("heading", 10, 8, 3, "bold", keepWithNext=1),
        _style("plain", 8.5, 0, 5),
        _style("answer", 10, 0, 6),
        _style("notice", 8.5, 2, 6, backColor=colors.HexColor("#fdf3ec"), borderPadding=3),
        _style("caption", 7.5, 2, 3, textColor=colors.HexColor("#444444")),
        _style("table", 7.5, 2, 3, textColor=colors.HexColor("#444444"), keepWithNext=1),
        _style("cell", 7, 0, 0),
        _style("number", 7, 0, 0, alignment=2),
        _style("code", 7, 2, 6, "mono", backColor=colors.HexColor("#f4f4f4"), borderPadding=3),
    )
}


def _number(canvas: Canvas, template: SimpleDocTemplate) -> None:
    canvas.setFont("cvs-text", 7)
    canvas.drawRightString(A4[0] - _MARGIN, 9 * mm, f"{template.page}")


def _safe(text: str) -> str:
    """Take the meaning from signs of markup, and write what the font lacks as numbers."""
    return escape(lettering.legible(text))


def _paragraph(text: str, style: str) -> Paragraph:
    return Paragraph(_safe(text).replace("\n", "<br/>"), _STYLES[style])


def _all(blocks: Sequence[Block]) -> Iterator[Flowable]:
    for block in blocks:
        yield from _one(block)


def _one(block: Block) -> Iterator[Flowable]:
    match block:
        case Text(text, tone):
            yield _paragraph(text, tone)
        case Heading(text):
            yield _paragraph(text, "heading")
        case Bullets(items):
            yield ListFlowable(
                [ListItem(_item(lead, rest), leftIndent=10) for lead, rest in items], bulletType="bullet", start="•",
                bulletFontName="cvs-text", bulletFontSize=7, leftIndent=10,
            )  # fmt: skip
        case Table():
            yield _paragraph(block.caption, "table")
            yield _grid(block)
            yield Spacer(0, 6)
        case Picture(figure, caption):
            yield KeepTogether([_picture(figure.png, _WIDTH), _paragraph(caption, "caption")])
        case Code(_, text, folded):
            # Who wants the whole protocol has it as a file; on paper it would fill two pages.
            if not folded:
                yield _paragraph(text.rstrip(), "code")
        case Beside(Picture() as left, Picture() as right):
            half = (_WIDTH - 6 * mm) / 2
            row = [
                [_picture(each.figure.png, half), _paragraph(each.caption, "caption")] for each in (left, right)
            ]
            yield Grid([row], colWidths=[half + 3 * mm] * 2, style=TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP")]))
        case Beside(left, right):
            yield from _all((left, right))
        case Gallery(cards, swatches, gold):
            if swatches:
                yield _legend(swatches, gold)
            yield from _cards(cards)


def _item(lead: str, rest: str) -> Paragraph:
    start = f'<font name="cvs-bold">{escape(lead)}</font>' if lead else ""
    return Paragraph(start + _safe(rest), _STYLES["plain"])


def _grid(block: Table) -> Grid:
    last = len(block.header) - 1

    def cell(text: str, column: int) -> Paragraph:
        return _paragraph(text, "cell" if column == 0 or (block.prose and column == last) else "number")

    rows = [[cell(text, column) for column, text in enumerate(row)] for row in (block.header, *block.rows)]
    marks = [("BACKGROUND", (0, row + 1), (-1, row + 1), colors.HexColor("#e8f2f8")) for row in block.marked]
    style = TableStyle(
        [
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
            ("LINEBELOW", (0, 0), (-1, 0), 0.8, colors.black),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (0, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
            *marks,
        ]
    )
    return Grid(rows, colWidths=_columns(block), repeatRows=1, hAlign="LEFT", style=style)


def _columns(block: Table) -> list[float]:
    """Give each column the width that its longest line asks for, and all of them no more than the page has."""
    lines = zip(block.header, *block.rows, strict=True)
    wanted = [
        12 + max(pdfmetrics.stringWidth(line, "cvs-text", 7) for text in column for line in text.split("\n"))
        for column in lines
    ]
    room = _WIDTH
    if sum(wanted) <= room:
        return wanted
    # The widest columns give way first.
    widths = wanted
    while sum(widths) > room:
        limit = max(widths) * 0.97
        widths = [min(width, limit) for width in widths]
    return widths


def _picture(png: bytes, width: float) -> Image:
    with Pillow.open(io.BytesIO(png)) as image:
        size = image.width * 72 / _DPI, image.height * 72 / _DPI
    scale = min(1.0, width / size[0], _TALLEST / size[1])
    return Image(io.BytesIO(png), scale * size[0], scale * size[1], hAlign="LEFT")


def _legend(swatches: Sequence[Swatch], gold: bool) -> Paragraph:
    """Name the colours of the maps, each by a square of its own colour."""
    named = [_square(each.bright) + (_square(each.dark) if gold else "") + _safe(each.name) for each in swatches]
    said = "; bright: also in the gold mask; dark: not in it; white: in the gold mask, missed" if gold else ""
    return Paragraph(f"In the map: {', '.join(named)}{said}.", _STYLES["plain"])


def _square(rgb: tuple[int, int, int]) -> str:
    return '<font color="#{:02x}{:02x}{:02x}">■</font> '.format(*rgb)


def _cards(cards: Sequence[Card]) -> Iterator[Flowable]:
    width = (_WIDTH - 2 * 3 * mm) / _IN_A_ROW
    for start in range(0, len(cards), _IN_A_ROW):
        row = [_card(card, width - 6) for card in cards[start : start + _IN_A_ROW]]
        row += [[]] * (_IN_A_ROW - len(row))
        style = TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), 6),
            ]
        )
        yield Grid([row], colWidths=[width + 2 * mm] * _IN_A_ROW, style=style, hAlign="LEFT")


def _card(card: Card, width: float) -> list[Flowable]:
    jpeg = base64.b64decode(card.thumbnail.partition(";base64,")[2])
    with Pillow.open(io.BytesIO(jpeg)) as image:
        height = width * image.height / image.width
    badge = "✓ right" if card.right else "✗ wrong"
    shares = ", ".join(f"{name} {share:.3f}" for name, share in card.probabilities)
    start = f'<font name="cvs-bold">{badge}: {_safe(card.case_id)}</font><br/>'
    human = "; sent to a human" if card.sent else ""
    said = f"derived {card.derived}, reference {card.reference}; {shares}{human}"
    text = Paragraph(start + _safe(said), _STYLES["cell"])
    return [Image(io.BytesIO(jpeg), width, height, hAlign="LEFT"), Spacer(0, 2), text, Spacer(0, 4)]
