"""What pairs write: new tasks of a tenant, and changes of those it has."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, ClassVar, Final

from projects.models import Project
from projects.services import numbers_take
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Membership
from tasks.benchmarks.datasets import Seeded, SeededTenant
from tasks.benchmarks.traces import Mark, WritingPair, traces
from tasks.models import LIVE, Priority, Status, Task

_TEXTS: Final = 1_000
_DUE_AT: Final = datetime(2027, 3, 31, 16, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Batch:
    """Tasks that somebody is to make in a tenant, or to change, which then have their ids; `mark`
    is where the tenant stood before."""

    tenant: SeededTenant
    actor_id: int
    items: tuple[dict[str, Any], ...]
    mark: Mark

    @property
    def ids(self) -> list[int]:
        """The tasks that are changed."""
        return [each["id"] for each in self.items if "id" in each]


class BatchPair(WritingPair):
    """So many tasks of a tenant at once."""

    number: ClassVar[int]
    _done: Batch

    def state(self) -> Any:
        with tenant_context(self._done.tenant.id):
            return traces(self._done.mark, changed=self._done.ids)

    @contextmanager
    def _for(self, batch: Batch) -> Iterator[None]:
        """The tenant is active, and `state` tells of this batch."""
        self._done = batch
        with tenant_context(batch.tenant.id):
            yield


def new_tasks(tenant: SeededTenant, number: int, rng: random.Random) -> Batch:
    """New tasks with texts of the tenant's own: two in three have an assignee, one in two a due
    date."""
    with tenant_context(tenant.id):
        people = _people(tenant.id)
        open_projects = Project.objects.filter(archived_at=None).order_by("id")
        projects = list(open_projects.values_list("id", flat=True))
        texts = _rows().values("title", "description", "priority")[:_TEXTS]
        items = tuple(
            {
                **text,
                "project_id": rng.choice(projects),
                "assignee_id": rng.choice(people) if n % 3 else None,
                "due_at": _DUE_AT if n % 2 else None,
            }
            for n, text in enumerate(rng.choices(texts, k=number))
        )
        return Batch(tenant, people[0], items, Mark.now())


def changes(tenant: SeededTenant, number: int, rng: random.Random) -> Batch:
    """Another title and another priority for some tasks of a tenant, in no order, or for all if it
    has fewer."""
    with tenant_context(tenant.id):
        rows = list(_rows().values_list("id", "priority"))
        items = tuple(
            {"id": pk, "title": f"Renamed {pk}", "priority": Priority((priority + 1) % 4)}
            for pk, priority in rng.sample(rows, min(number, len(rows)))
        )
        return Batch(tenant, _people(tenant.id)[0], items, Mark.now())


def numbers_for(project_ids: Iterable[int]) -> dict[int, Iterator[int]]:
    """The next numbers of each project for a task each. One statement for each project."""
    wanted = Counter(project_ids)
    return {
        project_id: count(numbers_take(project_id=project_id, count=wanted[project_id]))
        for project_id in sorted(wanted)
    }


def draw_with(data: Seeded, tasks: int, rng: random.Random) -> SeededTenant:
    """A tenant that has so many tasks; the largest one if none has."""
    found = [each for each in data.tenants if each.tasks >= tasks] or [data.tenants[0]]
    return rng.choice(found)


def array_text(values: Iterable[Any]) -> str:
    """An array as PostgreSQL reads it, of values without quotes and backslashes in their texts.

    What is made before the time begins: a client that writes out its values pays as much for that
    as the server for an index.
    """
    cells = ("NULL" if each is None else f'"{each}"' for each in values)
    return "{" + ",".join(cells) + "}"


def status_label(task: Task) -> str:
    """The status of a task as events tell of it."""
    return Status(task.status).label


def _people(tenant_id: int) -> list[int]:
    # Membership is asked across tenants, and knows no active one.
    members = Membership.objects.filter(tenant_id=tenant_id, active=True).order_by("id")
    return list(members.values_list("user_id", flat=True))


def _rows() -> Any:
    return Task.objects.filter(LIVE).order_by("id")
