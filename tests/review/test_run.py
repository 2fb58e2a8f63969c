"""A finished run is opened without a network library, with and without its photographs."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvs_med.datasets import DataNotFoundError
from cvs_med.errors import CvsMedError
from cvs_med.images import read_image, read_mask
from cvs_med.report import case_maps
from cvs_med.review import findings, pictures, screen
from cvs_med.review.flags import Flags
from cvs_med.review.run import open_run

NO_FLAGS = Flags({}, None)


def test_a_run_is_opened_and_a_case_shown_without_a_network_library(finished_run: Path, phantom_folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from cvs_med.review import screen; "
        "from cvs_med.review.run import open_run; from cvs_med.review.flags import of_run; "
        "run = open_run(*map(Path, sys.argv[1:])); made = screen.make(run, run.ids[0], of_run(run)); "
        "print(made.photograph.native, 'torch' in sys.modules, 'monai' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(finished_run), str(phantom_folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "False", "False"]


def test_the_order_of_the_cases_tells_nothing_of_the_class(finished_run: Path, phantom_folder: Path) -> None:
    run = open_run(finished_run, phantom_folder)
    assert sorted(run.ids) == sorted(run.cases)
    assert run.ids != sorted(run.ids)
    assert [run.reference(case_id) for case_id in run.ids] != sorted(map(run.reference, run.ids))


def test_the_photograph_is_the_file_itself(finished_run: Path, phantom_folder: Path) -> None:
    run = open_run(finished_run, phantom_folder)
    for case_id in run.ids:
        shown = screen.make(run, case_id, NO_FLAGS).photograph
        assert shown.content == Path(run.cases[case_id].image).read_bytes()
        assert shown.problem is None
        height, width, _ = read_image(run.cases[case_id].image).shape
        assert (shown.place.height, shown.place.width) == (height, width)


def test_without_the_data_set_the_case_is_shown_as_the_network_saw_it(finished_run: Path) -> None:
    run = open_run(finished_run)
    shown = screen.make(run, run.ids[0], NO_FLAGS).photograph
    assert not shown.native
    assert "--data-dir" in str(shown.problem)


def test_another_photograph_under_the_same_name_is_not_shown(
    finished_run: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(phantom_folder, tmp_path / "other")
    for path in (other / "images").iterdir():
        negative = 255 - read_image(path)
        Image.fromarray(negative).save(path, "JPEG", quality=95)
    run = open_run(finished_run, other)
    shown = screen.make(run, run.ids[0], NO_FLAGS).photograph
    assert "something else" in str(shown.problem)
    assert shown.content != Path(run.cases[run.ids[0]].image).read_bytes()


def test_a_truncated_photograph_is_said_and_replaced(finished_run: Path, phantom_folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(phantom_folder, tmp_path / "other")
    run = open_run(finished_run, other)
    path = Path(run.cases[run.ids[0]].image)
    path.write_bytes(path.read_bytes()[:200])
    shown = screen.make(run, run.ids[0], NO_FLAGS).photograph
    assert path.name in str(shown.problem)
    assert not shown.native


def test_a_predicted_mask_lies_where_the_gold_mask_lies(finished_run: Path, phantom_folder: Path) -> None:
    """The gold mask as the network sees it, brought back to the photograph, is the gold mask but for its edge."""
    run = open_run(finished_run, phantom_folder)
    case_id = run.ids[0]
    case = case_maps.load(run.path, run.predictions[case_id])
    assert case.gold is not None
    place = screen.make(run, case_id, NO_FLAGS).photograph.place
    back = pictures.predicted_mask(
        case_maps.CaseMap(case.image, None, None, None, None, foreground=case.gold * np.uint8(255)), place
    )
    gold = read_mask(run.cases[case_id].mask)  # type: ignore[arg-type]  # every phantom has one
    assert back.shape == gold.shape
    overlap = 2 * (back & gold).sum() / (back.sum() + gold.sum())
    shifted = 2 * (np.roll(back, 3, axis=1) & gold).sum() / (back.sum() + gold.sum())
    assert overlap > 0.75
    assert overlap > shifted + 0.1


def test_what_the_lead_rests_on_adds_up(finished_run: Path, phantom_folder: Path) -> None:
    run = open_run(finished_run, phantom_folder)
    for case_id in run.ids:
        case = case_maps.load(run.path, run.predictions[case_id])
        said = findings.rests_on(run.class_names, "vessels", case, findings.disc_region(case, "vessels", "none"))
        numbers = [float(word.replace("\N{MINUS SIGN}", "-")) for word in said.split() if word[0] in "+\N{MINUS SIGN}"]
        percents = [float(word) for word, sign in zip(said.split(), said.split()[1:], strict=False) if sign[0] == "%"]
        assert (numbers and numbers[0] == pytest.approx(sum(numbers[1:]), abs=0.0021)) or (
            sum(percents) == pytest.approx(100, abs=0.11)
        )


def test_a_folder_without_a_run_or_a_wrong_data_folder_is_refused(finished_run: Path, tmp_path: Path) -> None:
    with pytest.raises(CvsMedError, match=r"dataset\.json"):
        open_run(tmp_path)
    with pytest.raises(DataNotFoundError):
        open_run(finished_run, tmp_path / "nowhere")
    (tmp_path / "dataset.json").write_bytes((finished_run / "dataset.json").read_bytes())
    with pytest.raises(CvsMedError, match="finished run"):
        open_run(tmp_path)


def test_a_run_on_the_disc_shows_its_layers_around_the_disc(finished_run: Path, phantom_folder: Path) -> None:
    from cvs_med.transforms import prepare

    run = replace(open_run(finished_run, phantom_folder), crop="disc")
    files = run.cases[run.ids[0]]
    prepared = prepare(files, size=64, crop="disc")
    case = case_maps.CaseMap(prepared.image.permute(1, 2, 0).numpy(), None, None, None, None)
    assert pictures.photograph(run, run.ids[0], case).place == prepared.geometry
