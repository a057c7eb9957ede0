"""Pages over REST: how deep they lie, and what is shown of each task."""

from __future__ import annotations

import json
import random
from typing import Any, Final
from urllib.parse import urlencode

from perf import claim, pair, variant
from taskproject.api.pagination import cursor_at
from taskproject.db.context import tenant_context
from tasks.benchmarks.clients import API, NO_CACHE, STOCK, Asked, Caller, RestPair, asked
from tasks.benchmarks.datasets import TASKS
from tasks.benchmarks.pages import NEWEST_FIRST, drf_cursor, last_before
from tasks.models import Task

DEEPEST: Final = 10_000
PAGE: Final = 25
MEMBERS: Final = ("key", "title", "status")


@pair(
    "tasks.rest_deep_page",
    title="Page 10,000 over REST, or as deep a page as there is",
    dataset=TASKS,
    page="rest-pages",
    caveat=(
        "It makes depth cost nothing, and no page cheaper than the first one is. A tenant with a"
        " few pages is as well served by OFFSET."
    ),
    tags=("rest", "pagination"),
)
class RestDeepPage(RestPair):
    """Of the largest tenant, 25 tasks a page: among 1,000,000 tasks it has 10,000 such pages."""

    claims = (
        claim.queries("service", 1),
        claim.queries("stock_offset", 2),
        claim.uses_index("service", "task_created_idx", from_size=10_000),
        claim.blocks("service", at_most=350),
        claim.flat("service", of="time"),
        claim.faster("service", than="as_first_page", by=0.85, at=100_000),
        claim.faster("service", than="stock_offset", by=4, at=100_000),
    )

    def arguments(self, rng: random.Random) -> tuple[Asked, ...]:
        tenant = self.data.tenants[0]
        caller = self.caller(tenant)
        deepest = min((DEEPEST - 1) * PAGE, tenant.tasks - PAGE)
        with tenant_context(tenant.id):
            last = last_before(deepest - rng.randrange(PAGE))
        before = {"created_before": last.created_at.isoformat()}
        queries = (
            (API, "", {"cursor": _cursor(caller, last)}),
            (API, "", before),
            (STOCK, "", {"cursor": drf_cursor(last)}),
            (STOCK, "by-offset/", {"offset": last.place}),
        )
        return tuple(
            asked(
                caller,
                "GET",
                caller.at(address, f"{rest}?{urlencode({'limit': PAGE, **query})}"),
                headers=NO_CACHE,
            )
            for address, rest, query in queries
        )

    @variant(efficient=True)
    def service(self, deep: Asked, first: Asked, cursor: Asked, offset: Asked) -> bytes:
        """The service's cursor: rows beyond the key of the last one."""
        return self.answer(deep).body

    @variant()
    def as_first_page(self, deep: Asked, first: Asked, cursor: Asked, offset: Asked) -> bytes:
        """The same rows as page 1 of what was made before: without a cursor, and without depth."""
        return self.answer(first).body

    @variant()
    def stock_cursor(self, deep: Asked, first: Asked, cursor: Asked, offset: Asked) -> bytes:
        """A ModelViewSet with DRF's CursorPagination."""
        return self.answer(cursor).body

    @variant()
    def stock_offset(self, deep: Asked, first: Asked, cursor: Asked, offset: Asked) -> bytes:
        """A ModelViewSet with DRF's LimitOffsetPagination: COUNT(*), and OFFSET."""
        return self.answer(offset).body

    def canonical(self, result: Any) -> Any:
        return json.loads(result)["results"]


def _cursor(caller: Caller, last: Task) -> str:
    """What the service gives out behind a task, for the newest tasks first."""
    binding = {
        "list": "tasks",
        "tenant": caller.tenant.id,
        "sort": "-created",
        "filters": {},
        "place": {"tenant": caller.tenant.slug},
    }
    return cursor_at(NEWEST_FIRST.key(last), binding)


@pair(
    "tasks.rest_fields",
    title="Three members of a page of 50 over REST",
    dataset=TASKS,
    page="rest-pages",
    caveat=(
        "What is saved is PostgreSQL's: two of three names for each row. Most of a request is"
        " routing, checks and middleware, whatever it shows."
    ),
    tags=("rest", "columns"),
)
class RestFields(RestPair):
    """Key, title and status."""

    claims = (
        claim.queries("service", 1),
        claim.faster("service", than="whole", by=1.1, at=10_000),
        claim.faster("service", than="stock", by=3, at=10_000),
    )

    def arguments(self, rng: random.Random) -> tuple[Asked, ...]:
        caller = self.caller(self.data.draw(rng))
        addresses = (API, f"?fields={','.join(MEMBERS)}"), (API, ""), (STOCK, "")
        paths = (caller.at(address, rest) for address, rest in addresses)
        return tuple(asked(caller, "GET", each, headers=NO_CACHE) for each in paths)

    @variant(efficient=True)
    def service(self, chosen: Asked, whole: Asked, stock: Asked) -> bytes:
        """fields=key,title,status: no name is looked up but the project's."""
        return self.answer(chosen).body

    @variant()
    def whole(self, chosen: Asked, whole: Asked, stock: Asked) -> bytes:
        """Whole tasks, of which the client takes three members."""
        return self.answer(whole).body

    @variant()
    def stock(self, chosen: Asked, whole: Asked, stock: Asked) -> bytes:
        """Whole tasks of a ModelViewSet of DRF."""
        return self.answer(stock).body

    def canonical(self, result: Any) -> Any:
        rows = json.loads(result)["results"]
        return [{name: each[name] for name in MEMBERS} for each in rows]


@pair(
    "tasks.rest_labels",
    title="A page of 25 with labels over REST",
    dataset=TASKS,
    page="rest-pages",
    caveat=(
        "A client that shows no labels should not ask for them: a page with them takes longer than"
        " without."
    ),
    tags=("rest", "n+1"),
)
class RestLabels(RestPair):
    """The labels of each task, by name."""

    claims = (
        claim.queries("included", 1),
        claim.faster("included", than="a_request_each", by=8, at=10_000),
    )

    def arguments(self, rng: random.Random) -> tuple[Any, ...]:
        caller = self.caller(self.data.draw(rng))

        def ready(rest: str) -> Asked:
            return asked(caller, "GET", caller.at(API, rest), headers=NO_CACHE)

        plain = ready(f"?limit={PAGE}")
        labels = {each["id"]: ready(f"{each['id']}/labels/") for each in self._rows(plain)}
        return ready(f"?limit={PAGE}&include=labels"), plain, labels

    @variant(efficient=True)
    def included(self, labelled: Asked, plain: Asked, labels: dict[int, Asked]) -> Any:
        """include=labels: in the statement of the page."""
        return self._rows(labelled)

    @variant()
    def a_request_each(self, labelled: Asked, plain: Asked, labels: dict[int, Asked]) -> Any:
        """The page, and a request for the labels of each task."""
        return [{**task, "labels": self._rows(labels[task["id"]])} for task in self._rows(plain)]

    def _rows(self, request: Asked) -> Any:
        return json.loads(self.answer(request).body)["results"]
