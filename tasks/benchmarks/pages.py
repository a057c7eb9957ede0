"""Pages of a list: by the key of the last row, by OFFSET, and by DRF's cursor."""

from __future__ import annotations

import random
from base64 import b64encode
from typing import Any, Final
from urllib.parse import urlencode

from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from perf import Pair, claim, pair, variant
from taskproject.db.context import tenant_context
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.models import Task
from tasks.selectors import TASK_SORTS, task_list

NEWEST_FIRST: Final = TASK_SORTS["-created"]
PAGE: Final = 50
BLOCKS: Final = 75  # at worst one for each row of the page, and the way through the index


class StockCursor(CursorPagination):
    """DRF's cursor, over the same order."""

    page_size = PAGE
    ordering = ("-created_at", "-id")


class PagePair(Pair):
    """A whole page of the largest tenant's tasks, the newest first, behind so many of them."""

    depth_ratio: float

    def arguments(self, rng: random.Random) -> tuple[SeededTenant, int, Any, Request]:
        tenant = self.data.tenants[0]
        depth = int(tenant.tasks * self.depth_ratio * rng.uniform(0.95, 1.05))
        depth = min(depth, tenant.tasks - PAGE)  # what is read must be as much at each size
        with tenant_context(tenant.id):
            last = last_before(depth) if depth else None
        if last is None:
            return tenant, 0, None, _request()
        return tenant, last.place, NEWEST_FIRST.key(last), _request(cursor=drf_cursor(last))

    @variant(efficient=True)
    def keyset(self, tenant: SeededTenant, depth: int, key: Any, request: Request) -> list[Task]:
        """Rows beyond the key of the last row, by the index that has the order."""
        with tenant_context(tenant.id):
            return list(NEWEST_FIRST.page(task_list(), key=key, limit=PAGE))

    @variant()
    def offset(self, tenant: SeededTenant, depth: int, key: Any, request: Request) -> list[Task]:
        """LIMIT and OFFSET: PostgreSQL reads what it skips."""
        with tenant_context(tenant.id):
            return list(task_list().order_by("-created_at", "-id")[depth : depth + PAGE])

    @variant()
    def drf_cursor(
        self, tenant: SeededTenant, depth: int, key: Any, request: Request
    ) -> list[Task]:
        """DRF's CursorPagination, which compares the first column alone."""
        with tenant_context(tenant.id):
            return StockCursor().paginate_queryset(task_list(), request) or []


@pair(
    "tasks.first_page",
    title="The first page of a list",
    dataset=TASKS,
    page="pagination",
    caveat="Nothing is skipped on the first page: there a keyset buys nothing.",
    tags=("pagination",),
)
class FirstPage(PagePair):
    claims = (
        claim.queries("keyset", 1),
        claim.uses_index("keyset", "task_created_idx", from_size=10_000),
        claim.blocks("keyset", at_most=BLOCKS),
        claim.blocks("offset", at_most=BLOCKS),
    )
    depth_ratio = 0.0


@pair(
    "tasks.deep_page",
    title="A page at half depth",
    dataset=TASKS,
    page="pagination",
    caveat="A tenant with a few pages is as well served by OFFSET.",
    tags=("pagination",),
)
class DeepPage(PagePair):
    claims = (
        claim.queries("keyset", 1),
        claim.uses_index("keyset", "task_created_idx", from_size=10_000),
        claim.blocks("keyset", at_most=BLOCKS),
        claim.flat("keyset", of="time"),
        claim.grows("offset", exponent=1),
        claim.faster("keyset", than="offset", by=1.5, at=100_000),
    )
    depth_ratio = 0.5


@pair(
    "tasks.last_page",
    title="The last page of a list",
    dataset=TASKS,
    page="pagination",
    caveat="A tenant with a few pages is as well served by OFFSET.",
    tags=("pagination",),
)
class LastPage(PagePair):
    claims = (
        claim.queries("keyset", 1),
        claim.uses_index("keyset", "task_created_idx", from_size=10_000),
        claim.blocks("keyset", at_most=BLOCKS),
        claim.grows("offset", exponent=1),
        claim.faster("keyset", than="offset", by=2.5, at=100_000),
    )
    depth_ratio = 0.95


def last_before(depth: int) -> Any:
    """The task behind which a page begins, with its `place`: from so deep on, the first one whose
    follower has another time, because DRF's cursors say nothing else of a row."""
    rows = task_list().order_by("-created_at", "-id")
    place = max(1, depth)
    while True:
        found: list[Any] = list(rows[place - 1 : place + 1])
        if len(found) < 2 or found[0].created_at != found[1].created_at:
            found[0].place = place
            return found[0]
        place += 1


def drf_cursor(place: Any) -> str:
    """The cursor that DRF gives out behind a task, which says nothing but its time."""
    return b64encode(urlencode({"p": str(place.created_at)}).encode()).decode()


def _request(**query: str) -> Request:
    return Request(APIRequestFactory().get("/", query, headers={"host": "localhost"}))
