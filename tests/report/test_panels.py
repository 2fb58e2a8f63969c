import numpy as np
import pytest

from cvs_med.report import panels


def test_right_extra_and_missed_pixels_have_colours_of_their_own() -> None:
    image = np.full((2, 2, 3), 120, np.uint8)
    label_map = np.array([[2, 2], [0, 0]], np.uint8)
    gold = np.array([[1, 0], [1, 0]], np.uint8)
    picture = panels.predicted_map(image, label_map, gold)
    colours = [tuple(colour) for colour in picture.reshape(-1, 3).tolist()]
    assert colours[:3] == [panels.class_colour(1), panels.extra_colour(1), panels.MISSED]
    assert len(set(colours)) == 4


def test_without_gold_the_whole_prediction_has_the_colour_of_its_class() -> None:
    picture = panels.predicted_map(np.zeros((1, 2, 3), np.uint8), np.array([[1, 3]], np.uint8), None)
    assert picture.tolist() == [[list(panels.class_colour(0)), list(panels.class_colour(2))]]


def test_heat_is_centred_on_zero_and_clipped_at_the_limit() -> None:
    red, white, blue, over = panels.heat(np.array([[1, 0, -1, 5]], np.float32), 1.0)[0].astype(int)
    assert white.min() > 240
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert over.tolist() == red.tolist()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_limit_follows_the_scale_of_the_evidence(scale: float) -> None:
    evidence = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32) * np.float32(scale)
    assert (np.abs(evidence) > panels.heat_limit(evidence)).mean() == pytest.approx(0.005, abs=0.001)


def test_evidence_of_nothing_is_white() -> None:
    nothing = np.zeros((2, 2), np.float32)
    assert panels.heat(nothing, panels.heat_limit(nothing)).min() > 240


def test_a_pixel_that_weighs_far_more_than_the_others_is_ringed() -> None:
    evidence = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    assert not panels.singled_out(evidence).any()
    evidence[20, 30], evidence[40, 63] = 500, -500
    alone = panels.singled_out(evidence)
    assert np.argwhere(alone).tolist() == [[20, 30], [40, 63]]
    rings = panels.rings(alone)
    assert not rings[18:23, 28:33].any()
    assert rings[16, 26:35].all()
    assert rings[20, [26, 34]].all()


def test_the_first_ten_classes_have_colours_far_apart() -> None:
    colours = np.array([panels.class_colour(number) for number in range(10)])
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    assert apart[~np.eye(10, dtype=bool)].min() > 60
