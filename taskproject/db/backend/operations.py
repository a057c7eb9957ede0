"""SQL fragments that differ from Django's for PostgreSQL."""

from __future__ import annotations

from django.db.backends.postgresql import operations


class DatabaseOperations(operations.DatabaseOperations):
    """Foreign keys are not deferrable.

    A violation then belongs to the statement that made it, not to a later COMMIT, and Citus, which
    takes no deferrable keys on distributed tables, can hold the same schema.
    """

    def deferrable_sql(self) -> str:
        return ""
