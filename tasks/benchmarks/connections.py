"""Where a statement gets its connection: a pool, the thread's own, or a new one each time.

All are of Django's backend, to the same server by the same role with the same settings.
"""

from __future__ import annotations

import random
from typing import Any, Final

from django.db import connection, connections
from psycopg_pool import ConnectionPool

from perf import NotHere, Pair, claim, pair, variant
from taskproject.db.context import tenant_context
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.models import LIVE, Task

_TITLE: Final = "SELECT title FROM task WHERE tenant_id = %s AND id = %s"


@pair(
    "tasks.connection",
    title="A connection for a statement",
    dataset=TASKS,
    page="connections",
    caveat=(
        "A thread's own connection saves 0.06 ms more, and stays taken while the thread idles. By"
        " a socket of the same machine a new one takes 6 ms; over a network, with TLS, more."
    ),
    sizes=(1_000,),
    large_sizes=(),
    tags=("connections",),
)
class Connection(Pair):
    """A request's one statement: a task's title by its key."""

    claims = (
        claim.queries("pooled", 1),
        claim.faster("pooled", than="fresh", by=5, at=1_000),
        claim.faster("pooled", than="pooled_with_ping", by=1.05, at=1_000),
    )

    def set_up(self) -> None:
        if not connection.settings_dict["OPTIONS"].get("pool"):
            raise NotHere("Django's connection has no pool here.")
        self._pinging = _another("benchmark_pinging", check=ConnectionPool.check_connection)
        self._unpooled = _another("benchmark_unpooled", check=None)

    def tear_down(self) -> None:
        for each in (self._pinging, self._unpooled):
            each.close()
            each.close_pool()
            del connections[each.alias]

    def arguments(self, rng: random.Random) -> tuple[SeededTenant, int]:
        tenant = self.data.draw(rng)
        with tenant_context(tenant.id):
            ids = Task.objects.filter(LIVE).order_by("id").values_list("id", flat=True)
            return tenant, rng.choice(ids)

    @variant(efficient=True)
    def pooled(self, tenant: SeededTenant, task_id: int) -> Any:
        """From a pool with bounds, whose check looks at the socket; given back afterwards."""
        try:
            return _title(connection, tenant, task_id)
        finally:
            connection.close()

    @variant()
    def pooled_with_ping(self, tenant: SeededTenant, task_id: int) -> Any:
        """From a pool whose check is a statement, as SQLAlchemy's pool_pre_ping."""
        try:
            return _title(self._pinging, tenant, task_id)
        finally:
            self._pinging.close()

    @variant()
    def kept_by_the_thread(self, tenant: SeededTenant, task_id: int) -> Any:
        """The limit: the thread's own, which it never gives back (CONN_MAX_AGE=None)."""
        return _title(connection, tenant, task_id)

    @variant()
    def fresh(self, tenant: SeededTenant, task_id: int) -> Any:
        """A new one each time, as Django does by itself (CONN_MAX_AGE=0)."""
        try:
            return _title(self._unpooled, tenant, task_id)
        finally:
            self._unpooled.close()


def _title(database: Any, tenant: SeededTenant, task_id: int) -> Any:
    with tenant_context(tenant.id), database.cursor() as cursor:
        cursor.execute(_TITLE, [tenant.id, task_id])
        return cursor.fetchone()[0]


def _another(alias: str, *, check: Any) -> Any:
    """Another connection to the same database: with a pool that checks so, or without a pool."""
    database: Any = connection.copy(alias)
    options = database.settings_dict["OPTIONS"]
    if check is None:
        del options["pool"]
    else:
        options["pool"] = {**options["pool"], "check": check}
    # What counts statements is put in here, for the block that it counts in.
    database.execute_wrappers = connection.execute_wrappers
    connections[alias] = database  # where Django looks for it when it connects
    return database
