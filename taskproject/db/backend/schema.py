"""Schema changes: tenant keys are put in an order that PostgreSQL accepts."""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import schema

from taskproject.db.keys import rank


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    """Runs deferred statements by rank: primary keys, what Django deferred, tenant references."""

    # Django writes SET CONSTRAINTS into these two, which PostgreSQL refuses for a constraint that
    # is not deferrable.
    sql_create_column_inline_fk = (
        "CONSTRAINT %(name)s REFERENCES %(to_table)s(%(to_column)s)%(on_delete_db)s%(deferrable)s"
    )
    sql_delete_fk = "ALTER TABLE %(table)s DROP CONSTRAINT %(name)s"

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        # A tenant key has put its statements here itself, and Django has noted an empty result.
        self.deferred_sql = sorted(filter(None, self.deferred_sql), key=rank)
        super().__exit__(exc_type, exc_value, traceback)
