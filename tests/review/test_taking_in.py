"""Reviews that are exported and imported, or merged, are the same reviews, each there once."""

import base64
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cvs_med.cli import main
from cvs_med.errors import ReviewError
from cvs_med.review import corrections, exports, mask_files, taking_in
from cvs_med.review.records import Answer
from cvs_med.review.run import FinishedRun, open_run
from cvs_med.review.store import Store, latest, open_store


@pytest.fixture
def run(finished_run: Path, phantom_folder: Path, tmp_path: Path) -> FinishedRun:
    return open_run(Path(shutil.copytree(finished_run, tmp_path / "run")), phantom_folder)


def answer(run: FinishedRun, token: str, **changes: str) -> Answer:
    derived = run.derived(run.ids[0])
    given = Answer(token, "Ada", run.name, run.digest, run.ids[0], derived, "agree", derived, "good", "", "2026-01-01",
                   "2026-01-02")  # fmt: skip
    return replace(given, **changes)  # type: ignore[arg-type]  # all are texts


@pytest.fixture
def other(run: FinishedRun, tmp_path: Path) -> Store:
    """A store elsewhere, with two answers and a mask."""
    store = open_store(tmp_path / "elsewhere")
    for token in ("a", "b"):
        store.add_answer(answer(run, token, comment="'; DROP TABLE answers; --"))
    mask = corrections.base(run, store, run.ids[0], "reference")
    mask[:5] = ~mask[:5]
    corrections.save(run, store, mask, case_id=run.ids[0], reader="Ada", token="m", start="reference", now="2026-01-03")
    return store


def cli(*words: object) -> Result:
    return CliRunner().invoke(main, ["review", *map(str, words)])


@pytest.mark.parametrize("how", ["import", "merge"])
def test_everything_comes_over_once(run: FinishedRun, other: Store, tmp_path: Path, how: str) -> None:
    own = open_store(run.path / "reviews")
    own.add_answer(answer(run, "own"))
    source = tmp_path / "elsewhere"
    if how == "import":
        source = tmp_path / "all.json"
        source.write_bytes(exports.as_json(run, other))
    for new in ("2 answers and 1 masks", "0 answers and 0 masks"):
        result = cli(how, "--run", run.path, "--from", source)
        assert result.exit_code == 0, result.output
        assert new in result.output
    assert [each.token for each in own.answers(run.digest)] == ["own", "a", "b"]
    assert own.answers(run.digest)[1:] == other.answers(run.digest)
    (version,) = own.masks(run.digest)
    np.testing.assert_array_equal(own.read_mask(version), other.read_mask(version))
    assert version.before_digest not in (None, version.content)
    assert own.verify() == []


def test_an_older_answer_that_is_merged_later_does_not_stand(run: FinishedRun, other: Store) -> None:
    own = open_store(run.path / "reviews")
    own.add_answer(answer(run, "newer", answered_at="2026-02-01", comment="the last word"))
    taking_in.from_store(run, own, other)
    assert latest(own.answers(run.digest))[("Ada", run.ids[0])].token == "newer"


def tampered(other: Store, run: FinishedRun, **changes: object) -> bytes:
    content = json.loads(exports.as_json(run, other))
    for name, value in changes.items():
        if name in content["answers"][0]:
            content["answers"][0][name] = value
        elif name in content["masks"][0]:
            content["masks"][0][name] = value
        else:
            content[name] = value
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"case_id": "../../etc/passwd"}, "etc/passwd"),
        ({"run_digest": "f" * 16}, "of the run"),
        ({"verdict": "maybe"}, "maybe"),
        ({"reader": "x" * 81}, "reader's name"),
        ({"comment": "x" * 2001}, "at most 2000"),
        ({"mask_files": {}}, "pixels of each mask"),
        ({"height": 7}, "pixels as PNG"),
        ({"content": "../../../evil"}, "pixels of each mask"),
        ({"answers": 3}, "expected a JSON file"),
    ],
)
def test_a_file_that_is_not_what_was_exported_adds_nothing(
    run: FinishedRun, other: Store, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    file = tmp_path / "all.json"
    file.write_bytes(tampered(other, run, **changes))
    own = open_store(run.path / "reviews")
    with pytest.raises(ReviewError, match=said):
        taking_in.from_file(run, own, file)
    assert own.answers(run.digest) == []
    assert own.masks(run.digest) == []


def test_a_mask_under_a_path_for_a_name_is_refused(run: FinishedRun, other: Store, tmp_path: Path) -> None:
    content = json.loads(exports.as_json(run, other))
    name = content["masks"][0]["content"]
    content["masks"][0]["content"] = "../../evil"
    content["mask_files"] = {"../../evil": content["mask_files"][name]}
    file = tmp_path / "all.json"
    file.write_text(json.dumps(content))
    own = open_store(run.path / "reviews")
    with pytest.raises(ReviewError, match="SHA-256"):
        taking_in.from_file(run, own, file)
    assert not list(tmp_path.rglob("evil*"))
    assert own.answers(run.digest) == []


def test_a_bomb_for_a_mask_is_refused_by_its_header(run: FinishedRun, other: Store, tmp_path: Path) -> None:
    content = json.loads(exports.as_json(run, other))
    name = content["masks"][0]["content"]
    content["mask_files"][name] = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(50)).decode()
    file = tmp_path / "all.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ReviewError, match="as PNG"):
        taking_in.from_file(run, open_store(run.path / "reviews"), file)


def test_a_store_that_was_tampered_with_is_not_merged(run: FinishedRun, other: Store, tmp_path: Path) -> None:
    next((tmp_path / "elsewhere" / "masks").iterdir()).write_bytes(b"changed")
    assert cli("merge", "--run", run.path, "--from", tmp_path / "elsewhere").exit_code == 2
    assert cli("merge", "--run", run.path, "--from", tmp_path / "nowhere").exit_code == 2
    assert not (tmp_path / "nowhere").exists()


def written(tmp_path: Path, run: FinishedRun, store: Store, **changes: object) -> Path:
    """An exported file, with something in its first answer or its mask changed."""
    content = json.loads(exports.as_json(run, store))
    for name, value in changes.items():
        content["masks" if name in content["masks"][0] and name not in content["answers"][0] else "answers"][0][
            name
        ] = value
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": "other", "diagnosis": "no class"}, "a diagnosis of"),
        ({"derived": "glaucoma", "diagnosis": "glaucoma"}, "expected the model's"),
        ({"answered_at": "~~~~"}, "a time as ISO 8601"),
        ({"answered_at": "9999-01-01"}, "a time that is past"),
        ({"reader": "The Reference"}, "which is taken"),
        ({"pixels": 3}, "a mask of 3 pixels"),
        ({"drawn_at": "9999-01-01"}, "a time that is past"),
    ],
)
def test_what_would_stand_for_ever_is_refused_and_nothing_is_added(
    run: FinishedRun, other: Store, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    own = open_store(run.path / "reviews")
    if run.derived(run.ids[0]) == changes.get("derived"):
        changes = dict.fromkeys(changes, "healthy")
    with pytest.raises(ReviewError, match=said):
        taking_in.from_file(run, own, written(tmp_path, run, other, **changes))
    assert (own.answers(run.digest), own.masks(run.digest)) == ([], [])


def test_a_mask_of_another_photograph_is_refused(run: FinishedRun, other: Store, tmp_path: Path) -> None:
    small = np.ones((5, 7), np.bool_)
    version = replace(
        other.masks(run.digest)[0], token="s", height=5, width=7, pixels=35,
        content=mask_files.content_name(mask_files.encode(small)),
    )  # fmt: skip
    other.add_mask(version, small)
    own = open_store(run.path / "reviews")
    with pytest.raises(ReviewError, match="as its photograph has, found 7 x 5"):
        taking_in.from_store(run, own, other)
    assert own.masks(run.digest) == []
