"""Which tenants a transaction has changed rows of, told once it has committed.

Every statement passes through here, whoever sends it: a service, a batch, the admin, an import.
So what is kept of a tenant's rows can be made wrong in one place, and nobody can forget to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from django.db import transaction
from django.dispatch import Signal

from taskproject.db.context import current_tenant_id

# Sent with `tenant_id` after the commit, by the thread that committed.
tenant_changed: Final = Signal()

# Rows of these are never shown by what is kept: who asks, how often, and what was asked before.
_UNSEEN: Final = frozenset({"api_token", "idempotency_key"})
_TABLE: Final = re.compile(
    r"\s*(?:WITH\b.*?\b)?(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|COPY)\s+\"?(\w+)",
    re.IGNORECASE | re.DOTALL,
)
_REMEMBERED_CHARACTERS: Final = 10_000


def watch(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Run a statement, and note the active tenant if it changes rows. An execute wrapper."""
    found = execute(sql, params, many, context)
    if not (isinstance(sql, str) and sql.startswith("SELECT")):
        tenant_id = current_tenant_id()
        # What is composed by psycopg has no text yet: it may change anything.
        if tenant_id is not None and (not isinstance(sql, str) or _changes(sql)):
            _note(context["connection"], tenant_id)
    return found


@dataclass(frozen=True, slots=True)
class _Tell:
    tenant_id: int

    def __call__(self) -> None:
        tenant_changed.send(sender=None, tenant_id=self.tenant_id)


def _note(connection: Any, tenant_id: int) -> None:
    tell = _Tell(tenant_id)
    if connection.in_atomic_block and connection.run_on_commit:
        savepoints, last, _ = connection.run_on_commit[-1]
        # It is forgotten only with a savepoint that this change is rolled back with, too.
        if last == tell and savepoints <= set(connection.savepoint_ids):
            return
    if connection.in_atomic_block or connection.get_autocommit():
        transaction.on_commit(tell, using=connection.alias)
    else:
        tell()  # the transaction is ended by hand: before it is better than never


def _changes(sql: str) -> bool:
    changed = _changed_table if len(sql) <= _REMEMBERED_CHARACTERS else _changed_table.__wrapped__
    table = changed(sql)
    return table is not None and table not in _UNSEEN


@lru_cache(maxsize=1_000)
def _changed_table(sql: str) -> str | None:
    """The first table that a statement changes rows of; None if it changes none."""
    found = _TABLE.match(sql)
    return found[1] if found else None
