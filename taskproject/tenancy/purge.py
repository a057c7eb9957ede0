"""Taking away for good what nobody needs any more, a batch at a time, in the active tenant.

Each batch is a transaction of its own: what was taken away stays away if the next one fails.
Tokens and events are the owner's to delete: call those inside `as_owner()`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import connection

from taskproject.db.context import require_tenant_id

# Rows come in the order of their ids, which is that of their making but for transactions at the
# same time: where the oldest ones are younger than wanted, nothing is left.
_OLDEST: Final = """
    DELETE FROM {table}
     WHERE tenant_id = %(tenant)s AND id = ANY (ARRAY(
           SELECT id FROM (SELECT id, created_at FROM {table}
                            WHERE tenant_id = %(tenant)s ORDER BY id LIMIT %(limit)s) AS oldest
            WHERE created_at < %(before)s))
"""
_KEYS: Final = _OLDEST.format(table="idempotency_key")
_EVENTS: Final = _OLDEST.format(table="event")
_TOKENS: Final = """
    DELETE FROM api_token
     WHERE tenant_id = %(tenant)s AND id = ANY (ARRAY(
           SELECT id FROM api_token
            WHERE tenant_id = %(tenant)s AND least(expires_at, revoked_at) < %(before)s
            ORDER BY id LIMIT %(limit)s))
"""


def keys_purge(*, before: datetime, limit: int) -> int:
    """Delete up to `limit` idempotency keys that are older; how many. One statement.

    index: idempotency_key_tpk
    """
    return _purge(_KEYS, before, limit)


def tokens_purge(*, before: datetime, limit: int) -> int:
    """Delete up to `limit` tokens that had expired or been revoked before; how many. One statement.
    Their events stay.

    index: api_token_tpk
    """
    return _purge(_TOKENS, before, limit)


def events_purge(*, before: datetime, limit: int) -> int:
    """Delete up to `limit` events that are older; how many. One statement. Whoever reads the feed
    from its beginning misses them.

    index: event_tpk
    """
    return _purge(_EVENTS, before, limit)


def _purge(statement: str, before: datetime, limit: int) -> int:
    values: dict[str, Any] = {"tenant": require_tenant_id(), "before": before, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)
