from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw

from cvs_med.report import legends, overlays, panels
from cvs_med.report.case_maps import CaseMap, Margin
from cvs_med.types import Prediction

NAMES = ["healthy", "diseased"]


def _case(size: int) -> CaseMap:
    gold = np.zeros((size, size), np.uint8)
    gold[size // 2] = 1
    evidence = np.linspace(-1, 1, size * size, dtype=np.float32).reshape(size, size)
    return CaseMap(np.full((size, size, 3), 90, np.uint8), gold * 2, evidence, 0.0, gold)


def _with_margin(size: int, shares: np.ndarray | None = None) -> CaseMap:
    case = _case(size)
    shares = np.full((size, size), 0.5, np.float32) if shares is None else shares
    return replace(case, margin=Margin(shares, float(shares.sum()), 0))


@pytest.mark.parametrize("size", [28, 384, 500])
def test_a_line_of_one_pixel_stays_whole(size: int) -> None:
    strip = overlays.draw(Prediction("a", "", 0, 0, (0.4, 0.6)), _case(size), NAMES).strip
    side = strip.height
    assert side % size == 0
    picture = np.asarray(strip)[:, side + 16 : 2 * side + 16]
    coloured = (picture == panels.class_colour(1)).all(axis=2)
    assert coloured.sum() == side * side // size


def test_right_and_wrong_differ_without_colour() -> None:
    drawn = [
        overlays.draw(Prediction("a", "", 0, label, (0.4, 0.6)), _case(64), NAMES).whole.crop((0, 0, 140, 36))
        for label in (0, 1)
    ]
    dark = [np.asarray(image.convert("L").point(lambda value: 255 * (value < 128))).mean() for image in drawn]
    assert dark[0] > 2 * dark[1]


def test_long_names_and_many_classes_stay_inside_the_picture() -> None:
    names = [f"a class with a very long name indeed, number {number}" for number in range(40)]
    prediction = Prediction("case " * 60, "", 0, 0, tuple([1 / 40] * 40))
    plain = CaseMap(np.zeros((64, 64, 3), np.uint8), None, None, None, None)
    for case in (_case(64), _with_margin(64), plain):
        whole = overlays.draw(prediction, case, names).whole
        edge = whole.crop((whole.width - 8, 0, whole.width, whole.height))
        assert ImageChops.invert(edge).getbbox() is None


def test_a_case_without_a_map_shows_its_probabilities() -> None:
    plain = CaseMap(np.zeros((400, 400, 3), np.uint8), None, None, None, None)
    strip = overlays.draw(Prediction("a", "", 0, 0, (0.25, 0.75)), plain, NAMES).strip
    bars = np.asarray(strip.crop((416, 0, 816, 400)))
    lengths = [(bars == panels.class_colour(c)).all(axis=2).any(axis=0).sum() for c in (0, 1)]
    assert lengths == pytest.approx([100, 300], abs=3)
    assert isinstance(strip, Image.Image)


def test_a_margin_makes_two_rows_of_two_and_nothing_is_cut() -> None:
    prediction = Prediction("a", "", 0, 0, (0.4, 0.6))
    three, four = (overlays.draw(prediction, case, NAMES) for case in (_case(400), _with_margin(400)))
    assert three.strip.size == (3 * 400 + 2 * 16, 400)
    assert four.strip.size == (2 * 400 + 16, 2 * 400 + 16)
    assert four.whole.width == four.strip.width + 2 * 16
    lowest = ImageChops.invert(four.whole).getbbox()
    assert lowest is not None
    assert lowest[3] <= four.whole.height - 8


def test_the_margin_is_red_for_the_derived_class_and_blue_for_the_runner_up() -> None:
    shares = np.ones((400, 400), np.float32)
    shares[:, 200:] = -1
    strip = np.asarray(overlays.draw(Prediction("a", "", 0, 0, (0.4, 0.6)), _with_margin(400, shares), NAMES).strip)
    fourth = strip[416:, 416:].astype(int)
    assert (fourth[:, :200, 0] > fourth[:, :200, 2]).all()
    assert (fourth[:, 200:, 2] > fourth[:, 200:, 0]).all()


def test_the_panels_say_which_class_leads_which(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    text = ImageDraw.ImageDraw.text

    def listen(pen: ImageDraw.ImageDraw, place: object, words: str, *args: object, **options: object) -> None:
        said.append(words)
        text(pen, place, words, *args, **options)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", listen)
    overlays.draw(Prediction("a", "", 0, 1, (0.4, 0.6)), _with_margin(400), NAMES)
    assert "Evidence for diseased" in said
    assert "Why diseased rather than healthy" in said
    assert said.index("for healthy") < said.index("for diseased")
    assert "all pixels sum to the lead, +80000.000" in said


@pytest.mark.parametrize(
    ("value", "shown", "unit"), [(0.5, "5.0", "10⁻¹"), (0.996, "1.0", "10⁰"), (9.96e-5, "1.0", "10⁻⁴")]
)
def test_a_scale_has_one_digit_before_the_point(
    monkeypatch: pytest.MonkeyPatch, value: float, shown: str, unit: str
) -> None:
    said: list[str] = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda _, place, words, *args, **options: said.append(words))
    legends.heat_legend(np.full((8, 8), value, np.float32), ("less", "more"), ("share", "sum"), 400)
    assert said[2] == f"≥ +{shown}"
    assert said[5].endswith(f"{unit};")


def test_the_legend_counts_the_pixels_that_weigh_far_more(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda _, place, words, *args, **options: said.append(words))
    shares = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    legends.heat_legend(shares, ("less", "more"), ("share", "sum"), 400)
    assert not any("ringed" in line for line in said)
    shares[3, 4], shares[40, 50] = 300, -500
    legends.heat_legend(shares, ("less", "more"), ("share", "sum"), 400)
    assert said[-1] == "ringed: 2 pixels, together \N{MINUS SIGN}200.000 of it"


def test_a_map_without_foreground_says_so_and_needs_no_colours() -> None:
    empty = np.zeros((4, 4), np.uint8)
    legend = legends.map_legend(empty, None, NAMES, 400)
    assert legend.height == 24
    assert ImageChops.invert(legend).getbbox() is not None


def test_a_legend_of_many_classes_takes_the_lines_that_it_needs() -> None:
    names = [f"a class of some length {number}" for number in range(30)]
    label_map = np.arange(36, dtype=np.uint8).reshape(6, 6) % 31
    legend = legends.map_legend(label_map, None, names, 400)
    ink = np.asarray(legend.convert("L")) < 250
    assert ink[-24:].any()
    assert not ink[:, -1].any()
    for number in range(10):
        colour = panels.class_colour(number)
        assert (np.asarray(legend) == colour).all(axis=2).sum() > 3 * 200
