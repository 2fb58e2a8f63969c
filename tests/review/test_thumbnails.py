"""Small pictures for the worklist: made once, made again for another run, and never a reason to show nothing."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvs_med.report import case_maps
from cvs_med.review import thumbnails
from cvs_med.review.run import FinishedRun, open_run


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> FinishedRun:
    # Another test may have opened the shared run, and kept its small pictures in it.
    fresh = shutil.copytree(finished_run, tmp_path / "run", ignore=shutil.ignore_patterns(thumbnails.FILE))
    return open_run(Path(fresh))


def test_every_case_has_a_picture_of_itself(run: FinishedRun) -> None:
    made = thumbnails.of_run(run)
    assert set(made) == set(run.ids)
    for case_id, picture in made.items():
        with Image.open(io.BytesIO(picture), formats=["JPEG"]) as image:
            assert image.size == (thumbnails.SIDE, thumbnails.SIDE)
            seen = case_maps.load(run.path, run.predictions[case_id]).image
            assert np.asarray(image).mean() == pytest.approx(seen.mean(), abs=3)


def test_they_are_made_once_and_again_for_other_predictions_or_if_damaged(run: FinishedRun) -> None:
    made = thumbnails.of_run(run)
    for file in run.path.glob("fold-*/maps/*.npz"):
        file.unlink()
    assert thumbnails.of_run(run) == made
    kept = run.path / thumbnails.FILE
    content = json.loads(kept.read_text())
    for damaged in (json.dumps(content | {"run": "0" * 16}), "[", json.dumps(content | {"pictures": {"a": 3}})):
        kept.write_text(damaged)
        assert thumbnails.of_run(run) == {}


def test_a_damaged_case_has_none(run: FinishedRun) -> None:
    next(run.path.glob(f"fold-*/maps/{run.ids[0]}.npz")).write_bytes(b"cut off")
    assert set(thumbnails.of_run(run)) == set(run.ids[1:])
