"""The migration operation that puts a table behind row-level security."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.db.migrations.operations.base import Operation, OperationCategory

TENANT_SETTING: Final = "app.tenant_id"
POLICY: Final = "tenant_isolation"
# Bare, not in a sub-select: the planner must see the value beside the manager's own filter.
# NULLIF, because a setting that was reset is an empty string and not NULL.
CONDITION: Final = f"tenant_id = NULLIF(current_setting('{TENANT_SETTING}', true), '')::bigint"


class IsolateTenant(Operation):
    """Enable and force row-level security on a model's table, and grant it to the app role.

    The grant stands here and nowhere else, so that a table whose migration forgets this operation
    is denied to the web, not leaked. `privileges` never includes TRUNCATE, REFERENCES or TRIGGER,
    which row-level security does not filter.
    """

    reversible = True
    category = OperationCategory.SQL
    allowed: ClassVar[frozenset[str]] = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})

    def __init__(
        self,
        model_name: str,
        privileges: tuple[str, ...] = ("SELECT", "INSERT", "UPDATE", "DELETE"),
    ) -> None:
        if unknown := set(privileges) - self.allowed:
            raise ValueError(f"Row-level security does not filter {', '.join(sorted(unknown))}.")
        self.model_name = model_name
        self.privileges = tuple(privileges)

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The models stay as they are."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        table, role = self._names(app_label, schema_editor, to_state)
        for sql in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY {POLICY} ON {table} FOR ALL TO {role}"
            f" USING ({CONDITION}) WITH CHECK ({CONDITION})",
            f"GRANT {', '.join(self.privileges)} ON {table} TO {role}",
        ):
            schema_editor.execute(sql)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        table, role = self._names(app_label, schema_editor, from_state)
        for sql in (
            f"REVOKE ALL ON {table} FROM {role}",
            f"DROP POLICY {POLICY} ON {table}",
            f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        ):
            schema_editor.execute(sql)

    def describe(self) -> str:
        return f"Isolate the tenants of {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"isolate_{self.model_name.lower()}"

    def _names(self, app_label: str, schema_editor: Any, state: Any) -> tuple[str, str]:
        model = state.apps.get_model(app_label, self.model_name)
        quote = schema_editor.quote_name
        return quote(model._meta.db_table), quote(schema_editor.connection.app_role)
