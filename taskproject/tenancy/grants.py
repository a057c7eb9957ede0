"""What the app role may do with tables that have no tenant: the one place where that is said.

Tenant tables are granted by `IsolateTenant` in their migrations, together with their policy. A
table that stands neither there nor here is denied to the web. These tables are asked across
tenants, which is why each is on the list.
"""

from __future__ import annotations

from typing import Any, Final

from django.db import connections

SHARED_TABLES: Final[dict[str, tuple[str, str]]] = {
    "tenant": ("SELECT, INSERT, UPDATE", "found by slug; a DELETE would cascade past the policies"),
    "membership": ("SELECT, INSERT, UPDATE", "answers 'my tenants'; deactivated, never deleted"),
    "user_account": ("SELECT, INSERT, UPDATE", "a person belongs to several tenants"),
    "user_account_groups": ("SELECT, INSERT, DELETE", "Django's permissions of a user"),
    "user_account_user_permissions": ("SELECT, INSERT, DELETE", "Django's permissions of a user"),
    "auth_group": ("SELECT", "Django's permissions"),
    "auth_group_permissions": ("SELECT", "Django's permissions"),
    "auth_permission": ("SELECT", "Django's permissions"),
    "django_content_type": ("SELECT", "Django's registry of models"),
    "django_session": ("SELECT, INSERT, UPDATE, DELETE", "a login, before any tenant is chosen"),
    "django_admin_log": ("SELECT, INSERT", "Django's admin writes it; no tenant data goes in"),
    "perf_run": ("SELECT, INSERT, UPDATE", "runs of the lab, which tell nothing of a tenant"),
    "perf_load": ("SELECT, INSERT, UPDATE", "load tests, the same"),
    "perf_snapshot": ("SELECT, INSERT, DELETE", "PostgreSQL's own counters, of all tenants alike"),
    "perf_statement": ("SELECT, INSERT, UPDATE, DELETE", "texts of statements, without values"),
    "perf_look": ("SELECT, INSERT, UPDATE", "the newest look at those counters"),
    "perf_action": ("SELECT, INSERT", "who has cancelled what, which nobody may change"),
    "django_migrations": ("SELECT", "runserver and migrate --check read it"),
}


def grant_shared_tables(**kwargs: Any) -> None:
    """Give the app role its rights on the shared tables. Runs after each migrate, as the owner."""
    connection: Any = connections[kwargs["using"]]
    if not getattr(connection, "acts_as_owner", False):
        return
    quote = connection.ops.quote_name
    role = quote(connection.app_role)
    existing = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for table, (privileges, _) in SHARED_TABLES.items():
            if table in existing:
                cursor.execute(f"REVOKE ALL ON {quote(table)} FROM {role}")
                cursor.execute(f"GRANT {privileges} ON {quote(table)} TO {role}")
