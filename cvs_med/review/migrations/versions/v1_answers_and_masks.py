"""Answers and masks, chained, which the database refuses to change."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

_SAID = "reviews are never changed or deleted"


def upgrade() -> None:
    """Make the tables, and have SQLite and PostgreSQL themselves refuse to change or delete a row."""
    version = op.create_table("cvs_med_schema", sa.Column("version", sa.Integer, primary_key=True))
    op.bulk_insert(version, [{"version": 1}])
    _chained("answers", *_whose(), _text("derived", 255), _text("verdict", 16), _text("diagnosis", 255, nullable=True),
             _text("gradability", 16), _text("comment", 2000), _text("shown_at", 40), _text("answered_at", 40),
             _text("mask_digest", 64, nullable=True))  # fmt: skip
    _chained("masks", *_whose(), _text("started_from", 64), _text("content", 64),
             _number("height"), _number("width"), _number("pixels"),
             _text("drawn_at", 40))  # fmt: skip


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _number(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Integer, nullable=False)


def _whose() -> tuple[sa.Column[object], ...]:
    return _text("reader", 80), _text("run", 255), _text("run_digest", 16), _text("case_id", 255)


def _chained(name: str, *columns: sa.Column[object]) -> None:
    ends = [sa.Column(end, sa.String(64), nullable=False, unique=True) for end in ("token", "previous", "digest")]
    op.create_table(
        name, sa.Column("id", sa.Integer, primary_key=True, autoincrement=True), ends[0], *columns, *ends[1:]
    )
    op.create_index(f"ix_{name}_run_digest", name, ["run_digest"])
    for action in ("update", "delete"):
        trigger = f"CREATE TRIGGER {name}_no_{action} BEFORE {action.upper()} ON {name}"
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"{trigger} BEGIN SELECT RAISE(ABORT, '{_SAID}'); END")
        elif op.get_bind().dialect.name == "postgresql":
            body = f"LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{_SAID}'; END $$"
            op.execute(f"CREATE FUNCTION {name}_no_{action}() RETURNS trigger {body}")
            op.execute(f"{trigger} FOR EACH STATEMENT EXECUTE FUNCTION {name}_no_{action}()")
