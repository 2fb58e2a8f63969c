from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from cvs_med.datasets import DATASETS, DataNotFoundError, get, locate, read
from cvs_med.errors import DataError

HRF = get("hrf")


def wheres(error: DataError) -> set[str]:
    return {problem.where for problem in error.problems}


def test_every_class_is_read_with_its_masks(fundus: Path) -> None:
    cases = HRF.cases(fundus)
    assert [case.id for case in cases] == ["01_dr", "01_g", "01_h", "02_dr", "02_g", "02_h"]
    assert [HRF.class_codes[case.label] for case in cases] == ["dr", "g", "h"] * 2
    for case in cases:
        assert case.mask == fundus / "manual1" / f"{case.id}.tif"
        assert case.field_of_view == fundus / "mask" / f"{case.id}_mask.tif"
        assert case.image.is_file()
    assert HRF.check(fundus)[1] == []


def test_numbers_are_sorted_as_numbers(make_fundus: Callable[..., Path]) -> None:
    cases = HRF.cases(make_fundus(cases=11, size=(16, 16)))
    assert [case.id for case in cases if case.label == 0] == [f"{number:02d}_h" for number in range(1, 12)]


def test_small_and_capital_letters_are_the_same(fundus: Path) -> None:
    expected = HRF.cases(fundus)
    (fundus / "images" / "01_h.jpg").rename(fundus / "images" / "01_H.JPEG")
    (fundus / "manual1" / "01_h.tif").rename(fundus / "manual1" / "01_H.TIF")
    cases = HRF.cases(fundus)
    assert [(case.id, case.label, case.group) for case in cases] == [
        (case.id, case.label, case.group) for case in expected
    ]
    assert cases[2].image.name == "01_H.JPEG"


def test_phantom_reads_the_same_layout(fundus: Path) -> None:
    assert get("phantom").cases(fundus) == HRF.cases(fundus)


@pytest.mark.parametrize(("minutes", "groups"), [(0, 1), (14, 1), (15, 6), (16, 6)])
def test_a_chain_of_photographs_within_minutes_is_one_sitting(
    make_fundus: Callable[..., Path], minutes: int, groups: int
) -> None:
    cases = HRF.cases(make_fundus(minutes=minutes))
    assert len({case.group for case in cases}) == groups
    # The photographs of make_fundus are taken class by class.
    in_time = sorted(cases, key=lambda case: (case.label, case.id))
    assert [case.group for case in in_time] == sorted(str(case.group) for case in cases)


def test_without_capture_times_there_are_no_groups(make_fundus: Callable[..., Path]) -> None:
    assert {case.group for case in HRF.cases(make_fundus(minutes=None))} == {None}


def test_missing_files_are_all_listed(fundus: Path) -> None:
    (fundus / "images" / "01_dr.JPG").unlink()  # Its masks remain.
    (fundus / "manual1" / "01_h.tif").unlink()
    (fundus / "mask" / "02_g_mask.tif").unlink()
    with pytest.raises(DataError) as caught:
        HRF.cases(fundus)
    assert wheres(caught.value) == {"images/01_dr", "manual1/01_h", "mask/02_g_mask"}


def test_a_gap_in_the_numbers_is_a_missing_case(make_fundus: Callable[..., Path]) -> None:
    root = make_fundus(cases=3, size=(16, 16))
    for name in ("images/02_g.jpg", "manual1/02_g.tif", "mask/02_g_mask.tif"):
        (root / name).unlink()
    with pytest.raises(DataError) as caught:
        HRF.cases(root)
    assert wheres(caught.value) == {"images/02_g"}


def test_doubled_cases_are_found_by_name_and_by_content(fundus: Path) -> None:
    photograph = fundus / "images" / "01_h.jpg"
    (fundus / "images" / "01_h.JPG").write_bytes(photograph.read_bytes() + b"\0")
    (fundus / "images" / "02_h.jpg").write_bytes((fundus / "images" / "02_g.jpg").read_bytes())
    with pytest.raises(DataError) as caught:
        HRF.cases(fundus)
    assert wheres(caught.value) == {"images/01_h", "images/02_g.jpg"}
    assert "01_h.JPG and 01_h.jpg" in str(caught.value)


def test_an_unknown_name_is_not_passed_over(fundus: Path) -> None:
    (fundus / "images" / "03_x.jpg").write_bytes(b"?")
    (fundus / "images" / "Thumbs.db").write_bytes(b"?")
    (fundus / "images" / "._01_h.jpg").write_bytes(b"?")
    with pytest.raises(DataError) as caught:
        HRF.cases(fundus)
    assert wheres(caught.value) == {"images/03_x.jpg"}


def test_a_folder_without_photographs_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 problem") as caught:
        HRF.cases(tmp_path)
    assert wheres(caught.value) == {str(tmp_path)}


def test_a_wild_number_does_not_make_a_list_without_end(fundus: Path) -> None:
    (fundus / "images" / "01_h.jpg").rename(fundus / "images" / "999999999_h.jpg")
    with pytest.raises(DataError) as caught:
        HRF.cases(fundus)
    assert len(caught.value.problems) < 50


def test_read_lists_every_kind_of_fault_at_once(fundus: Path) -> None:
    assert read(HRF, fundus, folds=2) == HRF.cases(fundus)
    with pytest.raises(DataError, match="at least 3 cases for 3 folds"):
        read(HRF, fundus, folds=3)
    damaged = fundus / "images" / "02_g.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-300])
    (fundus / "mask" / "01_g_mask.tif").unlink()
    with pytest.raises(DataError) as caught:
        read(HRF, fundus, folds=3)
    classes = {f"class '{name}'" for name in HRF.class_names}
    assert wheres(caught.value) == {"images/02_g.jpg", "mask/01_g_mask"} | classes


def test_every_data_set_describes_itself() -> None:
    for name, dataset in DATASETS.items():
        assert dataset.name == name
        assert len(dataset.class_names) == len(dataset.class_codes) == len(set(dataset.class_codes))
        assert all((dataset.title, dataset.licence, dataset.citation, dataset.foreground, dataset.notes))


@pytest.mark.slow
def test_the_real_database_has_45_cases_in_28_sittings() -> None:
    try:
        root = locate("hrf")
    except DataNotFoundError as error:
        pytest.skip(str(error))
    cases = HRF.cases(root)
    assert Counter(case.label for case in cases) == {0: 15, 1: 15, 2: 15}
    assert len({case.group for case in cases}) == 28
    assert HRF.check(root)[1] == []
