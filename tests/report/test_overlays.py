import numpy as np
import pytest
from PIL import Image, ImageChops

from cvs_med.report import overlays, panels
from cvs_med.report.case_maps import CaseMap
from cvs_med.types import Prediction

NAMES = ["healthy", "diseased"]


def _case(size: int) -> CaseMap:
    gold = np.zeros((size, size), np.uint8)
    gold[size // 2] = 1
    evidence = np.linspace(-1, 1, size * size, dtype=np.float32).reshape(size, size)
    return CaseMap(np.full((size, size, 3), 90, np.uint8), gold * 2, evidence, 0.0, gold)


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
    for case in (_case(64), plain):
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
