"""Statement timeouts for a stretch of code that is known to be slow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, transaction


@contextmanager
def statement_timeout(limit: timedelta | None) -> Iterator[None]:
    """Run the block in a transaction whose statements may each take `limit`; None means no limit.

    Also lifts the limit on idling inside the transaction, since a caller that asks for long
    statements also works between them. The role's own limits return at the end of the
    transaction. Cost: one statement besides BEGIN and COMMIT.
    """
    milliseconds = 0 if limit is None else int(limit.total_seconds() * 1000)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, true),"
            " set_config('idle_in_transaction_session_timeout', '0', true)",
            [str(milliseconds)],
        )
        yield
