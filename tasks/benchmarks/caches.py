"""What is kept of a tenant's rows in the process, in Redis, or nowhere.

The ways agree as long as nothing changes, and that is what is measured. After a change those that
hear of none are wrong, for their lifetime or for good: the sentences of the ways say which.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Final

from django.core.cache import cache

from perf import NotHere, Pair, claim, pair, variant
from taskproject import caching
from taskproject.db.context import tenant_context
from taskproject.recent import Recent
from taskproject.tenancy.models import Membership
from tasks.api.serializers import COUNT_LIMIT
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.selectors import TASK_SORTS, task_list, task_summary

LIFETIME_S: Final = 60
PAGE: Final = 50
_NEWEST_FIRST: Final = TASK_SORTS["-created"]
_SHOWN: Final = ("id", "title", "status", "priority", "created_at")


class CachePair(Pair):
    """A question that is asked again, of a tenant in which nothing has changed."""

    def set_up(self) -> None:
        if not hasattr(cache, "client"):
            raise NotHere("There is no Redis here.")


def _by_generation(tenant: SeededTenant, key: str, ask: Callable[[], Any]) -> Any:
    """What is kept of the tenant's rows under their generation, as the service does it."""
    reading = caching.read(key, subject=f"rows:{tenant.id}")
    found = reading.value
    if found is None:
        found = ask()
        caching.keep(reading, found, lifetime_s=LIFETIME_S)
    return found


@pair(
    "tasks.summary_kept",
    title="The summary of a user, asked for again",
    dataset=TASKS,
    page="caching",
    caveat=(
        "The summary takes 1 ms without any cache, since its counts are capped: a key pays only"
        " where it is asked for several times between two changes. In the process a hit costs a"
        " fortieth of that, for who may be wrong."
    ),
    tags=("caching",),
)
class SummaryKept(CachePair):
    """How many tasks are in each status, overdue, and the user's own."""

    claims = (
        claim.queries("redis_by_generation", 0),
        claim.queries("database", 1),
        claim.faster("redis_by_generation", than="database", by=2, at=10_000),
    )

    def set_up(self) -> None:
        super().set_up()
        self._recent: Recent[Any] = Recent(max_bytes=8 * 1024 * 1024, lifetime_s=LIFETIME_S)
        self._remembered = lru_cache(maxsize=128)(_summary)

    def arguments(self, rng: random.Random) -> tuple[SeededTenant, int]:
        tenant = self.data.draw(rng)
        members = Membership.objects.filter(tenant_id=tenant.id, active=True).order_by("id")
        return tenant, rng.choice(members.values_list("user_id", flat=True))

    @variant(efficient=True)
    def redis_by_generation(self, tenant: SeededTenant, user_id: int) -> Any:
        """Redis, under the generation of the tenant's rows: any change of them ends it."""
        return _by_generation(tenant, f"summary:{user_id}", lambda: _summary(tenant.id, user_id))

    @variant()
    def database(self, tenant: SeededTenant, user_id: int) -> Any:
        """The database is asked each time."""
        return _summary(tenant.id, user_id)

    @variant()
    def bounded_in_process(self, tenant: SeededTenant, user_id: int) -> Any:
        """In the process, bounded in bytes and for 60 s: it hears of no change meanwhile."""
        key = f"{tenant.id}:{user_id}"
        found = self._recent.get(key)
        if found is None:
            found = _summary(tenant.id, user_id)
            self._recent.put(key, found, size_bytes=500)
        return found

    @variant()
    def lru_cache(self, tenant: SeededTenant, user_id: int) -> Any:
        """functools.lru_cache: wrong from the first change on, until the process ends."""
        return self._remembered(tenant.id, user_id)


def _summary(tenant_id: int, user_id: int) -> Any:
    with tenant_context(tenant_id):
        found = asdict(task_summary(user_id=user_id, limit=COUNT_LIMIT))
    return {**found, "by_status": {str(int(k)): n for k, n in found["by_status"].items()}}


@pair(
    "tasks.list_kept",
    title="The newest tasks, asked for again",
    dataset=TASKS,
    page="caching",
    caveat=(
        "With some fifty tasks in all the whole list is the page. With many thousands it takes"
        " longer to read it from Redis than to ask PostgreSQL for the page."
    ),
    large_sizes=(),
    tags=("caching",),
)
class ListKept(CachePair):
    """Fifty of them, with five columns."""

    claims = (
        claim.queries("page_by_generation", 0),
        claim.queries("database", 1),
        claim.faster("page_by_generation", than="database", by=2, at=10_000),
        claim.faster("page_by_generation", than="whole_list_for_five_minutes", by=5, at=100_000),
    )

    def arguments(self, rng: random.Random) -> tuple[SeededTenant]:
        return (self.data.draw(rng),)

    @variant(efficient=True)
    def page_by_generation(self, tenant: SeededTenant) -> Any:
        """Redis has the page, under the generation of the tenant's rows: any change ends it."""
        return _by_generation(tenant, "newest", lambda: _newest(tenant, PAGE))

    @variant()
    def database(self, tenant: SeededTenant) -> Any:
        """The database is asked for the page each time."""
        return _newest(tenant, PAGE)

    @variant()
    def whole_list_for_five_minutes(self, tenant: SeededTenant) -> Any:
        """Redis has all tasks as one JSON, as SETEX put it there: stale for up to five minutes."""
        key = f"user_tasks:{tenant.id}"
        found = cache.get(key)
        if found is None:
            found = json.dumps(_newest(tenant, None))
            cache.set(key, found, 300)
        return json.loads(found)[:PAGE]


def _newest(tenant: SeededTenant, limit: int | None) -> list[Any]:
    with tenant_context(tenant.id):
        rows = task_list().order_by("-created_at", "-id").values_list(*_SHOWN)[:limit]
        return [[*row[:-1], row[-1].isoformat()] for row in rows]
