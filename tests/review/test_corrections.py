"""A corrected mask comes back to training: the loop closes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cvs_med import datasets
from cvs_med.cli import main
from cvs_med.datasets import masks as mask_folder
from cvs_med.errors import CvsMedError, ReviewError
from cvs_med.images import read_mask
from cvs_med.report import case_maps
from cvs_med.review import corrections
from cvs_med.review.run import FinishedRun, open_run
from cvs_med.review.store import Store, open_store


@pytest.fixture
def run(finished_run: Path, phantom_folder: Path) -> FinishedRun:
    return open_run(finished_run, phantom_folder)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def keep(
    run: FinishedRun, store: Store, case_id: str, mask: np.ndarray, token: str = "m", start: str = "predicted"
) -> None:
    corrections.save(run, store, mask, case_id=case_id, reader="Ada", token=token, start=start, now="2026-01-01")


def test_what_a_correction_can_start_from(run: FinishedRun, store: Store) -> None:
    case_id = run.ids[0]
    assert list(corrections.starts(run, case_id, [])) == ["predicted", "reference"]
    reference = corrections.base(run, store, case_id, "reference")
    np.testing.assert_array_equal(reference, read_mask(run.cases[case_id].mask))  # type: ignore[arg-type]  # it has one
    assert corrections.base(run, store, case_id, "predicted").shape == reference.shape
    keep(run, store, case_id, ~reference)
    drawn = store.masks(run.digest)
    first, *rest = corrections.starts(run, case_id, drawn)
    assert rest == ["predicted", "reference"]
    np.testing.assert_array_equal(corrections.base(run, store, case_id, first), ~reference)
    with pytest.raises(ReviewError, match="found none"):
        corrections.base(run, store, run.ids[1], first)


def test_an_empty_mask_is_not_kept(run: FinishedRun, store: Store) -> None:
    with pytest.raises(ReviewError, match="empty"):
        keep(run, store, run.ids[0], np.zeros((64, 64), np.bool_))
    assert store.masks(run.digest) == []


def test_corrected_masks_are_written_as_a_data_set_and_trained_on(
    run: FinishedRun, store: Store, tmp_path: Path, cross_validate: Callable[..., object]
) -> None:
    corrected, other = run.ids[:2]
    old = corrections.base(run, store, corrected, "reference")
    keep(run, store, corrected, ~old, "first")
    new = np.roll(old, 5, axis=1)
    keep(run, store, corrected, new, "second")
    out = tmp_path / "corrected"
    assert corrections.write(run, store, out) == [corrected]

    cases, problems = datasets.get("phantom").check(out)
    assert problems == []
    written = {case.id: case for case in cases}
    np.testing.assert_array_equal(read_mask(written[corrected].mask), new)  # type: ignore[arg-type]  # it has one
    assert Path(written[other].mask).read_bytes() == Path(run.cases[other].mask).read_bytes()  # type: ignore[arg-type]
    assert [(c.id, c.label, c.group) for c in cases] == [(c.id, c.label, c.group) for c in run.cases.values()]

    cross_validate(tmp_path / "again", "training.epochs=1", data_dir=out)
    again = open_run(tmp_path / "again", out)
    gold = case_maps.load(again.path, again.predictions[corrected]).gold
    before = case_maps.load(run.path, run.predictions[corrected]).gold
    assert gold is not None
    assert before is not None
    assert (gold != before).any()


def test_masks_of_small_images_are_written_as_a_folder_that_attaches(
    run: FinishedRun, store: Store, tmp_path: Path, cifar10: Path
) -> None:
    cases = datasets.get("cifar10").cases(cifar10)[:3]
    ids = [case.id for case in cases]
    small = type(run)(
        run.path, run.digest, run.card, run.method, "none", dict(zip(ids, run.predictions.values(), strict=False)), {},
        {case.id: case for case in cases},
    )  # fmt: skip
    mask = np.zeros((32, 32), np.bool_)
    mask[8:20, 8:20] = True
    keep(small, store, ids[0], mask)
    assert corrections.write(small, store, tmp_path / "masks") == [ids[0]]
    attached = mask_folder.attach(cases, tmp_path / "masks", [ids[0]])
    np.testing.assert_array_equal(read_mask(attached[0].mask), mask)  # type: ignore[arg-type]  # it was attached
    assert "correction by readers" in mask_folder.describe(tmp_path / "masks")


def test_nothing_to_write_or_no_room_for_it_is_said(run: FinishedRun, store: Store, tmp_path: Path) -> None:
    with pytest.raises(ReviewError, match="corrected masks"):
        corrections.write(run, store, tmp_path / "out")
    keep(run, store, run.ids[0], np.ones((64, 96), np.bool_))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    with pytest.raises(CvsMedError, match="new or empty"):
        corrections.write(run, store, tmp_path / "full")
    with pytest.raises(ReviewError, match="--data-dir"):
        corrections.write(open_run(run.path), store, tmp_path / "out")


def test_the_commands(run: FinishedRun, store: Store, tmp_path: Path, phantom_folder: Path) -> None:
    url = f"sqlite:///{tmp_path}/store/reviews.sqlite"
    keep(run, store, run.ids[0], corrections.base(run, store, run.ids[0], "reference"))
    common = ["--run", str(run.path), "--store", url]

    def call(*words: str) -> str:
        result = CliRunner().invoke(main, ["review", words[0], *common, *words[1:]])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "1 corrected masks" in call("masks", "--data-dir", str(phantom_folder), "--out", str(tmp_path / "data"))
    for suffix in ("csv", "json", "pdf"):
        assert "0 answers" in call("export", "--out", str(tmp_path / f"out.{suffix}"))
        assert (tmp_path / f"out.{suffix}").stat().st_size > 50
    assert "whole" in call("verify")
    next((tmp_path / "store" / "masks").iterdir()).unlink()
    bad = CliRunner().invoke(main, ["review", "verify", *common])
    assert (bad.exit_code, "tampered" in bad.stderr) == (2, True)
    unknown = CliRunner().invoke(main, ["review", "export", *common, "--out", str(tmp_path / "out.doc")])
    assert (unknown.exit_code, ".csv" in unknown.stderr) == (2, True)
