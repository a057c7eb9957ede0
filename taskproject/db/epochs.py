"""Which life of which database cluster this is: transaction ids mean something in one of them only.

A dump that is restored elsewhere, a recovery to a point in time and a failover each begin a life in
which transactions are counted on from another number, or counted a second time.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

from taskproject.db.fields import SnapshotHorizon

_ASKED = "SELECT system_identifier, timeline_id FROM pg_control_system(), pg_control_checkpoint()"
_HORIZON = f"SELECT {SnapshotHorizon.template}::text::bigint"


def cluster_epoch() -> str:
    """The cluster's own identifier and its timeline, as text. One statement for each new connection
    to the server: it can't change while one is open."""
    connection.ensure_connection()
    session: Any = connection.connection
    known: str | None = getattr(session, "cluster_epoch", None)
    if known is None:
        with connection.cursor() as cursor:
            cursor.execute(_ASKED)
            known = "-".join(str(each) for each in cursor.fetchone())
        session.cluster_epoch = known
    return known


def snapshot_horizon() -> int:
    """The lowest transaction id that may still be running. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_HORIZON)
        return int(cursor.fetchone()[0])
