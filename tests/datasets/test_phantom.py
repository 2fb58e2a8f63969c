"""The synthetic photographs: reproducible, well formed, and different in what a doctor would see."""

from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation, label

from cvs_med.datasets import get
from cvs_med.datasets.phantom import lesions, make, scene, trees
from cvs_med.datasets.phantom.canvas import HALF_WIDTH, blank_sheet
from cvs_med.datasets.phantom.develop import develop
from cvs_med.datasets.phantom.vessels import trace
from cvs_med.errors import CvsMedError

SIZE = 96
CASES = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantom")
    make(out, cases=CASES, size=SIZE, seed=3)
    return out


@pytest.fixture(scope="module")
def scenes() -> list[scene.Scene]:
    return [scene.compose(0, number) for number in range(36)]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def _stems(folder: Path) -> list[str]:
    return sorted(file.stem for file in (folder / "images").iterdir())


def _binary(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        assert image.mode == "L"
        return np.asarray(image)


def _taken(file: Path) -> datetime:
    with Image.open(file) as image:
        exif = image.getexif()
        assert exif[0x0110] == "phantom"
        assert exif[0x0132] == exif.get_ifd(0x8769)[0x9003]
        return datetime.strptime(exif[0x0132], "%Y:%m:%d %H:%M:%S")


def test_layout_is_that_of_hrf(made: Path) -> None:
    assert set(_bytes(made)) == {
        f"{folder}/{number:02d}_{ending}"
        for number in range(1, 5)
        for folder, endings in {
            "images": ("h.jpg", "dr.JPG", "g.jpg"),
            "manual1": ("h.tif", "dr.tif", "g.tif"),
            "mask": ("h_mask.tif", "dr_mask.tif", "g_mask.tif"),
        }.items()
        for ending in endings
    }


def test_same_seed_gives_the_same_bytes_whatever_the_number_of_cases(made: Path, tmp_path: Path) -> None:
    make(tmp_path, cases=4, size=SIZE, seed=3)
    fewer, more = _bytes(tmp_path), _bytes(made)
    assert len(fewer) == 12
    assert fewer == {name: more[name] for name in fewer}


def test_another_seed_gives_other_photographs(made: Path, tmp_path: Path) -> None:
    make(tmp_path, cases=3, size=SIZE, seed=4)
    first = "images/01_h.jpg"
    assert _bytes(tmp_path)[first] != _bytes(made)[first]


def test_photographs_are_colour_pictures_three_to_two(made: Path) -> None:
    for file in (made / "images").iterdir():
        with Image.open(file) as image:
            assert (image.mode, image.size, image.format) == ("RGB", (SIZE * 3 // 2, SIZE), "JPEG")


def test_field_of_view_has_hrfs_bounding_box_and_darkness_around_it(made: Path) -> None:
    for stem in _stems(made):
        field = _binary(made / "mask" / f"{stem}_mask.tif")
        assert field.shape == (SIZE, SIZE * 3 // 2)
        assert set(np.unique(field)) == {0, 255}
        columns = np.flatnonzero(field.any(axis=0)) / field.shape[1]
        assert columns[[0, -1]] == pytest.approx([130 / 3504, 3393 / 3504], abs=0.01)
        assert field.any(axis=1).all()
        image = next((made / "images").glob(f"{stem}.*"))
        with Image.open(image) as photograph:
            grey = np.asarray(photograph.convert("L"))
        assert grey[~binary_dilation(field > 0, iterations=4)].mean() < 5 < 30 < grey[field > 0].mean()


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("size", [SIZE, 256])
def test_vessels_lie_in_the_field_and_hang_together_from_the_disc(number: int, size: int) -> None:
    drawn = scene.compose(0, number)
    photograph = develop(drawn, size)
    assert not (photograph.vessels & ~photograph.field_of_view).any()
    assert 0.05 < photograph.vessels.sum() / photograph.field_of_view.sum() < 0.16
    x, y = blank_sheet(size).around(drawn.eye.disc)
    disc = np.hypot(x, y) < drawn.person.disc_radius
    pieces, _ = label(photograph.vessels | disc, np.ones((3, 3)))
    hanging = photograph.vessels & (pieces == pieces[disc][0])
    # A twig cut off by the edge of the field may lie alone; nothing else may.
    assert hanging.sum() > 0.93 * photograph.vessels.sum()


def test_vessel_masks_are_binary_and_not_empty(made: Path) -> None:
    for stem in _stems(made):
        assert set(np.unique(_binary(made / "manual1" / f"{stem}.tif"))) == {0, 255}


def test_vessels_darken_the_photograph() -> None:
    photograph = develop(scene.compose(0, 0), 256)
    green = photograph.image[..., 1].astype(float)
    beside = binary_dilation(photograph.vessels, iterations=5) & ~binary_dilation(photograph.vessels, iterations=2)
    assert green[photograph.vessels].mean() < 0.85 * green[beside & photograph.field_of_view].mean()


def test_a_straight_vessel_is_as_wide_as_it_says() -> None:
    points = np.stack([np.linspace(-0.3, 0.3, 13), np.full(13, 0.1)], -1)
    traced = trace(trees.Tree(points, np.arange(-1, 12), np.full(13, 0.02)), blank_sheet(200))
    through_the_middle = traced.coverage[:, round(HALF_WIDTH * 200)]
    assert through_the_middle.sum() == pytest.approx(2 * 0.02 * 200, abs=0.05)
    assert (through_the_middle * np.arange(200)).sum() / through_the_middle.sum() == pytest.approx(119.5, abs=0.05)


@pytest.mark.parametrize("number", range(3))
def test_vessels_never_widen_away_from_the_disc(number: int) -> None:
    drawn = scene.compose(1, number)
    for tree in (drawn.arteries, drawn.veins):
        child = tree.parents >= 0
        assert (tree.radii[child] < tree.radii[tree.parents[child]]).all()
        assert tree.radii.max() > 2 * tree.radii.min()
    assert drawn.arteries.radii.min() < drawn.veins.radii.min()


def test_only_retinopathy_has_its_lesions_and_only_glaucoma_a_wedge(scenes: list[scene.Scene]) -> None:
    assert {bool(one.lesions) for one in scenes if one.label == scene.RETINOPATHY} == {True}
    assert {bool(one.lesions) for one in scenes if one.label != scene.RETINOPATHY} == {False}
    assert {one.wedge is not None for one in scenes if one.label == scene.GLAUCOMA} == {True}
    assert {one.wedge is not None for one in scenes if one.label != scene.GLAUCOMA} == {False}
    kinds = {spot.kind for one in scenes for spot in one.lesions}
    assert kinds == {"microaneurysm", "haemorrhage", "exudate", "cotton-wool"}


def test_every_class_has_distractors_and_none_is_a_sign_of_disease(scenes: list[scene.Scene]) -> None:
    assert {one.label for one in scenes if one.distractors} == {0, 1, 2}
    assert {spot.kind for one in scenes for spot in one.distractors} == {"drusen", "pigment", "reflection"}


def test_lesions_vary_from_few_to_many_and_can_be_seen() -> None:
    rng = np.random.default_rng(0)
    counts = [len(lesions.retinopathy(rng, (-0.3, 0.0), (0.05, 0.02))) for _ in range(40)]
    assert min(counts) < 45 < 100 < max(counts)
    picture = np.full((64, 96, 3), 0.5, dtype=np.float32)
    lesions.paint_lesions(picture, blank_sheet(64), (lesions.Lesion("haemorrhage", (0.0, 0.0), 0.05),))
    lesions.paint_lesions(picture, blank_sheet(64), (lesions.Lesion("exudate", (0.3, 0.0), 0.05),))
    assert picture[32, 48].max() < 0.4
    assert picture[32, 48 + 19].min() > 0.35 < picture[32, 48 + 19].mean()
    assert (picture[:, :20] == 0.5).all()


def test_a_lesion_at_the_edge_or_outside_the_picture_is_cut() -> None:
    picture = np.full((64, 96, 3), 0.5, dtype=np.float32)
    lesions.paint_lesions(picture, blank_sheet(64), (lesions.Lesion("exudate", (3.0, 0.0), 0.05),))
    assert (picture == 0.5).all()
    lesions.paint_lesions(picture, blank_sheet(64), (lesions.Lesion("exudate", (-0.75, -0.5), 0.05),))
    assert picture[0, 0, 0] > 0.6


def test_the_cup_is_larger_in_glaucoma(scenes: list[scene.Scene]) -> None:
    cups = {kind: [one.eye.cup for one in scenes if one.label == kind] for kind in range(3)}
    assert np.mean(cups[scene.GLAUCOMA]) > 0.15 + max(np.mean(cups[scene.HEALTHY]), np.mean(cups[scene.RETINOPATHY]))


def test_a_third_of_the_cases_are_pairs_of_eyes_of_one_person(scenes: list[scene.Scene]) -> None:
    first = [scene.first_case(number) for number in range(36)]
    pairs = [person for person, count in Counter(first).items() if count == 2]
    assert len(pairs) == 6
    for person in pairs:
        one, other = (scenes[number] for number in range(36) if first[number] == person)
        assert one.person == other.person
        assert one.label == other.label
        assert one.eye.temporal == -other.eye.temporal
        assert not np.array_equal(one.arteries.points, other.arteries.points)


def test_exif_times_tell_the_sittings(made: Path) -> None:
    moments = sorted((_taken(file), file.stem) for file in (made / "images").iterdir())
    together = set()
    for (before, one), (after, other) in pairwise(moments):
        minutes = (after - before).total_seconds() / 60
        if minutes < 60:
            together.add((one, other))
            assert 1 < minutes < 10
        else:
            assert minutes > 180
    assert together == {(f"01_{kind}", f"02_{kind}") for kind in scene.CLASSES}


def test_the_data_set_is_sound_and_balanced_and_groups_the_two_eyes_of_one_person(made: Path) -> None:
    dataset = get("phantom")
    assert dataset.check(made)[1] == []
    cases = dataset.cases(made)
    assert Counter(case.label for case in cases) == dict.fromkeys(range(3), CASES // 3)
    sittings: dict[str | None, set[str]] = {}
    for case in cases:
        sittings.setdefault(case.group, set()).add(case.id)
    assert None not in sittings
    pairs = [{f"01_{kind}", f"02_{kind}"} for kind in scene.CLASSES]
    alone = [{f"{number:02d}_{kind}"} for number in (3, 4) for kind in scene.CLASSES]
    assert sorted(map(sorted, sittings.values())) == sorted(map(sorted, pairs + alone))


def test_a_persons_traits_are_drawn_without_the_class() -> None:
    """What a camera shows must not tell the class: over many persons the means agree within chance."""
    people = [scene.person_of(9, number) for number in range(600) if scene.first_case(number) == number]
    traits = np.array([[p.exposure, p.blur, p.noise, p.quality, p.tessellation, *p.pigment] for p in people])
    labels = np.array([person.first_case % 3 for person in people])
    means = np.stack([traits[labels == kind].mean(0) for kind in range(3)])
    standard_error = traits.std(0) / np.sqrt(len(people) / 3)
    assert (np.ptp(means, axis=0) < 4 * standard_error).all()


@pytest.mark.parametrize(
    ("arguments", "found"),
    [({"cases": 2}, "found 2"), ({"size": 63}, "found 63"), ({"size": 4097}, "found 4097"), ({"seed": -1}, "found -1")],
)
def test_arguments_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, arguments: dict[str, int], found: str
) -> None:
    with pytest.raises(CvsMedError, match=found):
        make(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("in the way")
    with pytest.raises(CvsMedError, match="images"):
        make(tmp_path, cases=3, size=64)


def test_no_drafts_are_left(made: Path) -> None:
    assert not [name for name in _bytes(made) if name.endswith(".part")]
