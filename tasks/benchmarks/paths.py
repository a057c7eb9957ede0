"""The REST API beside DRF's own way: a ModelViewSet with a ModelSerializer and its pagination.

Both have the same middleware, tokens, rate limit, tenants, versions and events. Pages are asked for
with Cache-Control: no-cache.
"""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

from perf import claim, pair, variant
from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.db.statements import Statement, run
from taskproject.tenancy import credentials
from tasks.benchmarks.clients import (
    API,
    NO_CACHE,
    STOCK,
    Asked,
    Caller,
    RestPair,
    asked,
)
from tasks.benchmarks.datasets import TASKS
from tasks.benchmarks.listed import page_statement
from tasks.benchmarks.traces import Mark, traces
from tasks.models import LIVE, Task


class ReadPair(RestPair):
    """A question to both paths."""

    rest = ""

    def arguments(self, rng: random.Random) -> tuple[Any, ...]:
        caller = self.caller(self.data.draw(rng))
        rest = self._rest(caller, rng)
        paths = (caller.at(each, rest) for each in (API, STOCK))
        return caller, *(asked(caller, "GET", each, headers=NO_CACHE) for each in paths)

    def _rest(self, caller: Caller, rng: random.Random) -> str:
        return ""

    @variant(efficient=True)
    def service(self, caller: Caller, api: Asked, stock: Asked) -> bytes:
        """The service's view: PostgreSQL writes the JSON."""
        return self.answer(api).body

    @variant()
    def stock(self, caller: Caller, api: Asked, stock: Asked) -> bytes:
        """A ModelViewSet of DRF: instances, then a ModelSerializer."""
        return self.answer(stock).body

    def canonical(self, result: Any) -> Any:
        found = json.loads(result)
        return found.get("results", found)


@pair(
    "tasks.rest_page",
    title="A page of 50 over REST",
    dataset=TASKS,
    page="rest",
    caveat=(
        "A function without a framework takes half as long: the rest is routing, middleware and"
        " DRF's checks. Without a web server and a network; a client far away sees little of it."
    ),
    tags=("rest",),
)
class RestPage(ReadPair):
    """The newest fifty tasks."""

    claims = (
        claim.queries("service", 1),
        claim.queries("stock", 1),
        claim.uses_index("service", "task_created_idx", from_size=10_000),
        claim.faster("service", than="stock", by=2, at=10_000),
        claim.faster("service", than="bare", by=0.3, at=10_000),
    )

    @variant()
    def bare(self, caller: Caller, api: Asked, stock: Asked) -> bytes:
        """The limit: token, rate limit and statement in a function, without a framework."""
        text = caller.token
        tenant_id = credentials.named_tenant(text) or 0
        recalled = credentials.recall_caller(tenant_id, credentials.digest(text), None)
        if recalled[0] is None or recalled[2] is None or not recalled[2].granted:
            raise RuntimeError("The token is not known any more.")
        with tenant_context(tenant_id):
            ((rows, *_),) = run(_first_page(), {})
        return b'{"results":[%b]}' % (rows or b"")


@cache
def _first_page() -> Statement:
    return page_statement()


@pair(
    "tasks.rest_detail",
    title="A task over REST",
    dataset=TASKS,
    page="rest",
    caveat=(
        "Both send one statement that reads as much: what is saved, 2 ms of Python, matters where"
        " a server is busy."
    ),
    tags=("rest",),
)
class RestDetail(ReadPair):
    """By its id."""

    claims = (
        claim.queries("service", 1),
        claim.queries("stock", 1),
        claim.uses_index("service", "task_tpk", from_size=10_000),
        claim.faster("service", than="stock", by=1.5, at=10_000),
    )

    def _rest(self, caller: Caller, rng: random.Random) -> str:
        return f"{_some_task(caller, rng)}/"


class WritePair(RestPair):
    """A change by both paths."""

    tables = ("task", "event", "project")
    status: int
    _done: tuple[int, Mark, tuple[int, ...]]

    @variant(efficient=True)
    def service(self, caller: Caller, mark: Mark, changed: Any, api: Asked, stock: Asked) -> bytes:
        """The service's view: one statement writes and shows."""
        return self._written(caller, mark, changed, api)

    @variant()
    def stock(self, caller: Caller, mark: Mark, changed: Any, api: Asked, stock: Asked) -> bytes:
        """A ModelViewSet of DRF in a transaction: a SELECT for each relation, save(), an event."""
        return self._written(caller, mark, changed, stock)

    def state(self) -> Any:
        tenant_id, mark, changed = self._done
        with tenant_context(tenant_id):
            return traces(mark, changed=changed)

    def _written(self, caller: Caller, mark: Mark, changed: Any, request: Asked) -> bytes:
        self._done = caller.tenant.id, mark, changed
        return self.answer(request, status=self.status).body


@pair(
    "tasks.rest_create",
    title="A new task over REST",
    dataset=TASKS,
    page="rest",
    caveat=(
        "COMMIT, which waits for the disk, is not in it: with it both take that much longer, and"
        " the ratio is smaller."
    ),
    tags=("rest", "writes"),
    writes=True,
)
class RestCreate(WritePair):
    """With a project, a title, a description, a priority and a due date.

    Two of the service's three statements are a savepoint, which it needs amid a transaction only.
    """

    claims = (
        claim.queries("service", 3),
        claim.queries("stock", 6),
        claim.faster("service", than="stock", by=1.5, at=10_000),
    )

    status = 201

    def arguments(self, rng: random.Random) -> tuple[Any, ...]:
        caller = self.caller(self.data.draw(rng))
        with tenant_context(caller.tenant.id):
            mark = Mark.now()
            found = Project.objects.filter(archived_at=None).order_by("id")
            project = rng.choice(found.values_list("key", flat=True))
        body = {
            "project": project,
            "title": "Answer the letter of the 3rd",
            "description": "It came by post, and wants to know what we make of the offer.",
            "priority": "high",
            "due_at": "2027-03-31T16:00:00Z",
        }
        paths = (caller.at(each) for each in (API, STOCK))
        return caller, mark, (), *(asked(caller, "POST", each, sends=body) for each in paths)


@pair(
    "tasks.rest_patch",
    title="Another title over REST",
    dataset=TASKS,
    page="rest",
    caveat=(
        "COMMIT, which waits for the disk, is not in it: with it both take that much longer, and"
        " the ratio is smaller."
    ),
    tags=("rest", "writes"),
    writes=True,
)
class RestPatch(WritePair):
    """Of a task, by its id. A savepoint is two of the statements, as with a new one."""

    claims = (
        claim.queries("service", 3),
        claim.queries("stock", 5),
        claim.faster("service", than="stock", by=1.5, at=10_000),
    )

    status = 200

    def arguments(self, rng: random.Random) -> tuple[Any, ...]:
        caller = self.caller(self.data.draw(rng))
        task_id = _some_task(caller, rng)
        with tenant_context(caller.tenant.id):
            mark = Mark.now()
        body = {"title": f"Renamed {task_id}"}
        paths = (caller.at(each, f"{task_id}/") for each in (API, STOCK))
        requests = (asked(caller, "PATCH", each, sends=body) for each in paths)
        return caller, mark, (task_id,), *requests


def _some_task(caller: Caller, rng: random.Random) -> int:
    with tenant_context(caller.tenant.id):
        return rng.choice(Task.objects.filter(LIVE).order_by("id").values_list("id", flat=True))
