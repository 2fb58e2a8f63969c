"""The store of reviews: nothing is lost, nothing is changed, nobody leaves the folder."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import exc, text

from cvs_med.errors import ReviewError
from cvs_med.review import mask_files
from cvs_med.review.records import Answer, MaskVersion
from cvs_med.review.store import latest, open_store

ANSWER = Answer(
    "t0", "Ada", "run", "0" * 16, "01_h", "healthy", "agree", "healthy", "good", "", "2026-01-01", "2026-01-02"
)


def version(mask: np.ndarray, token: str = "m0") -> MaskVersion:
    content = mask_files.content_name(mask_files.encode(mask))
    return MaskVersion(
        token, "Ada", "run", "0" * 16, "01_h", "predicted", content, *mask.shape, int(mask.sum()), "2026-01-01"
    )


@pytest.fixture
def mask() -> np.ndarray:
    return np.random.default_rng(0).random((21, 33)) < 0.3


def test_answers_come_back_as_they_were_given_in_their_order(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    nasty = "'; DROP TABLE answers; -- <script>alert(1)</script> \N{SNOWMAN}"
    given = [
        ANSWER,
        replace(ANSWER, token="t1", verdict="other", diagnosis="glaucoma", comment=nasty, reader=nasty[:40]),
        replace(ANSWER, token="t2", verdict="cannot tell", diagnosis=None, gradability="not gradable"),
    ]
    for answer in given:
        store.add_answer(answer)
    assert open_store(tmp_path).answers(ANSWER.run_digest) == given
    assert store.answers("f" * 16) == []


def test_an_answer_sent_twice_is_stored_once_and_a_later_one_stands(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    later = replace(ANSWER, token="t1", verdict="cannot tell", diagnosis=None)
    for answer in (ANSWER, ANSWER, later):
        store.add_answer(answer)
    kept = store.answers(ANSWER.run_digest)
    assert kept == [ANSWER, later]
    assert latest(kept) == {("Ada", "01_h"): later}


@pytest.mark.parametrize(
    "change",
    [
        {"reader": " "}, {"reader": "a\nb"}, {"reader": "x" * 81}, {"verdict": "maybe"}, {"gradability": "so so"},
        {"verdict": "other"}, {"verdict": "cannot tell"}, {"diagnosis": "glaucoma"}, {"comment": "x" * 2001},
    ],
)  # fmt: skip
def test_an_answer_that_contradicts_itself_is_refused(tmp_path: Path, change: dict[str, str]) -> None:
    store = open_store(tmp_path)
    with pytest.raises(ReviewError, match=r"[Ee]xpected"):
        store.add_answer(replace(ANSWER, **change))
    assert store.answers(ANSWER.run_digest) == []


@pytest.mark.parametrize("change", ["UPDATE answers SET comment = 'x'", "DELETE FROM answers"])
def test_the_database_refuses_to_change_or_delete(tmp_path: Path, change: str) -> None:
    store = open_store(tmp_path)
    store.add_answer(ANSWER)
    with pytest.raises(exc.IntegrityError, match="never changed or deleted"), store.engine.begin() as connection:
        connection.execute(text(change))
    assert store.answers(ANSWER.run_digest) == [ANSWER]
    assert store.verify() == []


@pytest.mark.parametrize(
    "change", ["UPDATE answers SET comment = 'x' WHERE id = 2", "DELETE FROM answers WHERE id = 2"]
)
def test_who_tampers_with_the_file_is_found_out(tmp_path: Path, change: str) -> None:
    store = open_store(tmp_path)
    for number in range(3):
        store.add_answer(replace(ANSWER, token=f"t{number}"))
    with sqlite3.connect(tmp_path / "reviews.sqlite") as connection:
        connection.execute("DROP TRIGGER answers_no_update")
        connection.execute("DROP TRIGGER answers_no_delete")
        connection.execute(change)
    connection.close()
    (found,) = store.verify()
    assert "answers, row" in found


def test_writers_at_once_lose_nothing_and_keep_the_chain(tmp_path: Path) -> None:
    stores = [open_store(tmp_path) for _ in range(4)]

    def write(number: int) -> None:
        for turn in range(10):
            stores[number].add_answer(replace(ANSWER, token=f"{number}-{turn}", reader=f"reader {number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    tokens = [answer.token for answer in stores[0].answers(ANSWER.run_digest)]
    assert sorted(tokens) == sorted(f"{number}-{turn}" for number in range(4) for turn in range(10))
    assert stores[0].verify() == []


KILLED = """
import os, sys
from dataclasses import replace
from pathlib import Path
from cvs_med.review.records import Answer
from cvs_med.review.store import open_store
answer = Answer("k", "Ada", "run", "0" * 16, "01_h", "healthy", "agree", "healthy", "good", "", "2026-01-01",
                "2026-01-02")
store = open_store(Path(sys.argv[1]))
for number in range(5):
    store.add_answer(replace(answer, token=f"k{number}"))
os.kill(os.getpid(), 9)
"""


def test_what_was_stored_outlives_a_killed_process(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -9
    store = open_store(tmp_path)
    assert len(store.answers(ANSWER.run_digest)) == 5
    assert store.verify() == []


def test_a_mask_comes_back_pixel_by_pixel(tmp_path: Path, mask: np.ndarray) -> None:
    store = open_store(tmp_path)
    store.add_mask(version(mask), mask)
    store.add_mask(version(~mask, "m1"), ~mask)
    first, second = store.masks("0" * 16)
    np.testing.assert_array_equal(store.read_mask(first), mask)
    np.testing.assert_array_equal(store.read_mask(second), ~mask)
    assert store.verify() == []


def test_a_changed_or_lost_mask_is_found_and_not_read(tmp_path: Path, mask: np.ndarray) -> None:
    store = open_store(tmp_path)
    store.add_mask(version(mask), mask)
    (kept,) = store.masks("0" * 16)
    file = tmp_path / "masks" / f"{kept.content}.png"
    file.write_bytes(mask_files.encode(~mask))
    assert "other content" in store.verify()[0]
    with pytest.raises(ReviewError, match="other content"):
        store.read_mask(kept)
    file.unlink()
    assert "found none" in store.verify()[0]


@pytest.mark.parametrize("content", ["../../etc/passwd", "a" * 63, "A" * 64, "", "a" * 64 + "\n"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, mask: np.ndarray, content: str) -> None:
    store = open_store(tmp_path)
    with pytest.raises(ReviewError, match="SHA-256"):
        store.read_mask(replace(version(mask), content=content))
    with pytest.raises(ReviewError, match="SHA-256"):
        store.add_mask(replace(version(mask), content=content), mask)
    assert store.masks("0" * 16) == []


def test_a_mask_of_another_size_is_refused(tmp_path: Path, mask: np.ndarray) -> None:
    store = open_store(tmp_path)
    with pytest.raises(ReviewError, match="21"):
        store.add_mask(version(mask), mask[:-1])
    assert not (tmp_path / "masks").exists()


def test_a_sqlite_url_keeps_its_masks_beside_it(tmp_path: Path, mask: np.ndarray) -> None:
    store = open_store(tmp_path / "unused", f"sqlite:///{tmp_path}/elsewhere/all.sqlite")
    store.add_mask(version(mask), mask)
    assert (tmp_path / "elsewhere" / "all.sqlite").exists()
    assert len(list((tmp_path / "elsewhere" / "masks").iterdir())) == 1
    assert not (tmp_path / "unused").exists()


def foreign_file(folder: Path) -> str:
    (folder / "text.sqlite").write_text("this is not a database, but long enough to look like one" * 40)
    return f"sqlite:///{folder}/text.sqlite"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (lambda _: "not a url", "database URL"),
        (lambda _: "nonsense://host/db", "nonsense"),
        (lambda _: "sqlite:////proc/none/reviews.sqlite", "sqlite:////proc/none"),
        (foreign_file, "not a database"),
    ],
)
def test_a_store_that_cannot_be_opened_says_so(tmp_path: Path, url: Callable[[Path], str], said: str) -> None:
    with pytest.raises(ReviewError, match=said):
        open_store(tmp_path / "store", url(tmp_path))


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ReviewError) as caught:
        open_store(tmp_path, "postgresql+nodriver://ada:secret@localhost/reviews")
    assert "secret" not in str(caught.value)
