"""Tables on SQLite and PostgreSQL: made by the steps, older ones taken over, and closed to changes by the database."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import upgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, exc, text

from cvs_med.errors import ReviewError
from cvs_med.review import tables
from cvs_med.review.records import Answer
from cvs_med.review.store import open_store

ANSWER = Answer(
    "t0", "Ada", "run", "0" * 16, "01_h", "healthy", "agree", "healthy", "good", "", "2026-01-01", "2026-01-02"
)


def step_to(connection: Connection, version: str) -> None:
    config = Config()
    config.set_main_option("script_location", "cvs_med.review:migrations")
    config.attributes["connection"] = connection
    upgrade(config, version)


def write_old_store(database: str, answers: int) -> None:
    """Write what the version before migrations wrote: its tables, its chain, and no word of Alembic."""
    engine = create_engine(database)
    with engine.begin() as connection:
        step_to(connection, "1")
        connection.execute(text("DROP TABLE alembic_version"))
        previous = ""
        for number in range(answers):
            row = {
                "token": f"old{number}", "reader": "Ada", "run": "run", "run_digest": "0" * 16, "case_id": "01_h",
                "derived": "healthy", "verdict": "agree", "diagnosis": "healthy", "gradability": "good",
                "comment": "", "shown_at": "a", "answered_at": "b", "mask_digest": None, "previous": previous,
            }  # fmt: skip
            previous = tables.digest(row)
            names = [*row, "digest"]
            values = ", ".join(f":{name}" for name in names)
            connection.execute(
                text(f"INSERT INTO answers ({', '.join(names)}) VALUES ({values})"), row | {"digest": previous}
            )
    engine.dispose()


def test_the_steps_lead_to_the_tables_that_are_used(tmp_path: Path, database: str) -> None:
    store = open_store(tmp_path, database)
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, tables.METADATA) == []
        assert context.get_current_revision() == tables.SCHEMA


def test_a_store_of_the_version_before_is_taken_over_whole(tmp_path: Path, database: str) -> None:
    write_old_store(database, 3)
    store = open_store(tmp_path, database)
    store.add_answer(replace(ANSWER, image_digest="a" * 64, model_digest="b" * 64))
    kept = open_store(tmp_path, database).answers(ANSWER.run_digest)
    assert [answer.token for answer in kept] == ["old0", "old1", "old2", "t0"]
    assert [answer.image_digest for answer in kept] == [None, None, None, "a" * 64]
    assert store.verify() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE answers SET comment = 'x'",
        "DELETE FROM answers",
        "TRUNCATE answers",
        "INSERT OR REPLACE INTO answers SELECT id, token, 'Eve', run, run_digest, case_id, derived, verdict, "
        "diagnosis, gradability, comment, shown_at, answered_at, mask_digest, previous, digest, image_digest, "
        "model_digest FROM answers",
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_the_database_itself_refuses_changes(tmp_path: Path, database: str, change: str, old: bool) -> None:
    if change.startswith("TRUNCATE" if database.startswith("sqlite") else "INSERT OR"):
        pytest.skip("no statement of this database")
    if old:
        write_old_store(database, 1)
    store = open_store(tmp_path, database)
    store.add_answer(ANSWER)
    before = store.answers(ANSWER.run_digest)
    with pytest.raises(exc.DBAPIError, match="never changed or deleted"), store.engine.begin() as connection:
        connection.execute(text(change))
    assert store.answers(ANSWER.run_digest) == before
    assert store.verify() == []


def test_taking_a_hash_out_is_found(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add_answer(replace(ANSWER, image_digest="a" * 64))
    with store.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER answers_no_update"))
        connection.execute(text("UPDATE answers SET image_digest = NULL"))
    assert "content was changed" in store.verify()[0]


def test_a_store_opened_by_several_at_once_is_made_once(tmp_path: Path, database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: open_store(tmp_path, database), range(4)))
    stores[0].add_answer(ANSWER)
    assert all(store.answers(ANSWER.run_digest) == [ANSWER] for store in stores)


def test_tables_of_a_newer_version_are_refused(tmp_path: Path, database: str) -> None:
    store = open_store(tmp_path, database)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '99'"))
    with pytest.raises(ReviewError, match="version 99"):
        open_store(tmp_path, database)


def test_a_database_without_an_encoding_takes_answers_too(tmp_path: Path, new_database: str) -> None:
    from psycopg import connect

    bare = f"{new_database}bare"
    with connect(new_database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {bare.rsplit('/')[-1]} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    answer = replace(ANSWER, comment="\N{SNOWMAN}")
    open_store(tmp_path, bare).add_answer(answer)
    assert open_store(tmp_path, bare).answers(ANSWER.run_digest) == [answer]
