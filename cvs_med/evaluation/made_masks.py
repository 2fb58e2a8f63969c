"""Of a run that learnt from a few masks: who was drawn in each fold, and how good the made masks are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cvs_med.evaluation.measures import spread
from cvs_med.evaluation.result import MadeMasks
from cvs_med.tables import MaskRow, read_masks

FOLDER: Final = "masks"
"""Of a fold: the masks that were made for its training part, as ID.png, and their table."""

TABLE: Final = "masks.csv"


def rows(run: Path, fold: int) -> list[MaskRow]:
    """Read what a fold learnt from, drawn masks and made ones; nothing where the run learnt from all masks.

    Raises:
        RunError: the table is damaged.
    """
    path = run / f"fold-{fold}" / FOLDER / TABLE
    return read_masks(path) if path.exists() else []


def made_masks(run: Path, folds: int) -> MadeMasks | None:
    """Sum up the masks of all folds; None for a run that learnt from all masks.

    Raises:
        RunError: a table is damaged.
    """
    tables = [rows(run, fold) for fold in range(folds)]
    if not any(tables):
        return None
    made = [row for table in tables for row in table if row.source != "given"]
    return MadeMasks(
        given=tuple(_count(table, "given") for table in tables),
        made=tuple(len(table) - _count(table, "given") for table in tables),
        guessed=_count(made, "guessed"),
        confidence=spread(row.confidence for row in made),
        dice=spread(row.dice for row in made),
    )


def _count(table: Sequence[MaskRow], source: str) -> int:
    return sum(row.source == source for row in table)
