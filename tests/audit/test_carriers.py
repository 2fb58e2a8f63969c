"""Carriers: tables that follow a date are found, what the class alone decides is not, and chance keeps its level."""

from pathlib import Path

import numpy as np
import pytest

from cvs_med.audit.carriers import carriers
from cvs_med.audit.guessing import design
from cvs_med.types import Case, Floats

CLASSES, EACH = 3, 16
LABELS = np.repeat(np.arange(CLASSES), EACH)
# Two photographs a sitting.
CASES = [Case(str(n), Path("x"), int(label), group=str(n // 2)) for n, label in enumerate(LABELS)]


def days(rng: np.random.Generator) -> Floats:
    """Draw a day for each sitting; later classes were photographed later."""
    sittings = rng.uniform(0, 300, len(CASES) // 2) + 60 * LABELS[::2]
    return np.repeat(sittings, 2)


def columns(day: Floats, tables: Floats) -> dict[str, Floats]:
    empty = np.zeros((len(CASES), 0))
    measured = {
        "exif-date": design([{"day": float(each)} for each in day]),
        "jpeg-quantisation": design([{"brightness": float(each)} for each in tables]),
    }
    others = ("exif-camera", "colour", "sharpness", "geometry", "outside-view", "border")
    return dict.fromkeys(others, empty) | measured


def link(day: Floats, tables: Floats, found: tuple[str, ...] = ("exif-date",)) -> float | None:
    links = carriers(columns(day, tables), found, CASES, permutations=199, seed=0)
    return links["jpeg-quantisation"].p if links else None


def test_tables_that_changed_on_a_day_follow_the_date() -> None:
    day = days(np.random.default_rng(0))
    assert link(day, (day > np.median(day)).astype(float)) == pytest.approx(1 / 200)


@pytest.mark.parametrize("found", [(), ("mask-area",), ("jpeg-quantisation", "exif-date")])
def test_nothing_is_carried_where_no_date_is_found_or_the_tables_are_found_themselves(found: tuple[str, ...]) -> None:
    day = days(np.random.default_rng(0))
    assert link(day, (day > np.median(day)).astype(float), found) is None


def test_what_the_class_alone_decides_follows_no_date_within_a_class() -> None:
    """Pooled over the classes it would: the date differs between them."""
    day = days(np.random.default_rng(0))
    made = columns(day, LABELS.astype(float))
    assert np.corrcoef(made["exif-date"][:, 0], made["jpeg-quantisation"][:, 0])[0, 1] > 0.3
    assert link(day, LABELS.astype(float)) == 1.0


def test_chance_makes_a_carrier_no_oftener_than_promised() -> None:
    rng = np.random.default_rng(0)
    p_values = [link(days(rng), np.repeat(rng.integers(0, 2, len(CASES) // 2), 2).astype(float)) for _ in range(100)]
    # 5 % of 100 is 5; more than 11 has a chance below 0.5 %.
    assert sum(p is not None and p <= 0.05 for p in p_values) <= 11
    assert sum(p is not None for p in p_values) > 90


def test_the_surest_of_several_sources_is_named() -> None:
    day = days(np.random.default_rng(0))
    made = columns(day, (day > np.median(day)).astype(float))
    made["exif-camera"] = design([{"iso": float(each)} for each in np.random.default_rng(1).permutation(len(CASES))])
    links = carriers(made, ("exif-date", "exif-camera"), CASES, permutations=199, seed=0)
    assert links["jpeg-quantisation"].follows == "date of the photograph"
    assert links["jpeg-quantisation"].p == pytest.approx(2 / 200)
