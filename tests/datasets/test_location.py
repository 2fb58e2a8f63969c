from pathlib import Path

import pytest

from cvs_med.datasets import DataNotFoundError, get, locate, location
from cvs_med.errors import DataError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, empty."""
    monkeypatch.delenv(location.ENVIRONMENT, raising=False)
    monkeypatch.setattr(location, "user_data_path", lambda *_, **__: tmp_path / "home")
    return tmp_path / "home"


def test_the_named_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert locate("hrf", tmp_path) == tmp_path
    with pytest.raises(DataNotFoundError, match="found none at"):
        locate("digits", tmp_path / "none")


def test_the_environment_names_the_folder_above_or_the_folder_itself(
    fundus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (fundus, fundus.parent):
        monkeypatch.setenv(location.ENVIRONMENT, str(value))
        assert locate("hrf") == fundus


def test_photographs_from_outside_never_pass_for_embedded_ones(
    fundus: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "phantom").mkdir(parents=True)
    monkeypatch.setenv(location.ENVIRONMENT, str(fundus))
    assert locate("phantom") == home / "phantom"


def test_one_sentence_says_what_to_do_without_data() -> None:
    with pytest.raises(DataNotFoundError) as caught:
        locate("hrf")
    assert "cvs-med data fetch hrf" in str(caught.value)
    assert "--data-dir DIR" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataNotFoundError, match="hrf, phantom, digits"):
        get("hrv")


def test_an_embedded_data_set_is_written_once(home: Path) -> None:
    root = locate("digits")
    assert root == home / "digits"
    before = (root / "labels.csv").stat().st_mtime_ns
    assert locate("digits") == root
    assert (root / "labels.csv").stat().st_mtime_ns == before
    assert [path.name for path in home.iterdir()] == ["digits"]


def test_a_place_that_cannot_be_written_is_an_error(home: Path) -> None:
    home.touch()
    with pytest.raises(DataNotFoundError, match="could not be written"):
        locate("digits")


def test_photographs_of_hrf_never_pass_for_a_packed_data_set(fundus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(location.ENVIRONMENT, str(fundus))
    with pytest.raises(DataNotFoundError, match="run `cvs-med data fetch mnist`"):
        locate("mnist")


def test_a_folder_that_holds_something_else_is_verified_and_left_alone(fundus: Path) -> None:
    before = {path: path.read_bytes() for path in fundus.rglob("*.*")}
    with pytest.raises(DataError, match="135 problems"):
        location.fetch(get("hrf"), fundus, None)
    assert {path: path.read_bytes() for path in fundus.rglob("*.*")} == before


def test_an_embedded_data_set_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="digits cannot be fetched, only made"):
        location.fetch(get("digits"), tmp_path / "new", None)
