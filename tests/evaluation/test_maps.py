"""clDice and distances of outlines from the maps that a run folder keeps."""

from pathlib import Path

import numpy as np
import pytest

from cvs_med.errors import RunError
from cvs_med.evaluation.maps import each_case, outline_distance
from cvs_med.statistics.centrelines import centreline_dice
from cvs_med.types import Prediction

CASE = Prediction("a", "", 0, 0, (0.9, 0.1))


def write(run: Path, **arrays: np.ndarray) -> Path:
    folder = run / "fold-0" / "maps"
    folder.mkdir(parents=True)
    np.savez_compressed(folder / "a.npz", **arrays)
    return folder / "a.npz"


def planes() -> dict[str, np.ndarray]:
    """A vessel three pixels wide, predicted in its left half and, outside the field of view, somewhere else."""
    gold, predicted, seen = (np.zeros((40, 40), dtype=np.uint8) for _ in range(3))
    gold[18:21, :] = 1
    predicted[18:21, :20] = 200
    predicted[30:33] = 255
    seen[:28] = 1
    return {"gold": gold, "foreground": predicted, "field_of_view": seen}


def test_half_a_vessel_has_two_thirds_and_what_lies_outside_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, **planes())
    # All of the predicted line is right (1), and half of the true one is found: 2 * 1 * 0.5 / 1.5.
    (found,) = each_case(tmp_path, [CASE], centreline_dice)
    assert found == pytest.approx(2 / 3, abs=0.03)


def test_outlines_are_compared_inside_the_field_of_view(tmp_path: Path) -> None:
    arrays = planes()
    write(tmp_path, **arrays)
    # The farthest twentieth of the reference's outline lies 19 to 20 columns away; what is outside is not seen.
    (found,) = each_case(tmp_path, [CASE], outline_distance)
    assert found == pytest.approx(19, abs=1.5)


def test_a_case_without_map_or_mask_or_file_is_not_known(tmp_path: Path) -> None:
    assert each_case(tmp_path, [CASE], centreline_dice) == [None]
    write(tmp_path, gold=planes()["gold"])
    assert each_case(tmp_path, [CASE], centreline_dice) == [None]


@pytest.mark.parametrize("fault", ["cut off", "no picture", "floats"])
def test_a_damaged_file_is_named(tmp_path: Path, fault: str) -> None:
    arrays = planes()
    if fault == "no picture":
        arrays["gold"] = np.zeros(3, dtype=np.uint8)
    if fault == "floats":
        arrays["foreground"] = np.zeros((40, 40))
    path = write(tmp_path, **arrays)
    if fault == "cut off":
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RunError, match=r"a\.npz"):
        each_case(tmp_path, [CASE], centreline_dice)
