"""Layers: what is coloured is what was predicted, at its place in the photograph, and see-through elsewhere."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from cvs_med.geometry import Geometry
from cvs_med.report import case_maps, panels
from cvs_med.review import layers, screen
from cvs_med.review.flags import Flags
from cvs_med.review.run import open_run

NO_FLAGS = Flags({}, None)


def rgba(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def test_the_layers_of_a_case(finished_run: Path, phantom_folder: Path) -> None:
    run = open_run(finished_run, phantom_folder)
    case_id = run.ids[0]
    case = case_maps.load(run.path, run.predictions[case_id])
    assert case.label_map is not None
    assert case.gold is not None
    found = {layer.key: layer for layer in screen.make(run, case_id, NO_FLAGS).layers}
    assert found.keys() >= {"label_map", "outline", "evidence", "gold"}
    assert [layer.key for layer in found.values() if layer.shown] == ["label_map"]
    np.testing.assert_array_equal(rgba(found["label_map"].png)[..., 3] > 0, case.label_map > 0)
    np.testing.assert_array_equal(rgba(found["gold"].png)[..., 3] > 0, case.gold > 0)
    for value in np.unique(case.label_map[case.label_map > 0]):
        colours = rgba(found["label_map"].png)[case.label_map == value][:, :3]
        assert (colours == panels.class_colour(int(value) - 1)).all()


def test_evidence_is_red_for_the_class_and_blue_against_it() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    shares = np.zeros((8, 8), np.float32)
    shares[0], shares[7] = 1, -1
    margin = case_maps.Margin(shares, 0.0, 1)
    (heat,) = layers.of_case(
        case_maps.CaseMap(image, None, None, None, None, margin),
        ["a", "b"],
        "vessels",
        "a",
        Geometry(8, 8, 0, 0, 8, 8, 8),
    )
    picture = rgba(heat.png).astype(int)
    assert (picture[0, :, 0] > picture[0, :, 2]).all()
    assert (picture[7, :, 0] < picture[7, :, 2]).all()
    assert (picture[3, :, 3] == 0).all()


def test_a_spot_that_weighs_far_more_is_ringed_and_named() -> None:
    shares = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
    shares[10, 12] = 900
    case = case_maps.CaseMap(np.zeros((32, 32, 3), np.uint8), None, None, None, None, case_maps.Margin(shares, 0.0, 1))
    (heat,) = layers.of_case(case, ["a", "b"], "vessels", "a", Geometry(32, 32, 0, 0, 32, 32, 32))
    assert heat.legend[-1] == ("#000000", "ring: a spot that weighs far more")
    assert rgba(heat.png)[10, 8].tolist() == [0, 0, 0, 255]


def test_a_layer_covers_the_square_that_the_network_saw() -> None:
    place = Geometry(height=100, width=160, top=10, left=20, crop_height=80, crop_width=120, size=16)
    case = case_maps.CaseMap(np.zeros((16, 16, 3), np.uint8), None, None, None, np.ones((16, 16), np.uint8))
    (gold,) = layers.of_case(case, ["a", "b"], "vessels", "a", place)
    assert (gold.left, gold.top, gold.width, gold.height) == (20, 10 - 20, 120, 120)


def test_a_mask_is_drawn_pixel_by_pixel() -> None:
    mask = np.random.default_rng(0).random((33, 47)) < 0.4
    np.testing.assert_array_equal(rgba(layers.of_mask(mask))[..., 3] > 0, mask)
