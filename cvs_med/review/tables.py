"""The tables of the store. Rows are only ever added; each names the digest of the row before it.

The chain makes tampering visible, and since two rows cannot name the same row before them, two readers who write at
once cannot split it: one of them is refused by the database and tries again behind the other.
"""

import hashlib
import json
from collections.abc import Mapping

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, inspect, select, text

from cvs_med.errors import ReviewError

SCHEMA = "2"
"""Version of the tables, the newest step in `migrations`; with every change comes a step from the one before."""

_OLDER = ("1",)
_LOCK = 0x637673  # any number that no other program takes
_LATER = ("image_digest", "model_digest", "before_digest")
"""Columns that older rows do not have: an empty one is no part of a row's digest, a filled one is."""

METADATA = MetaData()

# What tells a cvs-med older than the migrations that the store is not for it.
SCHEMA_TABLE = Table("cvs_med_schema", METADATA, Column("version", Integer, primary_key=True))


def _chained(name: str, *columns: Column[object]) -> Table:
    return Table(
        name,
        METADATA,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("token", String(64), nullable=False, unique=True),
        *columns,
        Column("previous", String(64), nullable=False, unique=True),
        Column("digest", String(64), nullable=False, unique=True),
    )


def _text(name: str, length: int, *, nullable: bool = False, index: bool = False) -> Column[object]:
    return Column(name, String(length), nullable=nullable, index=index)


def _whose() -> tuple[Column[object], ...]:
    return (
        _text("reader", 80), _text("run", 255), _text("run_digest", 16, index=True), _text("case_id", 255),
    )  # fmt: skip


ANSWERS = _chained(
    "answers", *_whose(), _text("derived", 255), _text("verdict", 16), _text("diagnosis", 255, nullable=True),
    _text("gradability", 16), _text("comment", 2000), _text("shown_at", 40), _text("answered_at", 40),
    _text("mask_digest", 64, nullable=True), _text("image_digest", 64, nullable=True),
    _text("model_digest", 64, nullable=True),
)  # fmt: skip

MASKS = _chained(
    "masks", *_whose(), _text("started_from", 64), _text("content", 64), Column("height", Integer, nullable=False),
    Column("width", Integer, nullable=False), Column("pixels", Integer, nullable=False), _text("drawn_at", 40),
    _text("before_digest", 64, nullable=True),
)  # fmt: skip


def prepare(engine: Engine) -> None:
    """Bring the tables to the newest version: made if there are none, and an older store is taken over as it is.

    Raises:
        ReviewError: they are of a newer version.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # SQLite's transaction keeps others out by itself
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        found = _version(connection)
        if found == SCHEMA:
            return
        if found not in (*_OLDER, None):
            raise ReviewError(
                f"The store of reviews has tables of version {found}, this cvs-med knows version {SCHEMA}. "
                "Use the cvs-med that wrote them, or name another --store."
            )
        _migrate(connection, found)


def _version(connection: Connection) -> str | None:
    """Say of which version the tables are; None if there are none."""
    names = inspect(connection).get_table_names()
    if "alembic_version" in names:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    # The first version wrote its number into a table of its own.
    return _OLDER[0] if "cvs_med_schema" in names else None


def _migrate(connection: Connection, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "cvs_med.review:migrations")
    config.attributes["connection"] = connection
    if found is not None and "alembic_version" not in inspect(connection).get_table_names():
        command.stamp(config, found)
    command.upgrade(config, SCHEMA)


def digest(row: Mapping[str, object]) -> str:
    """Give the SHA-256 of a row with all its columns but `id` and `digest` itself."""
    left_out = {"id", "digest", *(name for name in _LATER if row.get(name) is None)}
    content = {name: value for name, value in row.items() if name not in left_out}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def last_digest(connection: Connection, table: Table) -> str:
    """Give the digest of the newest row; an empty string before the first."""
    newest = select(table.c.digest).order_by(table.c.id.desc()).limit(1)
    return connection.execute(newest).scalar_one_or_none() or ""


def first_fault(connection: Connection, table: Table) -> str | None:
    """Say which row was changed, or before which one a row is missing; None for a whole chain."""
    previous = ""
    for row in connection.execute(select(table).order_by(table.c.id)).mappings():
        if row["previous"] != previous:
            return f"{table.name}, row {row['id']}: the row before it is missing or was changed"
        if digest(dict(row)) != row["digest"]:
            return f"{table.name}, row {row['id']}: its content was changed"
        previous = row["digest"]
    return None
