"""What indexes cost those who write: the same rows into tables with few, many and no indexes."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection

from perf import claim, pair, variant
from taskproject.db.context import tenant_context
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.benchmarks.material import array_text
from tasks.benchmarks.tenants import rows_of
from tasks.benchmarks.traces import WritingPair

ROWS: Final = 1_000
_COLUMNS: Final = {
    "id": "bigint",
    "tenant_id": "bigint",
    "project_id": "bigint",
    "status": "smallint",
    "priority": "smallint",
    "title": "text",
    "due_at": "timestamptz",
    "created_at": "timestamptz",
}
_NAMED, _EACH, _NONE = "twin_index_named", "twin_index_each", "twin_index_none"
_NAMES: Final = ", ".join(_COLUMNS)
_ARRAYS: Final = ", ".join(f"%s::{kind}[]" for kind in _COLUMNS.values())
_INSERT: Final = "INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})"
_INSERTED: Final = "SELECT {names} FROM {table} WHERE tenant_id = %s AND id >= %s ORDER BY id"
_LAST_ID: Final = "SELECT coalesce(max(id), 0) FROM {table} WHERE tenant_id = %s"
_NOW: Final = datetime(2030, 1, 1, tzinfo=UTC)  # later than all rows
_WORDS: Final = ("letter", "invoice", "offer", "kettle", "window", "report", "answer", "plan")


@pair(
    "tasks.index_write_cost",
    title="Writing 1,000 rows under indexes",
    dataset=TASKS,
    page="write-cost",
    caveat=(
        "Without any index a write takes half as long or less: in a table that is written and never"
        " asked, none pays. Size changes little, from 1,000 rows to 1,000,000."
    ),
    tags=("indexes", "writes"),
    writes=True,
)
class IndexWriteCost(WritingPair):
    """All three tables have the same rows and policies."""

    claims = (
        claim.blocks("indexes_that_queries_name", at_most=12_000),
        claim.faster("indexes_that_queries_name", than="an_index_a_column", by=1.15, at=10_000),
        claim.faster("indexes_that_queries_name", than="an_index_a_column", by=1.15, at=100_000),
    )
    tables = (_NAMED, _EACH, _NONE)
    _last: tuple[str, SeededTenant]

    def set_up(self) -> None:
        # Beyond all ids that there are, so that all ways write the same rows.
        self._first_id = 1 + max(_last_id(tenant) for tenant in self.data.tenants)

    def arguments(self, rng: random.Random) -> tuple[SeededTenant, list[str]]:
        tenant = self.data.draw(rng)
        rows = [
            (
                self._first_id + n,
                tenant.id,
                rng.randrange(1, 1_000),
                rng.randrange(5),
                rng.randrange(4),
                f"{' '.join(rng.choices(_WORDS, k=5))} {rng.randrange(10_000)}",
                _NOW + timedelta(hours=rng.randrange(2_000)) if n % 2 else None,
                _NOW + timedelta(microseconds=n),
            )
            for n in range(ROWS)
        ]
        return tenant, [array_text(column) for column in zip(*rows, strict=True)]

    @variant(efficient=True)
    def indexes_that_queries_name(self, tenant: SeededTenant, columns: list[str]) -> None:
        """The primary key and two composite indexes, which the lists are read by."""
        self._insert(_NAMED, tenant, columns)

    @variant()
    def an_index_a_column(self, tenant: SeededTenant, columns: list[str]) -> None:
        """The primary key and an index on each of seven columns."""
        self._insert(_EACH, tenant, columns)

    @variant()
    def no_index(self, tenant: SeededTenant, columns: list[str]) -> None:
        """The limit: no index and no key, so that each query reads the whole table."""
        self._insert(_NONE, tenant, columns)

    def state(self) -> Any:
        table, tenant = self._last
        return rows_of(tenant, _on(table, _INSERTED), [tenant.id, self._first_id])

    def _insert(self, table: str, tenant: SeededTenant, columns: list[str]) -> None:
        self._last = table, tenant
        with tenant_context(tenant.id), connection.cursor() as cursor:
            cursor.execute(_on(table, _INSERT), columns)


def _last_id(tenant: SeededTenant) -> int:
    return int(rows_of(tenant, _on(_NAMED, _LAST_ID), [tenant.id])[0][0])


def _on(table: str, statement: str) -> str:
    return statement.format(table=table, names=_NAMES, arrays=_ARRAYS)
