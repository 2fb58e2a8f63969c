"""The page of a run: one file without scripts that opens offline and loads nothing."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cvs_med.evaluation import DatasetCard, Folds, RunMetrics
from cvs_med.report import panels, words
from cvs_med.report.figures import Figure
from cvs_med.report.gallery import Card
from cvs_med.tables import Segmentation
from cvs_med.types import Prediction


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that a page says.

    Attributes:
        run: what was reached.
        dataset: what is known about the data set.
        folds: who was tested when.
        predictions: the method's predictions.
        segmentation: overlap of the maps with the reference masks; empty for a method without a map.
        figures: by their name.
        cards: the cases to show, in their order.
        protocol: text of protocol.yaml.
        environment: where and how it was run.
    """

    run: RunMetrics
    dataset: DatasetCard
    folds: Folds
    predictions: Sequence[Prediction]
    segmentation: Sequence[Segmentation]
    figures: Mapping[str, Figure]
    cards: Sequence[Card]
    protocol: str
    environment: Mapping[str, str | int | float | None]


def render(page: Page) -> str:
    """Write the page as HTML; names and texts of the run are escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = data_uri
    environment.filters["colour"] = _colour
    return environment.get_template("page.html.j2").render(
        page=page,
        run=page.run,
        words=words,
        class_counts=_class_counts(page),
        groups=len({p.group for p in page.predictions} - {""}),
        areas=_areas(page.segmentation),
        command=page.environment.get("command") or "cvs-med cv --protocol protocol.yaml --out NEW-FOLDER",
        palette=[panels.class_colour(number) for number in range(len(page.run.class_names))],
        dark=[panels.extra_colour(number) for number in range(len(page.run.class_names))],
    )


def _class_counts(page: Page) -> list[str]:
    counts = Counter(p.label for p in page.predictions)
    return [f"{name}: {counts[number]}" for number, name in enumerate(page.run.class_names)]


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


def data_uri(png: bytes) -> str:
    """Give a picture as the address of an image that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _colour(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
