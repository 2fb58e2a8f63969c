"""The tables of the store. Rows are only ever added; each names the digest of the row before it.

The chain makes tampering visible, and since two rows cannot name the same row before them, two readers who write at
once cannot split it: one of them is refused by the database and tries again behind the other.
"""

import hashlib
import json
from collections.abc import Mapping

from sqlalchemy import DDL, Column, Connection, Engine, Integer, MetaData, String, Table, event, select

from cvs_med.errors import ReviewError

SCHEMA = 1
"""Version of the tables; raise it with every change, and write how to get there from the one before."""

METADATA = MetaData()

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
    _text("mask_digest", 64, nullable=True),
)  # fmt: skip

MASKS = _chained(
    "masks", *_whose(), _text("started_from", 64), _text("content", 64), Column("height", Integer, nullable=False),
    Column("width", Integer, nullable=False), Column("pixels", Integer, nullable=False), _text("drawn_at", 40),
)  # fmt: skip


def _forbid_changes(table: Table) -> None:
    """Let SQLite and PostgreSQL themselves refuse to change or delete a row; elsewhere it is a matter of rights."""
    said = "reviews are never changed or deleted"
    for action in ("UPDATE", "DELETE"):
        trigger = f"CREATE TRIGGER {table.name}_no_{action.lower()} BEFORE {action} ON {table.name}"
        function = f"{table.name}_no_{action.lower()}()"
        _after_create(table, "sqlite", f"{trigger} BEGIN SELECT RAISE(ABORT, '{said}'); END")
        _after_create(
            table,
            "postgresql",
            f"CREATE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql "
            f"AS $$ BEGIN RAISE EXCEPTION '{said}'; END $$",
        )
        _after_create(table, "postgresql", f"{trigger} EXECUTE FUNCTION {function}")


def _after_create(table: Table, dialect: str, statement: str) -> None:
    ddl = DDL(statement)  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types
    event.listen(table, "after_create", ddl.execute_if(dialect=dialect))


for _table in (ANSWERS, MASKS):
    _forbid_changes(_table)


def prepare(engine: Engine) -> None:
    """Make the tables if they are not there.

    Raises:
        ReviewError: they are of another version.
    """
    with engine.begin() as connection:
        METADATA.create_all(connection)
        found = connection.execute(select(SCHEMA_TABLE.c.version)).scalars().all()
        if not found:
            connection.execute(SCHEMA_TABLE.insert().values(version=SCHEMA))
    if found and max(found) != SCHEMA:
        raise ReviewError(
            f"The store of reviews has tables of version {max(found)}, this cvs-med knows version {SCHEMA}. "
            "Use the cvs-med that wrote them, or name another --store."
        )


def digest(row: Mapping[str, object]) -> str:
    """Give the SHA-256 of a row with all its columns but `id` and `digest` itself."""
    content = {name: value for name, value in row.items() if name not in ("id", "digest")}
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
