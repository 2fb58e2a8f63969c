"""How the tables of the store came to be, a step each; run by Alembic through `tables.prepare`."""
