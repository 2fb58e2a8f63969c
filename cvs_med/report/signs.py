"""What a run looks at beside its map, and what its networks learnt of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError, safe_open

from cvs_med.errors import RunError
from cvs_med.report import words
from cvs_med.report.document import Block, Table, Text
from cvs_med.report.facts import Facts
from cvs_med.types import Floats


@dataclass(frozen=True, slots=True)
class Named:
    """A sign.

    Attributes:
        field: of a protocol's section `images`, which asks for it.
        part: of a network, which weighs it.
        name: for people.
    """

    field: str
    part: str
    name: str


SIGNS: Final = (
    Named("finer", "spots", "small dark spots"),
    Named("fibres", "fibres", "the light of nerve fibres around the optic disc"),
)


def looked_at(settings: Mapping[str, Any]) -> list[Named]:
    """List the signs that CvS looks at beside its map by these settings."""
    images = settings.get("images")
    if settings.get("method") != "cvs" or not isinstance(images, dict):
        return []
    return [sign for sign in SIGNS if images.get(sign.field)]


def listed(settings: Mapping[str, Any]) -> str:
    """Name these signs in a sentence; empty where there are none."""
    return words.listed([sign.name for sign in looked_at(settings)])


def blocks(facts: Facts) -> list[Block]:
    """Say what each sign adds to the score of each class, in every fold; nothing where no networks are kept."""
    columns = [
        (sign.name, each, column)
        for sign in looked_at(facts.settings)
        if len(values := weights(facts.path, sign))
        for each, column in zip(facts.metrics.class_names, values.T, strict=True)
    ]
    if not columns:
        return []
    rows = [
        (name, each, f"{column.mean():+.1f}", f"{column.min():+.1f} to {column.max():+.1f}")
        for name, each, column in columns
    ]
    torn = [f"{name} for {each}" for name, each, column in columns if column.min() < 0 < column.max()]
    caption = "What half a standard deviation more of a sign adds to the score of a class, less the mean of all classes"
    header = ("sign", "class", "mean of the folds", "lowest to highest")
    return [Table(caption, header, tuple(rows)), *([Text(_said(torn))] if torn else [])]


def weights(run: Path, sign: Named) -> Floats:
    """Give the weights of a sign for the classes in each kept network, less their mean over the classes: (K, P).

    A strength has a spread of two among the training images (`networks.signs`): a weight is what half a standard
    deviation more of it adds.

    Raises:
        RunError: a file of a network is damaged.
    """
    found = [_weight(file, sign) for file in sorted(run.glob("fold-*/model.safetensors"))]
    stacked = np.array([each for each in found if each is not None], np.float64)
    return stacked - stacked.mean(axis=1, keepdims=True) if len(stacked) else stacked


def _weight(file: Path, sign: Named) -> Floats | None:
    try:
        with safe_open(file, "numpy") as kept:
            names = [name for name in (f"{sign.part}.weight", f"head.{sign.part}.weight") if name in kept.keys()]  # noqa: SIM118 - no mapping
            return kept.get_tensor(names[0]).astype(np.float64) if names else None
    except (OSError, SafetensorError) as error:
        raise RunError(f"{file}: expected the numbers of a network, found: {error}. Restore it.") from error


def _said(torn: Sequence[str]) -> str:
    return (
        f"The folds do not agree in which direction it counts: {words.listed(torn)}. A few training images decide it "
        "there, so do not read that evidence as what the disease looks like."
    )
