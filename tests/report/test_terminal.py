import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from cvs_med.evaluation import evaluate_run, measure_run
from cvs_med.report import terminal, words


def _shown(run: Path, **settings: object) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=80, **settings)  # type: ignore[arg-type]  # settings of a console
    terminal.show(evaluate_run(run), console)
    return stream.getvalue()


def test_tables_fit_eighty_columns_without_colour(map_run: Path) -> None:
    text = _shown(map_run, no_color=True)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_every_number_of_the_result_is_shown(map_run: Path) -> None:
    text = " ".join(_shown(map_run).split())
    assert "CvS (class from the map) 4 of 6 66.7 % 30.0 to 90.3 %" in text
    assert "most frequent class 3 of 6 50.0 %" in text
    assert "healthy sensitivity 2 of 3 66.7 %" in text
    assert re.search(r"Dice, working size 0\.250 0\.\d{3} to 0\.\d{3} 0\.000 to 0\.500 6", text)
    assert "clDice, working size" in text
    assert "NPV 2 of 3 66.7 %" in text
    assert "healthy 50.0 %" in text
    assert "count groups (3), not images" in text
    assert "at most 0.5 cases from even" in text
    assert "Wilson intervals treat the cases as independent" in text
    assert "2 of 6 images had another image of their group" in text


def test_a_name_in_brackets_is_no_markup(map_run: Path) -> None:
    assert "[bold]" in _shown(map_run, no_color=True)


@pytest.mark.parametrize("word", ["Dice", "working size"])
def test_a_method_without_a_map_has_no_dice(mapless_run: Path, word: str) -> None:
    assert word not in _shown(mapless_run)


def test_many_classes_are_listed_by_their_confusions_instead_of_drawn(map_run: Path) -> None:
    measured = measure_run(map_run)
    names = tuple(f"class {n}" for n in range(words.MOST_CLASSES + 1))
    matrix = np.diag(np.full(len(names), 5))
    matrix[3, 7], matrix[1, 0] = 2, 4
    many = replace(measured.result, confusion=tuple(map(tuple, matrix.tolist())))
    run = replace(measured, class_names=names, result=many)
    assert words.confusions(run) == [("class 1", "class 0", 4), ("class 3", "class 7", 2)]
    stream = io.StringIO()
    terminal.show(run, Console(file=stream, width=80))
    said = " ".join(stream.getvalue().split())
    assert "Most frequent confusions" in said
    assert "class 1 class 0 4" in said
