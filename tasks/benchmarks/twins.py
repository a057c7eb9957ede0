"""Tables with the tasks of the service and other indexes, to set one index beside another.

Two tables side by side, and not one whose indexes come and go, so that rounds can take turns. Each
is under row-level security as the service's own are, unless it says otherwise.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from taskproject.db.isolation import CONDITION, POLICY, TENANT_SETTING

_COLUMNS: Final = (
    "id, tenant_id, project_id, parent_id, status, priority, title, due_at, created_at"
)
_ROWS: Final = f"SELECT {_COLUMNS} FROM task WHERE deleted_at IS NULL"
_WRITTEN: Final = (
    "SELECT id, tenant_id, project_id, status, priority, title, due_at, created_at"
    " FROM task WHERE deleted_at IS NULL"
)
_NAMED: Final = ("(tenant_id, created_at, id)", "(tenant_id, status, created_at, id)")
_EACH: Final = ("tenant_id", "project_id", "status", "priority", "title", "due_at", "created_at")
_BY_SUBSELECT: Final = (
    f"tenant_id = (SELECT NULLIF(current_setting('{TENANT_SETTING}', true), '')::bigint)"
)
# Laid out by RFC 9562, and equal in each database of a size: what is random comes from a digest.
_DIGEST: Final = "md5(id::text)"
_UUID4: Final = (
    f"(substr({_DIGEST}, 1, 12) || '4' || substr({_DIGEST}, 13, 3)"
    f" || '8' || substr({_DIGEST}, 16, 15))::uuid"
)
_UUID7: Final = (
    "(lpad(to_hex((extract(epoch FROM created_at) * 1000)::bigint), 12, '0')"
    f" || '7' || substr({_DIGEST}, 1, 3) || '8' || substr({_DIGEST}, 4, 15))::uuid"
)


def _keyed(key: str) -> str:
    return f"SELECT id, tenant_id, {key} AS key, created_at FROM task WHERE deleted_at IS NULL"


@dataclass(frozen=True, slots=True)
class Twin:
    """A table of the same rows. `indexes` follow CREATE INDEX ON it, `key` is its primary key."""

    table: str
    indexes: tuple[str, ...] = ()
    key: str = "tenant_id, id"
    rows: str = _ROWS
    is_isolated: bool = True
    condition: str = CONDITION  # of its policy
    order: str = "created_at, id"  # as rows lie where all tenants write, each now and then

    def statements(self, role: str) -> list[str]:
        """What makes it, as the owner."""
        name = self.table
        made = [f"CREATE TABLE {name} AS {self.rows} ORDER BY {self.order}"]
        made += [f"ALTER TABLE {name} ADD PRIMARY KEY ({self.key})"] if self.key else []
        made += [f"CREATE INDEX {name}_{n} ON {name} {each}" for n, each in enumerate(self.indexes)]
        made += [f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {role}"]
        if self.is_isolated:
            made += [
                f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
                f"CREATE POLICY {POLICY} ON {name} TO {role}"
                f" USING ({self.condition}) WITH CHECK ({self.condition})",
            ]
        return made


TWINS: Final = (
    Twin("twin_tenant", ("(tenant_id, created_at, id)", "(tenant_id, status, created_at, id)")),
    Twin("twin_single", ("(tenant_id)", "(status)", "(created_at)"), key="id"),
    Twin("twin_bare", key="id"),
    Twin("twin_status", ("(status, created_at, id)",)),
    Twin("twin_partial", ("(tenant_id, due_at, id) WHERE status < 3 AND due_at IS NOT NULL",)),
    Twin("twin_full", ("(tenant_id, due_at, id)",)),
    Twin("twin_full_status", ("(tenant_id, status, due_at, id)",)),
    Twin("twin_covering", ("(tenant_id, status, created_at, id) INCLUDE (title, priority)",)),
    # Without row-level security, which would add the tenant where a statement has forgotten it.
    Twin(
        "twin_open",
        ("(tenant_id, created_at, id)", "(tenant_id, status, created_at, id)", "(status)"),
        is_isolated=False,
    ),
    Twin("twin_keyed", ("(tenant_id, created_at, id)",), key="id", is_isolated=False),
    # What a policy costs, and one that is written as it is often advised.
    Twin("twin_walled", _NAMED, rows=_WRITTEN),
    Twin("twin_unwalled", _NAMED, rows=_WRITTEN, is_isolated=False),
    Twin("twin_subselect", _NAMED, rows=_WRITTEN, condition=_BY_SUBSELECT),
    # What indexes cost those who write.
    Twin("twin_index_named", _NAMED, rows=_WRITTEN),
    Twin("twin_index_each", tuple(f"({each})" for each in _EACH), key="id", rows=_WRITTEN),
    Twin("twin_index_none", key="", rows=_WRITTEN),
    # Kinds of keys: each row has the id of its task beside its key.
    Twin("twin_key_bigint", key="tenant_id, key", rows=_keyed("id")),
    Twin("twin_key_uuid4", key="tenant_id, key", rows=_keyed(_UUID4)),
    Twin("twin_key_uuid7", key="tenant_id, key", rows=_keyed(_UUID7)),
)


def twins_digest() -> str:
    """A text that changes with what the twins are."""
    return hashlib.blake2b(repr(TWINS).encode(), digest_size=4).hexdigest()


def make_twins() -> None:
    """Make all twins in the database that the connection is on, as the owner."""
    database: Any = connection
    role = database.ops.quote_name(database.app_role)
    with connection.cursor() as cursor:
        for twin in TWINS:
            for statement in twin.statements(role):
                cursor.execute(statement)
