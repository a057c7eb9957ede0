"""What must be true of a session before tenants may share it. Asked once per process."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

_ROLE = """
    SELECT current_user, pg_backend_pid(), bool_or(rolsuper OR rolbypassrls),
           bool_or(EXISTS (
               SELECT FROM pg_class WHERE relowner = r.oid AND relkind IN ('r', 'p', 'v', 'm')
           ))
      FROM pg_roles AS r WHERE pg_has_role(current_user, r.oid, 'MEMBER')
"""


def verify_session(connection: Any, *, by_transaction: bool) -> None:
    """Refuse a role that row-level security does not bind, and a pooler in session binding.

    One round trip. Raises `ImproperlyConfigured`, with the way out, if the role, or one that it may
    become by SET ROLE, is a superuser, has BYPASSRLS or owns a relation, or if the server process
    is not the one that libpq was told of, which is how a pooler shows itself (PgBouncer invents
    the number).
    """
    role, backend_pid, bypasses, owns = connection.execute(_ROLE).fetchone()
    if bypasses:
        raise ImproperlyConfigured(
            f"Role {role!r} bypasses row-level security: tenants would not be kept apart. Connect "
            "as the app role that `manage.py create_roles` makes."
        )
    if owns:
        raise ImproperlyConfigured(
            f"Role {role!r} owns tables, so it could drop their policies. Connect as the app role, "
            "and give the owner's URL as DATABASE_OWNER_URL."
        )
    if not by_transaction and backend_pid != connection.info.backend_pid:
        raise ImproperlyConfigured(
            "A connection pooler stands between this process and PostgreSQL. It could hand a "
            "session with one tenant's setting to another: set TENANT_BINDING=transaction."
        )
