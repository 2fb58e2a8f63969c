"""Each answer names the photograph's and the network's file, each mask the mask before it, by SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """Add columns, empty in older rows; have an older cvs-med refuse the store; refuse TRUNCATE and REPLACE as well."""
    for table, column in (("answers", "image_digest"), ("answers", "model_digest"), ("masks", "before_digest")):
        op.add_column(table, sa.Column(column, sa.String(64), nullable=True))
    op.execute("UPDATE cvs_med_schema SET version = 2")
    dialect = op.get_bind().dialect.name
    for table in ("answers", "masks"):
        if dialect == "sqlite":  # INSERT OR REPLACE takes a row out without asking the trigger on DELETE
            same = " OR ".join(f"{column} = NEW.{column}" for column in ("id", "token", "previous", "digest"))
            op.execute(f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
                       f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
                       "BEGIN SELECT RAISE(ABORT, 'reviews are never changed or deleted'); END")  # fmt: skip
        elif dialect == "postgresql":
            op.execute(f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT "
                       f"EXECUTE FUNCTION {table}_no_delete()")  # fmt: skip
