"""Many new tasks over REST: one request for all, one for each, or one to DRF's many=True."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from perf import claim, pair, variant
from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import User
from tasks.benchmarks.clients import API, STOCK, Asked, RestPair, asked
from tasks.benchmarks.datasets import TASKS
from tasks.benchmarks.material import Batch, BatchPair, new_tasks
from tasks.benchmarks.traces import ClearedPair
from tasks.models import Priority


@dataclass(frozen=True, slots=True)
class Posted:
    """New tasks, and the requests that make them: in one, in one for each, in one to DRF."""

    new: Batch
    whole: Asked
    single: tuple[Asked, ...]
    many: Asked


class RestBatchPair(RestPair, BatchPair):
    """So many new tasks of a tenant, from requests whose bodies are ready."""

    tables = ("task", "event", "project")

    def arguments(self, rng: random.Random) -> tuple[Posted]:
        caller = self.caller(self.data.draw(rng))
        new = new_tasks(caller.tenant, self.number, rng)
        items = named_items(new)
        whole = asked(caller, "POST", caller.at(API, "bulk/create/"), sends={"items": items})
        single = tuple(asked(caller, "POST", caller.at(API), sends=each) for each in items)
        many = asked(caller, "POST", caller.at(STOCK, "many/"), sends=items)
        return (Posted(new, whole, single, many),)

    @variant(efficient=True)
    def one_request(self, posted: Posted) -> None:
        """One request to bulk/create/, which checks all, and writes by one statement."""
        self._sent(posted.new, posted.whole)

    @variant()
    def many_true(self, posted: Posted) -> None:
        """One request to a ModelSerializer of DRF with many=True."""
        self._sent(posted.new, posted.many)

    def _sent(self, new: Batch, *requests: Asked) -> None:
        self._done = new
        for each in requests:
            self.answer(each, status=201)


@pair(
    "tasks.rest_batch",
    title="Making 100 tasks over REST",
    dataset=TASKS,
    page="batches",
    caveat=(
        "One new task by itself takes 1.5 ms over REST: a batch is for who has many at once. If"
        " one of an atomic batch is refused, all of it is."
    ),
    tags=("batches", "rest", "writes"),
    writes=True,
)
class RestBatch(RestBatchPair):
    """Without COMMIT: a request for each task would wait for the disk as often."""

    claims = (
        claim.queries("one_request", 5),
        claim.queries("request_each", 300),
        claim.faster("one_request", than="request_each", by=4, at=10_000),
        claim.faster("one_request", than="many_true", by=8, at=10_000),
    )
    number = 100

    @variant()
    def request_each(self, posted: Posted) -> None:
        """One request for each task."""
        self._sent(posted.new, *posted.single)


@pair(
    "tasks.rest_batch_1000",
    title="Making 1,000 tasks over REST",
    dataset=TASKS,
    page="large-batches",
    caveat=(
        "A request of 100 takes a seventh of it, so that ten of them are not much worse. If one"
        " item of an atomic batch is refused, all 1,000 are."
    ),
    sizes=(100_000,),
    tags=("batches", "rest", "writes", "large"),
    writes=True,
)
class RestBatch1000(ClearedPair, RestBatchPair):
    """As many as a request may have."""

    claims = (
        claim.queries("one_request", 5),
        claim.faster("one_request", than="many_true", by=10, at=100_000),
    )
    number = 1_000


def named_items(new: Batch) -> list[dict[str, Any]]:
    """The items as a client sends them: with names in place of ids."""
    with tenant_context(new.tenant.id):
        projects = dict(Project.objects.values_list("id", "key"))
    ids = {item["assignee_id"] for item in new.items}
    people = dict(User.objects.filter(pk__in=ids - {None}).values_list("id", "username"))
    return [
        {
            "project": projects[item["project_id"]],
            "assignee": people.get(item["assignee_id"]),
            "title": item["title"],
            "description": item["description"],
            "priority": Priority(item["priority"]).label,
            "due_at": item["due_at"] and item["due_at"].isoformat(),
        }
        for item in new.items
    ]
