"""Some of the masks that a run made inside its training parts, from the best to the worst, beside their references."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from cvs_med.errors import DataError, RunError
from cvs_med.evaluation import made_masks
from cvs_med.images import Mask, read_mask
from cvs_med.report import case_maps, mask_grid
from cvs_med.report.case_maps import CaseMap
from cvs_med.report.facts import Facts
from cvs_med.report.figures import Figure
from cvs_med.report.mask_grid import Column
from cvs_med.tables import MaskRow
from cvs_med.types import OwnFile, Prediction

_ROWS = 6


def grid(facts: Facts) -> Figure:
    """Draw a few masks of the first fold, from the best to the worst overlap (or the surest to the least sure).

    Raises:
        RunError: a picture of the run is missing or damaged.
    """
    tested = {each.case_id: each for each in facts.predictions}
    chosen = _spaced([row for row in made_masks.rows(facts.path, 0) if row.case_id in tested and row.source != "given"])
    maps = [case_maps.load(facts.path, tested[row.case_id]) for row in chosen]
    columns: list[Column] = [("image", [mask_grid.panel(each.image) for each in maps])]
    if any(each.gold is not None for each in maps):
        columns.append(("reference", [_reference(each) for each in maps]))
    made = [_mask(facts, row) for row in chosen]
    columns.append(("made", [mask_grid.mask_panel(mask) for mask in made]))
    stream = io.BytesIO()
    mask_grid.compose(columns).save(stream, "PNG")
    return Figure("made-masks", _TITLE, _told(chosen, tested, facts.metrics.class_names), stream.getvalue())


_TITLE = "Masks made inside the training part of the first fold, from the best to the worst"


def _spaced(rows: Sequence[MaskRow]) -> list[MaskRow]:
    """Choose a few from best to worst, evenly spaced."""
    best_first = sorted(rows, key=lambda row: (-(row.dice or 0), -(row.confidence or 0), row.case_id))
    places = np.unique(np.linspace(0, len(rows) - 1, min(_ROWS, len(rows))).round().astype(int))
    return [best_first[place] for place in places.tolist()]


def _mask(facts: Facts, row: MaskRow) -> Mask:
    """Read a mask that the run made: as large as its photograph was seen, or finer."""
    path = facts.path / "fold-0" / made_masks.FOLDER / f"{row.case_id}.png"
    try:
        return read_mask(OwnFile(path, empty="allowed"))
    except DataError as error:
        raise RunError(f"{error}") from error


def _reference(seen: CaseMap) -> Image.Image | None:
    return None if seen.gold is None else mask_grid.mask_panel(seen.gold > 0)


def _told(rows: Sequence[MaskRow], tested: Mapping[str, Prediction], names: Sequence[str]) -> str:
    """Name the rows for those who cannot see them."""
    told = [
        f"{row.case_id}, {names[tested[row.case_id].label]}"
        + (f": Dice {row.dice:.2f}" if row.dice is not None else "")
        + (" (guessed)" if row.source == "guessed" else "")
        for row in rows
    ]
    return f"Rows from the top: {'; '.join(told)}."
