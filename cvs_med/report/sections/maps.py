"""What the map shows, and each case."""

from collections.abc import Sequence

from cvs_med.report import figures, made_masks, panels, signs, words
from cvs_med.report.document import Block, Bullets, Gallery, Picture, Section, Swatch, Text
from cvs_med.report.facts import Facts
from cvs_med.report.gallery import Card
from cvs_med.report.sections import more
from cvs_med.tables import Segmentation

_EVIDENCE = (
    "Evidence for the derived class",
    ": each pixel's share of that class's score; all pixels together give the score. Red raises it, blue lowers it. "
    "What raises the score of every class alike, as foreground often does, does not decide between them: this map says "
    "little about why this class and no other.",
)
_RIVAL = (
    "Why the derived class rather than the runner-up",
    ": each pixel's share of the derived class's score minus its share of the score of the next best class. What both "
    "classes share drops out; all pixels together give the lead of the one over the other. Red is a pixel that speaks "
    "for the derived class, blue one that speaks for the runner-up.",
)


def maps(facts: Facts, cards: Sequence[Card]) -> Section:
    """Say how well the map fits the reference masks, and how to read the heat maps."""
    blocks = _overlap(facts) + _made(facts)
    if facts.segmentation and facts.explained:
        rival = any(card.rival is not None for card in cards)
        blocks += [
            Text(
                "Each overlay explains the class that was derived by heat maps in which every pixel counts exactly as "
                "it counted for the network."
            ),
            Bullets((_EVIDENCE, _RIVAL) if rival else (_EVIDENCE,)),
            Text(
                "A heat map shows what the network summed, not what causes a disease. The colours of each heat map "
                "have a scale of their own, which is drawn below it in the full overlay: full red in one image need "
                "not be as much as in another."
            ),
            *signs.blocks(facts),
        ]
    return Section("map", "What the map shows", tuple(blocks))


def _overlap(facts: Facts) -> list[Block]:
    result = facts.metrics.result
    if not (result.dice_working or result.dice_native):
        return [
            Text("No overlap is known: this method answers without a map, or the data set has no reference masks.")
        ]
    seen = facts.metrics.foreground
    said = (
        f"Dice of the {seen} inside the field of view: "
        f"{words.spread(result.dice_working, result.intervals.dice_working)} at the size the network works at; at the "
        f"image's own size: {words.spread(result.dice_native, result.intervals.dice_native)}."
    )
    areas = _areas(facts.segmentation)
    if areas is not None:
        predicted, gold = map(words.percent, areas)
        said += (
            f" Of the field of view, {predicted} was predicted as {seen}; in the gold masks it is {gold} (means)."
        )
    blocks: list[Block] = [Text(said), *more.lines_or_outlines(facts.metrics)]
    if result.dice_working:
        wrong = frozenset(p.case_id for p in facts.predictions if p.predicted != p.label)
        figure = figures.dice(facts.segmentation, wrong, seen)
        blocks.append(Picture(figure, f"{figure.title}."))
    return blocks


def _made(facts: Facts) -> list[Block]:
    """Show masks that were made inside the training parts, of a run that learnt from a few."""
    if facts.metrics.masks is None or not any(facts.metrics.masks.made):
        return []
    figure = made_masks.grid(facts)
    return [
        Text(
            "A network made most or some of the masks that were learnt from. Where they miss what the reference shows, "
            "the final network was taught to miss it."
        ),
        Picture(figure, f"{figure.title}. {figure.alt}"),
    ]


def _areas(segmentation: Sequence[Segmentation]) -> tuple[float, float] | None:
    """Average the predicted and the gold share of the field of view over the cases that know both."""
    known = [
        (row.predicted_fraction, row.gold_fraction)
        for row in segmentation
        if row.predicted_fraction is not None and row.gold_fraction is not None
    ]
    if not known:
        return None
    return sum(predicted for predicted, _ in known) / len(known), sum(gold for _, gold in known) / len(known)


def cases(facts: Facts, cards: Sequence[Card]) -> Section:
    """Show every case, the largest errors first."""
    said = "Errors first, and of them those furthest from their reference; then the rest, the least sure first."
    if len(cards) < facts.cases:
        said += f" {len(cards)} of {facts.cases} images are shown here; all are in the folder overlays."
    said += " The full overlays lie in the folder overlays beside this page."
    blocks: list[Block] = [Text(said)]
    swatches: tuple[Swatch, ...] = ()
    if facts.segmentation:
        blocks.append(Text(_layout(facts, cards)))
        names = facts.metrics.class_names
        swatches = tuple(Swatch(name, panels.class_colour(n), panels.extra_colour(n)) for n, name in enumerate(names))
    blocks.append(Gallery(tuple(cards), swatches, gold=facts.metrics.result.dice_working is not None))
    return Section("cases", "Cases", tuple(blocks))


def _layout(facts: Facts, cards: Sequence[Card]) -> str:
    if any(card.rival is not None for card in cards):
        return (
            "Above, the image and the predicted map; below, the evidence for the derived class (red raises its score, "
            "blue lowers it) and why this class rather than the runner-up (red for the derived class, blue for the "
            "runner-up)."
        )
    if facts.explained:
        return (
            "From left to right: the image; the predicted map; the evidence for the derived class (red raises its "
            "score, blue lowers it)."
        )
    return (
        "On the left, the image; on the right, the predicted map. The class comes from a head of its own and need not "
        "agree with it."
    )
