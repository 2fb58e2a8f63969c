"""The audit on synthetic photographs: nothing where nothing is planted, and each planted shortcut."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvs_med.audit import PROBES, Audit, audit
from cvs_med.audit.mask_style import border
from cvs_med.audit.sample import Sample
from cvs_med.audit.sittings import count_groups
from cvs_med.datasets import get, phantom
from cvs_med.datasets.phantom.shortcuts import Shortcut
from cvs_med.duplicates import image_hash, near_duplicates
from cvs_med.types import Case

REAL = Path(os.environ.get("CVS_MED_TEST_DATA", "../shared/data")) / "hrf"

OWN_PROBE = {"mask-area": "mask-area", "compression": "jpeg-quantisation", "colour": "colour"}
FAMILY = {"mask-area": {"mask-area", "mask-shape", "mask-style"}, "colour": {"colour", "border", "outside-view"}}


def audited(folder: Path, shortcut: Shortcut, cases: int, size: int, seed: int = 1) -> Audit:
    phantom.make(folder, cases=cases, size=size, seed=seed, shortcut=shortcut)
    return audit(get("phantom"), folder, permutations=259)


def found(result: Audit) -> set[str]:
    return {finding.probe.name for finding in result.findings if finding.grade == "found"}


def test_nothing_is_found_where_nothing_is_planted(tmp_path: Path) -> None:
    result = audited(tmp_path / "phantom", "none", 36, 64)
    assert found(result) == set()
    assert "carrier" not in {finding.grade for finding in result.findings}
    assert {finding.probe.name for finding in result.findings} == {probe.name for probe in PROBES}
    assert result.duplicates == ()
    assert result.counts == (12, 12, 12)
    # Of six cases of a class two are of one person.
    assert (result.groups.groups, result.groups.shared, result.splits) == (30, 12, "grouped")


@pytest.mark.parametrize("shortcut", ["mask-area", "compression", "colour"])
def test_a_planted_shortcut_is_found(tmp_path: Path, shortcut: Shortcut) -> None:
    result = audited(tmp_path / "phantom", shortcut, 36, 64)
    assert OWN_PROBE[shortcut] in found(result)
    # Compression changes the pixels, so that other probes see it too; the others stay among their own.
    assert found(result) <= FAMILY.get(shortcut, {probe.name for probe in PROBES} - {"mask-area", "exif-date"})


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize("shortcut", ["none", "mask-area", "compression", "colour"])
def test_larger_photographs_of_other_seeds(tmp_path: Path, shortcut: Shortcut, seed: int) -> None:
    result = audited(tmp_path / "phantom", shortcut, 60, 256, seed)
    assert (OWN_PROBE[shortcut] in found(result)) if shortcut != "none" else found(result) == set()


@pytest.mark.slow
def test_nothing_is_found_more_often_than_chance_allows(tmp_path: Path) -> None:
    """At a rate of one in twenty, more than three of twenty sets of photographs would be found once in sixty times."""
    results = [audited(tmp_path / f"{seed}", "none", 36, 64, seed) for seed in range(20)]
    assert sum(bool(found(result)) for result in results) <= 3


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="needs HRF; CVS_MED_TEST_DATA names its parent folder")
def test_on_hrf_masks_dates_compression_and_sittings_are_found() -> None:
    result = audit(get("hrf"), REAL, workers=2)
    assert {"mask-area", "exif-date"} <= found(result)
    (tables,) = (finding for finding in result.findings if finding.probe.name == "jpeg-quantisation")
    assert tables.grade in ("found", "carrier")
    assert (result.groups.groups, result.groups.shared) == (28, 34)


def test_honest_photographs_have_the_bytes_they_had_without_the_choice(tmp_path: Path) -> None:
    phantom.make(tmp_path / "plain", cases=3, size=64)
    phantom.make(tmp_path / "none", cases=3, size=64, shortcut="none")
    files = [path.relative_to(tmp_path / "plain") for path in (tmp_path / "plain").rglob("*") if path.is_file()]
    assert len(files) == 9
    for file in files:
        assert (tmp_path / "plain" / file).read_bytes() == (tmp_path / "none" / file).read_bytes()


def stripe(edge: float, half_width: int) -> Sample:
    """Draw a dark stripe whose edge lies that far outside its mask's border, at the scale of HRF."""
    rows = np.abs(np.arange(2336) - 1167.5)
    profile = np.clip((rows - half_width - edge) / 2 + 0.5, 0, 1) * 100 + 50
    green = np.repeat(profile[:, None], 120, axis=1).astype(np.uint8)
    image, mask = np.stack([green] * 3, axis=-1), np.repeat((rows < half_width)[:, None], 120, axis=1)
    return Sample(Case("01", Path("01.jpg"), 0), image, np.ones(mask.shape, dtype=np.bool_), mask)


@pytest.mark.parametrize("edge", [-2.0, 0.0, 2.0])
@pytest.mark.parametrize("half_width", [10, 20])
def test_where_the_masks_border_lies_is_measured_in_pixels(edge: float, half_width: int) -> None:
    assert border(stripe(edge, half_width))["offset"] == pytest.approx(edge, abs=0.5)


def test_thin_parts_and_cases_without_a_mask_are_not_measured() -> None:
    assert border(stripe(0.0, 3)) == {}
    bare = dataclasses.replace(stripe(0.0, 20), mask=None)
    names = {probe.name for probe in PROBES if probe.name.startswith("mask-") and probe.measure(bare) == {}}
    assert names == {"mask-area", "mask-shape", "mask-style"}


def test_an_image_saved_again_smaller_and_brighter_is_a_near_duplicate() -> None:
    rng = np.random.default_rng(0)
    coarse = [Image.fromarray(rng.integers(40, 200, (12, 18, 3), dtype=np.uint8)) for _ in range(3)]
    one, other, third = (image.resize((180, 120), Image.Resampling.BICUBIC) for image in coarse)
    again = one.resize((120, 80)).point(lambda value: value * 1.15)
    cases = [Case(name, Path(name), label, group=name[0]) for name, label in (("a1", 0), ("b", 1), ("c", 2), ("a2", 1))]
    hashes = [image_hash(np.asarray(image)) for image in (one, other, third, again)]
    (pair,) = near_duplicates(cases, hashes)
    assert (pair.first, pair.second, pair.same_label, pair.same_group) == ("a1", "a2", False, True)


def test_unknown_groups_are_said_to_be_unknown(make_fundus: Callable[..., Path]) -> None:
    cases = get("hrf").cases(make_fundus(minutes=None))
    assert "not known" in count_groups(cases).sentence()
    assert "of one group" in count_groups([dataclasses.replace(case, group=case.id) for case in cases]).sentence()
