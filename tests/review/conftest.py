"""What the tests of the review room share."""

from databases import database, new_database, postgres

__all__ = ["database", "new_database", "postgres"]
