"""Many new tasks over REST: one request for all, one for each, or one to DRF's many=True."""

from __future__ import annotations

import random
from typing import Any, Final

from perf import claim, pair, variant
from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import User
from tasks.benchmarks.clients import API, STOCK, Asked, RestPair, asked
from tasks.benchmarks.datasets import TASKS
from tasks.benchmarks.material import NewTasks, new_tasks
from tasks.benchmarks.traces import traces
from tasks.models import Priority

NUMBER: Final = 100


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
class RestBatch(RestPair):
    """Without COMMIT: a request for each task would wait for the disk as often."""

    claims = (
        claim.queries("one_request", 5),
        claim.queries("request_each", 300),
        claim.faster("one_request", than="request_each", by=4, at=10_000),
        claim.faster("one_request", than="many_true", by=8, at=10_000),
    )

    tables = ("task", "event", "project")
    _new: NewTasks

    def arguments(self, rng: random.Random) -> tuple[Any, ...]:
        caller = self.caller(self.data.draw(rng))
        new = new_tasks(caller.tenant, NUMBER, rng)
        items = _items(new)
        whole = asked(caller, "POST", caller.at(API, "bulk/create/"), sends={"items": items})
        single = [asked(caller, "POST", caller.at(API), sends=each) for each in items]
        many = asked(caller, "POST", caller.at(STOCK, "many/"), sends=items)
        return new, whole, single, many

    @variant(efficient=True)
    def one_request(self, new: NewTasks, whole: Asked, single: list[Asked], many: Asked) -> None:
        """One request to bulk/create/, which checks all, and writes by one statement."""
        self._sent(new, [whole])

    @variant()
    def request_each(self, new: NewTasks, whole: Asked, single: list[Asked], many: Asked) -> None:
        """One request for each task."""
        self._sent(new, single)

    @variant()
    def many_true(self, new: NewTasks, whole: Asked, single: list[Asked], many: Asked) -> None:
        """One request to a ModelSerializer of DRF with many=True."""
        self._sent(new, [many])

    def state(self) -> Any:
        with tenant_context(self._new.tenant.id):
            return traces(self._new.mark)

    def _sent(self, new: NewTasks, requests: list[Asked]) -> None:
        self._new = new
        for each in requests:
            self.answer(each, status=201)


def _items(new: NewTasks) -> list[dict[str, Any]]:
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
