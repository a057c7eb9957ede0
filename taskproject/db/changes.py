"""Which tenants a transaction has changed rows of, told once it has committed.

Every statement of Django's cursors, and of the prepared ones, passes through here, whoever sends
it: a service, a batch, the admin, an import.
So what is kept of a tenant's rows can be made wrong in one place, and nobody can forget to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from django.dispatch import Signal

from taskproject.db.context import current_tenant_id

# Sent with `tenant_id` after the commit, by the thread that committed.
tenant_changed: Final = Signal()

# Rows of these are never shown by what is kept: who asks, how often, and what was asked before.
_UNSEEN: Final = frozenset({"api_token", "idempotency_key"})
# A statement reads if it begins with one of these words, has nothing behind it, and none of those
# that write in it. Any other may have changed something.
_READING: Final = re.compile(
    r"\s*(?:SELECT|WITH|SET|SHOW|SAVEPOINT|RELEASE|ROLLBACK|FETCH|CLOSE|LOCK)\b", re.IGNORECASE
)
# These words are part of a SELECT that locks, or of an INSERT.
_NO_WRITING: Final = re.compile(
    r"\b(?:FOR\s+(?:NO\s+KEY\s+)?UPDATE|DO\s+(?:NOTHING|UPDATE))\b", re.IGNORECASE
)
_WRITING: Final = re.compile(
    r"\b(?:INSERT|UPDATE|DELETE|MERGE|TRUNCATE|COPY|EXECUTE|CALL|DO)\b|;", re.IGNORECASE
)
_TABLE: Final = re.compile(r"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+\"?(\w+)", re.IGNORECASE)
_REMEMBERED_CHARACTERS: Final = 10_000


def watch(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Run a statement, and note the active tenant if it changes rows. An execute wrapper."""
    found = execute(sql, params, many, context)
    tenant_id = current_tenant_id()
    # What is composed by psycopg has no text yet: it may change anything.
    if tenant_id is not None and (not isinstance(sql, str) or _may_change(sql)):
        _note(context["connection"], tenant_id)
    return found


@dataclass(frozen=True, slots=True)
class _Tell:
    tenant_id: int

    def __call__(self) -> None:
        tenant_changed.send_robust(sender=None, tenant_id=self.tenant_id)


def _note(connection: Any, tenant_id: int) -> None:
    tell = _Tell(tenant_id)
    if connection.in_atomic_block:
        savepoints, hooks = set(connection.savepoint_ids), connection.run_on_commit
        # It is forgotten only with a savepoint that this change is rolled back with, too.
        if not (hooks and hooks[-1][1] == tell and hooks[-1][0] <= savepoints):
            hooks.append((savepoints, tell, True))
    elif connection.get_autocommit():
        tell()
    else:
        connection.changed_by_hand.add(tell)


def tell_first(connection: Any) -> None:
    """Tell what a transaction has changed before other hooks of its commit run: Django drops those
    behind one that fails."""
    ours = [hook for hook in connection.run_on_commit if isinstance(hook[1], _Tell)]
    if ours:
        rest = [hook for hook in connection.run_on_commit if not isinstance(hook[1], _Tell)]
        connection.run_on_commit = rest
        for tell in dict.fromkeys(hook[1] for hook in ours):
            tell()


def tell_by_hand(connection: Any) -> None:
    """Tell of what a transaction has changed that was begun without Django's `atomic`, and is
    committed now."""
    while connection.changed_by_hand:
        connection.changed_by_hand.pop()()


def _may_change(sql: str) -> bool:
    judge = _judged if len(sql) <= _REMEMBERED_CHARACTERS else _judged.__wrapped__
    return judge(sql)


@lru_cache(maxsize=1_000)
def _judged(sql: str) -> bool:
    """Whether a statement may change rows that are shown."""
    text = _NO_WRITING.sub("", sql)
    written = _WRITING.findall(text)
    if _READING.match(text) and not written:
        return False
    tables = _TABLE.findall(text)
    return len(tables) != len(written) or not _UNSEEN.issuperset(tables)
