"""Names in letters that the font lacks are still told apart."""

import warnings

from cvs_med.report import figures
from cvs_med.report.lettering import fit, legible


def test_letters_of_the_font_stay_and_others_become_their_numbers() -> None:
    assert legible("glaucoma, Glaukom, глаукома, é → 1\n2") == "glaucoma, Glaukom, глаукома, é → 1\n2"
    assert legible("日本") == "[65E5][672C]"
    assert legible("日") != legible("本")


def test_what_is_cut_is_legible_too() -> None:
    assert fit("日", 1000) == "[65E5]"
    assert fit("日" * 50, 100).endswith("…")


def test_a_figure_with_such_names_draws_without_a_warning() -> None:
    canvas, axes = figures.new_canvas(3, 3)
    axes.set_xlabel(figures.plain("日本 $x$"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert figures.to_png(canvas).startswith(b"\x89PNG")
