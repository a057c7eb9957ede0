"""Kinds of keys: a bigint, a UUID that is random (version 4), one that begins with the time (7).

The tables have the same rows, and a primary key of the tenant and that key. PostgreSQL 18 can make
a UUID of version 7 itself (uuidv7()); here Python makes all keys beforehand, for older ones too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from perf import Pair, claim, pair, variant
from taskproject.db.context import tenant_context
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.benchmarks.material import array_text
from tasks.benchmarks.tenants import rows_of
from tasks.benchmarks.traces import WritingPair

ROWS: Final = 1_000
LOOKED_UP: Final = 100
_BIGINT, _UUID4, _UUID7 = "twin_key_bigint", "twin_key_uuid4", "twin_key_uuid7"
_TYPES: Final = {_BIGINT: "bigint", _UUID4: "uuid", _UUID7: "uuid"}
_INSERT: Final = (
    "INSERT INTO {table} (id, tenant_id, key, created_at) SELECT new.id, %s, new.key, new.at"
    " FROM unnest(%s::bigint[], %s::{type}[], %s::timestamptz[]) AS new (id, key, at)"
)
_INSERTED: Final = (
    "SELECT id, created_at FROM {table} WHERE tenant_id = %s AND id >= %s ORDER BY id"
)
_BY_KEYS: Final = "SELECT id FROM {table} WHERE tenant_id = %s AND key = ANY(%s::{type}[])"
_KEYS: Final = "SELECT id, key FROM {table} WHERE tenant_id = %s ORDER BY id"
_LAST_ID: Final = "SELECT coalesce(max(key), 0) FROM {table} WHERE tenant_id = %s"
_NOW: Final = datetime(2030, 1, 1, tzinfo=UTC)  # later than all rows


def uuid7(milliseconds: int, rng: random.Random) -> UUID:
    """A UUID of version 7 (RFC 9562 section 5.7): 48 bits of time, and 74 that are random."""
    value = milliseconds << 80 | 0x7 << 76 | rng.getrandbits(12) << 64
    return UUID(int=value | 0b10 << 62 | rng.getrandbits(62))


def uuid4(rng: random.Random) -> UUID:
    """A UUID of version 4 (RFC 9562 section 5.4): 122 random bits."""
    return UUID(int=rng.getrandbits(128), version=4)


@dataclass(frozen=True, slots=True)
class NewRows:
    """Rows to be made in a tenant, as arrays, with a key of each kind."""

    tenant: SeededTenant
    ids: str
    times: str
    keys: dict[str, str]


@pair(
    "tasks.key_insert",
    title="Writing 1,000 rows under keys of three kinds",
    dataset=TASKS,
    page="keys",
    caveat=(
        "Version 7 takes a quarter longer, half of what version 4 does at 100,000 rows: where ids"
        " are made by the client, or by many databases, it is a small price."
    ),
    tags=("keys", "writes"),
    writes=True,
)
class KeyInsert(WritingPair):
    """By ids beyond all others, at a time later than all others.

    The primary key of 100,000 rows takes 3.0 MB with a bigint and 3.8 MB with either UUID; of
    1,000,000 it takes 29.5 and 38.0 MB, when it has just been built.
    """

    claims = (
        claim.queries("bigint", 1),
        claim.faster("bigint", than="uuid_v4", by=1.1, at=100_000),
    )
    tables = tuple(_TYPES)
    _last: tuple[str, NewRows]

    def set_up(self) -> None:
        self._first_id = 1 + max(_last_id(tenant) for tenant in self.data.tenants)

    def arguments(self, rng: random.Random) -> tuple[NewRows]:
        ids = list(range(self._first_id, self._first_id + ROWS))
        times = [_NOW + timedelta(milliseconds=n) for n in range(ROWS)]
        keys: dict[str, list[Any]] = {
            _BIGINT: ids,
            _UUID4: [uuid4(rng) for _ in ids],
            _UUID7: [uuid7(int(each.timestamp() * 1000), rng) for each in times],
        }
        texts = {table: array_text(found) for table, found in keys.items()}
        return (NewRows(self.data.draw(rng), array_text(ids), array_text(times), texts),)

    @variant(efficient=True)
    def bigint(self, new: NewRows) -> None:
        """8 bytes, one after the other."""
        self._insert(_BIGINT, new)

    @variant()
    def uuid_v7(self, new: NewRows) -> None:
        """16 bytes, in the order of time."""
        self._insert(_UUID7, new)

    @variant()
    def uuid_v4(self, new: NewRows) -> None:
        """16 bytes, anywhere in the tenant's part of the index."""
        self._insert(_UUID4, new)

    def state(self) -> Any:
        table, new = self._last
        return rows_of(new.tenant, _on(table, _INSERTED), [new.tenant.id, self._first_id])

    def _insert(self, table: str, new: NewRows) -> None:
        self._last = table, new
        values: list[int | str] = [new.tenant.id, new.ids, new.keys[table], new.times]
        with tenant_context(new.tenant.id), connection.cursor() as cursor:
            cursor.execute(_on(table, _INSERT), values)


@pair(
    "tasks.key_lookup",
    title="100 rows by keys of three kinds",
    dataset=TASKS,
    page="keys",
    caveat=(
        "All of it is in memory here, and the kinds differ by a quarter, 0.1 ms. An index that is"
        " larger than memory is where random keys hurt, and that is not measured."
    ),
    tags=("keys",),
)
class KeyLookup(Pair):
    """Any rows of a tenant, or all if it has fewer."""

    claims = (
        claim.queries("bigint", 1),
        claim.uses_index("bigint", "twin_key_bigint_pkey", from_size=10_000),
        claim.uses_index("uuid_v4", "twin_key_uuid4_pkey", from_size=10_000),
        claim.uses_index("uuid_v7", "twin_key_uuid7_pkey", from_size=10_000),
    )

    def arguments(self, rng: random.Random) -> tuple[SeededTenant, dict[str, str]]:
        tenant = self.data.draw(rng)
        keys = {table: _keys(table, tenant) for table in _TYPES}
        wanted = rng.sample(list(keys[_BIGINT]), min(LOOKED_UP, len(keys[_BIGINT])))
        return tenant, {
            table: array_text(found[pk] for pk in wanted) for table, found in keys.items()
        }

    @variant(efficient=True)
    def bigint(self, tenant: SeededTenant, keys: dict[str, str]) -> list[Any]:
        """8 bytes, one after the other."""
        return _found(_BIGINT, tenant, keys)

    @variant()
    def uuid_v7(self, tenant: SeededTenant, keys: dict[str, str]) -> list[Any]:
        """16 bytes, in the order of time."""
        return _found(_UUID7, tenant, keys)

    @variant()
    def uuid_v4(self, tenant: SeededTenant, keys: dict[str, str]) -> list[Any]:
        """16 bytes, in no order."""
        return _found(_UUID4, tenant, keys)

    def canonical(self, result: Any) -> Any:
        return sorted(result)


def _found(table: str, tenant: SeededTenant, keys: dict[str, str]) -> list[Any]:
    return [pk for (pk,) in rows_of(tenant, _on(table, _BY_KEYS), [tenant.id, keys[table]])]


def _keys(table: str, tenant: SeededTenant) -> dict[int, Any]:
    return {row[0]: row[1] for row in rows_of(tenant, _on(table, _KEYS), [tenant.id])}


def _last_id(tenant: SeededTenant) -> int:
    return int(rows_of(tenant, _on(_BIGINT, _LAST_ID), [tenant.id])[0][0])


def _on(table: str, statement: str) -> str:
    return statement.format(table=table, type=_TYPES[table])
